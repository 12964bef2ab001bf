from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain_adapt.corpus.sources import Document, open_source
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import FilesSource

Write = Callable[[str, str | bytes], Path]
Read = Callable[..., list[Document]]

ROWS = [{"id": "a", "text": "Erste Zeile."}, {"id": "b", "text": "Zwei\nZeilen, mit Komma und Ü."}]
EXPECTED = [("a", "Erste Zeile."), ("b", "Zwei\nZeilen, mit Komma und Ü.")]
CSV = 'id,text\na,Erste Zeile.\nb,"Zwei\nZeilen, mit Komma und Ü."\n'
TEXTS = {
    "x.jsonl": "\n".join(json.dumps(row) for row in ROWS) + "\n\n",
    "x.json": json.dumps(ROWS),
    "nested.json": json.dumps({"version": 1, "data": ROWS}),
    "x.csv": CSV,
    "x.tsv": CSV.replace(",Erste", "\tErste").replace("b,", "b\t").replace("id,", "id\t"),
}


def pairs(documents: list[Document]) -> list[tuple[str, str]]:
    return [(document.id, document.text) for document in documents]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("name", TEXTS)
def test_every_tabular_format_gives_the_same_documents(
    write: Write, read_files: Read, name: str, bom: str, suffix: str
) -> None:
    write(name + suffix, bom + TEXTS[name])
    documents = read_files(name + suffix)
    assert pairs(documents) == EXPECTED
    assert {document.source for document in documents} == {name + suffix}


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_parquet_in_all_its_string_types(tmp_path: Path, read_files: Read, kind: pa.DataType, suffix: str) -> None:
    texts = pa.array([row["text"] for row in ROWS] + [None]).cast(kind)
    pq.write_table(pa.table({"text": texts, "id": ["a", "b", None], "n": [1, 2, 3]}), tmp_path / "x.parquet")
    if suffix:
        (tmp_path / "x.parquet.gz").write_bytes(gzip.compress((tmp_path / "x.parquet").read_bytes()))
    assert pairs(read_files(f"x.parquet{suffix}")) == [*EXPECTED, (f"x.parquet{suffix}:3", "")]


def test_other_fields_and_ids_by_place(write: Write, read_files: Read) -> None:
    write("x.jsonl", '{"body": "one", "key": 7}\n"two"\n{"body": null}\n')
    documents = read_files("x.jsonl", text_field="body", id_field="key")
    assert pairs(documents) == [("7", "one"), ("x.jsonl:2", "two"), ("x.jsonl:3", "")]


def test_txt_and_markdown_are_one_document_a_file(write: Write, read_files: Read) -> None:
    write("a.txt", "One.\n\nTwo.")
    write("b.md", "---\nid: note-1\ntitle: x\n---\n# Title\n\nText.\n\n---\n\nMore.")
    write("c.md", "---\nnot closed")
    write("e.md", "---\nA rule, and prose.\n---\nMore.")
    write("f.md", "---\n---\nText.")
    write("d.md.gz", "---\r\ntitle: x\r\n---\r\nText.")
    assert pairs(read_files(".")) == [
        ("a.txt", "One.\n\nTwo."),
        ("note-1", "# Title\n\nText.\n\n---\n\nMore."),
        ("c.md", "---\nnot closed"),
        ("d.md.gz", "Text."),
        ("e.md", "---\nA rule, and prose.\n---\nMore."),
        ("f.md", "Text."),
    ]


def test_a_csv_field_longer_than_the_limit_of_the_csv_module(write: Write, read_files: Read) -> None:
    write("x.csv", "text\n" + "a" * 200_000 + "\n")
    assert len(read_files("x.csv")[0].text) == 200_000


def test_folders_are_walked_in_order_without_hidden_and_foreign_files(write: Write, read_files: Read) -> None:
    for name in ("b/2.txt", "b/1.txt", "a.txt", "LICENSE", "x.exe", ".hidden.txt", ".git/x.txt", "z/y/x.TXT"):
        write(f"texts/{name}", name)
    assert [document.id for document in read_files("texts")] == ["a.txt", "b/1.txt", "b/2.txt", "z/y/x.TXT"]


def test_a_link_that_leads_back_up_does_not_loop(write: Write, read_files: Read) -> None:
    path = write("texts/a.txt", "a")
    (path.parent / "loop").symlink_to(path.parent)
    assert [document.id for document in read_files("texts")] == ["a.txt"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("texts/*.txt", ["a.txt"]),
        ("texts/**/*.txt", ["a.txt", "b/1.txt", "b/c/2.txt"]),
        ("texts/*", ["a.txt", "b/1.txt", "b/c/2.txt"]),
        (["texts/b/1.txt", "texts"], ["1.txt", "a.txt", "b/c/2.txt"]),
        ("odd[1].txt", ["odd[1].txt"]),
    ],
)
def test_globs_lists_and_names_that_look_like_globs(
    write: Write, read_files: Read, pattern: str | list[str], expected: list[str]
) -> None:
    for name in ("texts/a.txt", "texts/b/1.txt", "texts/b/c/2.txt", "odd[1].txt"):
        write(name, name)
    assert [document.id for document in read_files(pattern)] == expected


def test_fingerprint_knows_content_names_and_fields_but_not_the_machine(tmp_path: Path) -> None:
    def fingerprint(place: str, name: str = "a.jsonl", text: str = '{"text": "x"}', field: str = "text") -> str:
        folder = tmp_path / place
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
        return open_source(FilesSource(path=str(folder), text_field=field), tmp_path).fingerprint()

    original = fingerprint("one")
    assert fingerprint("two") == original
    assert len({original, fingerprint("three", name="b.jsonl"), fingerprint("four", field="body")}) == 3
    assert fingerprint("five", text='{"text": "y"}') != original


def test_info_holds_no_folder_of_the_machine(write: Write, tmp_path: Path) -> None:
    path = write("texts/a.txt", "a")
    info = open_source(FilesSource(path=[str(path.parent), "texts/*.txt"], licence="MIT"), tmp_path).info()
    assert (info.kind, info.name, info.licence) == ("files", "texts, texts/*.txt", "MIT")


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        ("x.jsonl", '{"text": "a"}\n' * 16 + '{"text": "a"\n', "x.jsonl:17: not valid JSON: ", None),
        ("x.jsonl", '{"text": "a"}\n{"body": "b"}', "x.jsonl:2: no field 'text'; found: body", "--text-field 'body'"),
        ("x.jsonl", '{"texts": "b", "c": "d"}', "x.jsonl:1: no field 'text'; found: texts, c", "--text-field 'texts'"),
        ("x.jsonl", '{"a": "b", "c": "d"}', "x.jsonl:1: no field 'text'; found: a, c", "name the one that holds"),
        ("x.jsonl", '{"text": 5}', "x.jsonl:1: field 'text': expected a string, found a number", None),
        ("x.jsonl", '{"text": ["a"]}', "x.jsonl:1: field 'text': expected a string, found a list", None),
        ("x.jsonl", "[1]", "x.jsonl:1: expected an object with the text in 'text', found a list", None),
        ("x.jsonl", "[" * 100_000, "x.jsonl:1: not valid JSON: ", None),
        ("x.json", '[\n{"text": "a"},\n]', "x.json:3: not valid JSON: ", None),
        ("x.json", '{"text": "a"}\n{"text": "b"}', "x.json:2: not valid JSON: ", "name the file .jsonl"),
        ("x.json", '{"text": "a"}', "x.json:1: expected a list of objects or strings", None),
        ("x.json", '[{"text": "a"}, {}]', "x.json:item 2: no field 'text'; found: none", None),
        ("x.csv", "id,abstract\n1,a", "x.csv:1: no column 'text'; found: id, abstract", "--text-field 'abstract'"),
        ("x.csv", "id;text\n1;a", "x.csv:1: no column 'text'; found: id;text", "separated by commas"),
        ("x.csv", "id,text\n1,a\n\n2,a,b\n", "x.csv:4: expected 2 columns as in the header, found 3", None),
        ("x.csv", 'id,text\n1,"a\nb\n', "x.csv:3: not valid x.csv: ", "must be doubled"),
        ("x.exe", b"MZ", "x.exe: a file of this kind is not read", ".txt .md .jsonl"),
    ],
)
def test_bad_files_are_named_with_line_and_reason(
    write: Write,
    read_files: Read,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    content: str | bytes,
    message: str,
    hint: str | None,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(name, content)
    with pytest.raises(DomainAdaptError) as caught:
        read_files(name)
    assert caught.value.message.startswith(message)
    assert "\n" not in caught.value.message
    assert hint is None or (caught.value.hint is not None and hint in caught.value.hint)


def test_parquet_columns_are_checked(tmp_path: Path, read_files: Read) -> None:
    pq.write_table(pa.table({"body": ["a"], "n": [1]}), tmp_path / "x.parquet")
    with pytest.raises(DomainAdaptError, match="no column 'text'; found: body, n") as caught:
        read_files("x.parquet")
    assert caught.value.hint == "did you mean --text-field 'body'?"
    with pytest.raises(DomainAdaptError, match="column 'n': expected strings, found int64"):
        read_files("x.parquet", text_field="n")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("empty", "empty: no file to read in this folder"),
        ("foreign", r"foreign: no file to read in this folder \(1 with other suffixes\)"),
        ("foreign/*.txt", "the glob matches no file to read"),
        ("nowhere/**/*.txt", "the glob matches no file to read"),
        ("nowhere", "nowhere: no such file or folder"),
    ],
)
def test_a_path_with_nothing_to_read_fails_before_any_work(
    write: Write, tmp_path: Path, path: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    write("foreign/x.exe", "x")
    with pytest.raises(DomainAdaptError, match=message):
        open_source(FilesSource(path=path), tmp_path)
