import csv
import gzip
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from domain_adapt.data_check import check
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import TaskRecipe
from domain_adapt.tasks import task_type
from domain_adapt.tasks.rows import read_rows


def rows(path):
    return list(read_rows(path))


def test_csv_and_tsv(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text('\ufefftext,label\n"two\nlines, one comma",a\n\nplain,b\n', encoding="utf-8")
    assert rows(path) == [
        (f"{path}:3", {"text": "two\nlines, one comma", "label": "a"}),
        (f"{path}:5", {"text": "plain", "label": "b"}),
    ]
    packed = tmp_path / "x.tsv.gz"
    packed.write_bytes(gzip.compress(b"text\tlabel\nplain, with a comma\tb\n"))
    assert rows(packed) == [(f"{packed}:2", {"text": "plain, with a comma", "label": "b"})]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"text,label\na\n", "x.csv:2: 1 values, but the header has 2 columns"),
        (b"text,label\na,b,c\n", "x.csv:2: 3 values, but the header has 2 columns"),
        (b"text,text\n", "x.csv:1: the header names a column twice: text, text"),
        (b'text,label\n"a,b\n', "x.csv:2: not valid"),
        (b"text,label\nok,1\n\xff,b\n", "x.csv:3: not UTF-8 text"),
    ],
)
def test_bad_csv_is_named(tmp_path, content, message):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(DomainAdaptError) as caught:
        rows(path)
    assert message in caught.value.message


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, max_size=5))
def test_what_csv_writes_comes_back(tmp_path_factory, pairs):
    pairs = [(a, b) for a, b in pairs if "\r" not in a + b and "\0" not in a + b]
    pairs = [pair for pair in pairs if not any("\ud800" <= letter <= "\udfff" for letter in "".join(pair))]
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(("text", "label"))
    writer.writerows(pairs)
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_bytes(written.getvalue().encode())
    assert [tuple(row.values()) for _, row in rows(path)] == pairs


def test_parquet(tmp_path):
    path = tmp_path / "x.parquet"
    parquet.write_table(pa.table({"text": ["a", "b"], "label": [0, 1]}), path)
    assert rows(path) == [(f"{path}: row 1", {"text": "a", "label": 0}), (f"{path}: row 2", {"text": "b", "label": 1})]
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DomainAdaptError, match="not a Parquet file"):
        rows(path)


def test_conll(tmp_path):
    path = tmp_path / "x.conll"
    path.write_text("-DOCSTART- -X- O\n\nChest NN B-disease\npain NN I-disease\n\n\nFever\tO")
    assert rows(path) == [
        (f"{path}:3", {"tokens": ["Chest", "pain"], "tags": ["B-disease", "I-disease"]}),
        (f"{path}:7", {"tokens": ["Fever"], "tags": ["O"]}),
    ]
    (first, _) = (
        task_type("token-classification").load([path], TaskRecipe(name="x", type="token-classification")).examples
    )
    assert first.text == "Chest pain" and first.id == f"{path}:3" and first.entities[0].end == 10
    path.write_text("Chest B-disease\npain\n")
    with pytest.raises(DomainAdaptError, match=r"x\.conll:2: expected a token and its tag, found 'pain'"):
        rows(path)


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.conll"])
def test_a_missing_file(tmp_path, name):
    with pytest.raises(DomainAdaptError, match="no such file"):
        rows(tmp_path / name)


def test_another_ending(tmp_path):
    with pytest.raises(DomainAdaptError, match=r"x.docx: expected a file ending in .json, .*\.csv"):
        rows(tmp_path / "x.docx")


def test_tables_are_labelled_texts_for_training_and_for_the_check(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("text,label\nfever and cough,medicine\nbonds and shares,finance\n")
    found = task_type("text-classification").load([path], TaskRecipe(name="x", type="text-classification")).examples
    assert [(one.text, one.label) for one in found] == [
        ("fever and cough", "medicine"),
        ("bonds and shares", "finance"),
    ]
    (tmp_path / "dev.csv").write_text("text,label\nfever and cough,medicine\n")
    (checked,) = check([tmp_path])
    assert [part.texts for part in checked.texts] == [2, 1]
    assert [one.check for one in checked.findings if one.level == "error"] == ["leakage"]
