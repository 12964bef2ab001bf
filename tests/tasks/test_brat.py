import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.data_check import check
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import TaskRecipe
from domain_adapt.tasks import task_type
from domain_adapt.tasks.brat import read_brat
from domain_adapt.tasks.rows import is_readable, read_rows

TEXT = "Fever and a cough.\nAspirin for the fever.\n"
ANNOTATIONS = """\
T1\tDisease 0 5\tFever
R1\tTreats Arg1:T3 Arg2:T1
T3\tDrug 19 26\tAspirin
E1\tDisease:T1
A1\tNegated T1
M1\tSpeculation T1
N1\tReference T3 MeSH:D001241\tAspirin
#1\tAnnotatorNotes T3\tT9\tDrug 0 99\tno annotation of its own
*\tEquiv T1 T5

T5\tDisease 35 40\tfever
"""


def write(folder, text, annotations, name="note"):
    (folder / f"{name}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    path = folder / f"{name}.ann"
    path.write_bytes(annotations if isinstance(annotations, bytes) else annotations.encode())
    return path


def row(path):
    ((place, found),) = read_brat(path)
    assert place == str(path)
    return found


def spans(found):
    return [(found["text"][one["start"] : one["end"]], one["label"]) for one in found["entities"]]


def problem(path):
    with pytest.raises(DomainAdaptError) as caught:
        list(read_brat(path))
    return caught.value


def test_a_document_is_one_row_of_its_text_bound_annotations(tmp_path):
    path = write(tmp_path, TEXT, ANNOTATIONS, name="case-7.v2")
    assert row(path) == {
        "id": "case-7.v2",
        "text": TEXT,
        "entities": [
            {"start": 0, "end": 5, "label": "Disease"},
            {"start": 19, "end": 26, "label": "Drug"},
            {"start": 35, "end": 40, "label": "Disease"},
        ],
    }
    assert list(read_rows(path)) == list(read_brat(path)) and is_readable(path)


def test_it_is_read_for_training_and_for_the_check(tmp_path):
    path = write(tmp_path, TEXT, ANNOTATIONS)
    (example,) = (
        task_type("token-classification").load([path], TaskRecipe(name="x", type="token-classification")).examples
    )
    assert example.id == "note" and example.text == TEXT
    assert [(one.start, one.end, one.label) for one in example.entities] == [
        (0, 5, "Disease"),
        (19, 26, "Drug"),
        (35, 40, "Disease"),
    ]
    (checked,) = check([tmp_path])
    assert checked.kind == "token-classification" and not [one for one in checked.findings if one.level == "error"]


def test_no_annotation_is_no_entity(tmp_path):
    assert row(write(tmp_path, TEXT, "")) == {"id": "note", "text": TEXT, "entities": []}


def test_packed_files(tmp_path):
    (tmp_path / "note.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    (tmp_path / "note.ann.gz").write_bytes(gzip.compress(ANNOTATIONS.encode()))
    assert is_readable(tmp_path / "note.ann.gz")
    assert row(tmp_path / "note.ann.gz")["id"] == "note"
    (tmp_path / "note.txt").write_text("Fever")  # the plain one is preferred
    assert problem(tmp_path / "note.ann.gz").message.endswith(
        "note.ann.gz:3: Drug 19 26 lies outside the text of 5 characters"
    )


def test_offsets_are_characters_not_bytes_nor_utf16_units(tmp_path):
    # é is two bytes, the syringe four bytes and two UTF-16 units, the family five code points shown as one.
    text = "café 💉 \u2028 👨‍👩‍👧 Fieber\n"
    assert len(text) == 22
    found = row(
        write(tmp_path, text, "T1\tX 5 6\t💉\nT2\tDisease 15 21\tFieber\nT3\tY 9 14\t👨‍👩‍👧\nT4\tZ 5 8\t💉 \u2028\n")
    )
    assert spans(found) == [("💉", "X"), ("Fieber", "Disease"), ("👨‍👩‍👧", "Y"), ("💉 \u2028", "Z")]


def test_carriage_returns_count_where_the_annotations_counted_them(tmp_path):
    """The quoted texts decide: brat's issue 853 counts a CRLF as one character, its issue 1169 as two."""
    text = b"John loves Mary.\r\nHe married her.\r\n"
    as_two = row(write(tmp_path, text, "T1\tPerson 0 4\tJohn\nT2\tPerson 18 20\tHe\nT3\tPerson 29 32\ther\n"))
    assert as_two["text"] == text.decode()
    as_one = row(write(tmp_path, text, "T1\tPerson 0 4\tJohn\nT2\tPerson 17 19\tHe\nT3\tPerson 28 31\ther\n"))
    assert as_one["text"] == "John loves Mary.\nHe married her.\n"
    assert spans(as_one) == spans(as_two) == [("John", "Person"), ("He", "Person"), ("her", "Person")]
    # Where both fit, nothing is changed; a file of mixed counts fits neither way.
    assert row(write(tmp_path, text, "T1\tPerson 0 4\tJohn\n"))["text"] == text.decode()
    found = problem(write(tmp_path, text, "T1\tPerson 18 20\tHe\nT2\tPerson 28 31\ther\n"))
    assert found.message.endswith("note.ann:2: Person 28 31 covers ' he', but quotes 'her'")


def test_the_problem_named_is_that_of_the_reading_that_holds_longest(tmp_path):
    found = problem(write(tmp_path, b"a\r\nfever\r\ncough", "T1\tX 2 7\tfever\nT2\tX 8 13\tcouch\n"))
    assert found.message.endswith("note.ann:2: X 8 13 covers 'cough', but quotes 'couch'")


def test_annotations_written_on_windows(tmp_path):
    path = write(tmp_path, TEXT, ("\ufeff" + ANNOTATIONS).replace("\n", "\r\n"))
    assert spans(row(path)) == [("Fever", "Disease"), ("Aspirin", "Drug"), ("fever", "Disease")]


def test_a_byte_order_mark_counts_where_the_annotations_counted_it(tmp_path):
    text = "\ufeffFever\r\nand cough"
    assert spans(row(write(tmp_path, text, "T1\tX 1 6\tFever\nT2\tX 12 17\tcough\n"))) == [
        ("Fever", "X"),
        ("cough", "X"),
    ]
    found = row(write(tmp_path, text, "T1\tX 0 5\tFever\nT2\tX 10 15\tcough\n"))  # neither the mark nor the \r
    assert found["text"] == "Fever\nand cough" and spans(found) == [("Fever", "X"), ("cough", "X")]


def test_a_span_over_a_line_end_is_one_entity(tmp_path):
    """brat 1.3 cuts such a span into fragments (its issue 1042); others write the line end as a blank."""
    text = "shortness \n of\tbreath\nand fever"
    as_fragments = write(tmp_path, text, "T1\tX 0 9;12 14;15 21\tshortness of breath\nT2\tX 26 31\tfever\n")
    assert spans(row(as_fragments)) == [("shortness \n of\tbreath", "X"), ("fever", "X")]
    as_blank = write(tmp_path, text, "T1\tX 0 14\tshortness   of\n")
    assert spans(row(as_blank)) == [("shortness \n of", "X")]
    # From brat's issue 1169: a carriage return before the line end belongs to the fragment.
    with_return = write(
        tmp_path, b"Date: Thu\r\nFrom: Phillip", "T1\tEvidencia 0 10;11 24\tDate: Thu\r From: Phillip\n"
    )
    assert spans(row(with_return)) == [("Date: Thu\r\nFrom: Phillip", "Evidencia")]
    touching = write(tmp_path, "fever", "T1\tX 0 3;3 5\tfev er\n")
    assert spans(row(touching)) == [("fever", "X")]


def test_a_comment_behind_the_quoted_text(tmp_path):
    assert spans(row(write(tmp_path, TEXT, "T1\tX 0 5 \tFever\tsure\n"))) == [("Fever", "X")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("T1\tDisease 0 5", "expected id, tab, label start end, tab, text"),
        ("T1 Disease 0 5\tFever", "expected id, tab, label start end, tab, text"),
        ("T1\tDisease 0\tFever", "expected id, tab, label start end, tab, text"),
        ("T1\tDisease 0 five\tFever", "expected id, tab, label start end, tab, text"),
        ("T1\tDisease 0 -5\tFever", "expected id, tab, label start end, tab, text"),
        ("T1\tDisease 0 5;\tFever", "expected id, tab, label start end, tab, text"),
        ("T1\tA disease 0 5\tFever", "expected id, tab, label start end, tab, text"),
        ("T1\tDisease 0 " + "9" * 5000 + "\tFever", "expected id, tab, label start end, tab, text"),
        ("T\tDisease 0 5\tFever", "expected id, tab, label start end, tab, text"),
        ("X1\tDisease 0 5\tFever", "found 'X1\\tDisease 0 5\\tFever'"),
        ("Fever", "found 'Fever'"),
        ("Aspirin helps", "found 'Aspirin helps'"),
        ("T1\tDisease 35 99\tfever", "Disease 35 99 lies outside the text of 42 characters"),
        ("T1\tDisease 5 5\t", "Disease 5 5 is not a span of the text of 42 characters"),
        ("T1\tDisease 5 0\tFever", "Disease 5 0 is not a span of the text of 42 characters"),
        ("T1\tDisease 35 40;19 26\tfever Aspirin", "Disease 35 40;19 26 is not a span of the text of 42 characters"),
        ("T1\tDisease 0 5\tfever", "Disease 0 5 covers 'Fever', but quotes 'fever'"),
        ("T1\tDisease 0 5\tFever and", "Disease 0 5 covers 'Fever', but quotes 'Fever and'"),
        ("T1\tDisease 1 6\tFever", "Disease 1 6 covers 'ever ', but quotes 'Fever'"),
        ("T1\tDisease 0 5;12 17\tFever cough", "Disease 0 5;12 17 is discontinuous: it leaves out ' and a '"),
        ("T1\tDisease 0 5;6 9\tFever and", "Disease 0 5;6 9 is discontinuous: it leaves out ' '"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, line, message):
    path = write(tmp_path, TEXT, f"#1\tAnnotatorNotes T1\tfirst line\n{line}\n")
    found = problem(path)
    assert found.message.startswith(f"{path}:2: ") and message in found.message
    assert ("discontinuous" in message) == (found.hint is not None and "part" in found.hint)
    assert len(found.message) < len(str(path)) + 200


def test_an_id_used_twice(tmp_path):
    path = write(tmp_path, TEXT, "T1\tX 0 5\tFever\n*\tEquiv T1 T1\n*\tEquiv T1 T1\nT1\tX 12 17\tcough\n")
    assert problem(path).message == f"{path}:4: annotation T1 was there before, on line 1"


def test_a_missing_text(tmp_path):
    path = write(tmp_path, TEXT, ANNOTATIONS)
    (tmp_path / "note.txt").unlink()
    found = problem(path)
    assert found.message == f"{path}: expected the text beside it, in note.txt"
    assert found.hint == f"no such file: {tmp_path / 'note.txt'}"


def test_a_missing_annotation_file(tmp_path):
    assert problem(tmp_path / "none.ann").message == f"{tmp_path / 'none.ann'}: no such file"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_bytes_that_are_not_utf8(tmp_path, mark):
    path = write(tmp_path, TEXT, mark + b"T1\tX 0 5\tFever\n\xff")
    assert problem(path).message == f"{path}:2: not UTF-8 text"
    path = write(tmp_path, mark + b"Fever\nL\xf6we\n", "")
    assert problem(path).message == f"{tmp_path / 'note.txt'}:2: not UTF-8 text"


def test_overlapping_spans_are_refused_where_entities_become_tags(tmp_path):
    path = write(tmp_path, TEXT, "T1\tDisease 0 9\tFever and\nT2\tDisease 6 17\tand a cough\n")
    assert len(row(path)["entities"]) == 2
    with pytest.raises(DomainAdaptError) as caught:
        task_type("token-classification").load([path], TaskRecipe(name="x", type="token-classification"))
    assert caught.value.message == f"{path}: id 'note': entity Disease 6:17 overlaps the one before it"


texts = st.text(st.sampled_from("ab éß💉\n\t\u2028\x85‍") | st.characters(codec="utf-8"), min_size=1, max_size=60)


@st.composite
def documents(draw):
    text = draw(texts)
    cuts = st.tuples(st.integers(0, len(text) - 1), st.integers(1, len(text)))
    found = draw(st.lists(cuts.filter(lambda pair: pair[0] < pair[1]), max_size=4))
    labels = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=5)
    return text, [(start, end, draw(labels)) for start, end in found]


@given(documents())
def test_what_is_written_comes_back(tmp_path_factory, document):
    text, entities = document
    lines = [
        f"T{number}\t{label} {start} {end}\t" + text[start:end].replace("\n", " ").replace("\r", " ")
        for number, (start, end, label) in enumerate(entities)
    ]
    path = write(tmp_path_factory.mktemp("brat"), text, "".join(line + "\n" for line in lines))
    assert row(path) == {
        "id": "note",
        "text": text,
        "entities": [{"start": start, "end": end, "label": label} for start, end, label in entities],
    }


@given(documents())
def test_a_text_saved_anew_with_carriage_returns_keeps_its_spans(tmp_path_factory, document):
    text, entities = document
    text = text.replace("\r", "")
    entities = [(start, end, label) for start, end, label in entities if end <= len(text)]
    lines = [
        f"T{number}\t{label} {start} {end}\t" + text[start:end].replace("\n", " ")
        for number, (start, end, label) in enumerate(entities)
    ]
    path = write(tmp_path_factory.mktemp("brat"), text.replace("\n", "\r\n"), "\r\n".join(lines))
    found = row(path)
    if found["text"] == text:
        assert spans(found) == [(text[start:end], label) for start, end, label in entities]
    else:  # the spans fit the new text too, such as "a" in "a\r\na"
        assert found["text"] == text.replace("\n", "\r\n")
        blank = str.maketrans("\r\n", "  ")
        assert [(span.translate(blank), label) for span, label in spans(found)] == [
            (text[start:end].translate(blank), label) for start, end, label in entities
        ]
