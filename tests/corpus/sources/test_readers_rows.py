"""Fields, templates, parts of a file, and errors that name the line."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain_adapt.corpus.sources import limits
from domain_adapt.corpus.sources.readers import read
from domain_adapt.corpus.sources.template import parse_template
from domain_adapt.corpus.sources.textfile import TextFile
from domain_adapt.errors import DomainAdaptError

Read = Callable[..., list[tuple[str, str]]]
TEMPLATE = "{title}\n\n{abstract}"


def parquet(rows: list[dict[str, object]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def lines(*rows: object) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


TITLED: list[dict[str, object]] = [
    {"title": "T1", "abstract": "A1", "year": 2001},
    {"title": None, "abstract": "A2", "year": None},
    {"title": "T3", "abstract": "", "year": 2003},
]
TITLED_FILES = {
    "x.jsonl": lines(*TITLED),
    "x.json": json.dumps(TITLED).encode(),
    "x.csv": b"title,abstract,year\nT1,A1,2001\n,A2,\nT3,,2003\n",
    "x.tsv": b"title\tabstract\tyear\nT1\tA1\t2001\n\tA2\t\nT3\t\t2003\n",
    "x.parquet": parquet(TITLED),
}


@pytest.mark.parametrize("name", TITLED_FILES)
def test_a_template_makes_one_text_of_several_fields(read_bytes: Read, name: str) -> None:
    def texts(template: str) -> list[str]:
        return [text for _, text in read_bytes(name, TITLED_FILES[name], template=template)]

    assert texts(TEMPLATE) == ["T1\n\nA1", "A2", "T3"]
    assert texts("{{{title}}} of {year}\n \nAbstract:\n{abstract}")[2] == "{T3} of 2003"
    with pytest.raises(
        DomainAdaptError, match=rf"{name}: template: no field 'titel' in any row; found: title"
    ) as caught:
        texts("{titel}: {abstract}")
    assert caught.value.hint == "did you mean 'title'?"


def test_a_field_may_be_missing_in_rows_but_not_in_all(read_bytes: Read) -> None:
    data = lines({"abstract": "A1"}, {"title": "T2", "abstract": "A2"}, {})
    assert [text for _, text in read_bytes("x.jsonl", data, template=TEMPLATE)] == ["A1", "T2\n\nA2", ""]
    with pytest.raises(DomainAdaptError, match="no field 'note' in any row; found: abstract, title"):
        read_bytes("x.jsonl", data, template="{title} {note}")


@pytest.mark.parametrize(
    ("template", "values", "expected"),
    [
        ("A: {a}\n\nB: {b}", {"a": "1", "b": ""}, "A: 1"),
        ("Heading\n\n{a}", {"a": "1"}, "Heading\n\n1"),
        ("Heading\n\n{a}", {"a": " "}, ""),
        ("{a} ({b})", {"a": "", "b": "2"}, " (2)"),
        ("\n\n{a}\n\n\n{a}\n", {"a": "{b}"}, "{b}\n\n{b}"),
    ],
)
def test_paragraphs_of_a_template(template: str, values: Mapping[str, str], expected: str) -> None:
    assert parse_template(template).render(values) == expected


@pytest.mark.parametrize(
    "template",
    ["no field", "", "{", "}", "{}", "{a", "{a!r}", "{a:>10}", "{a:{b}}", "{a[0]}", "{a.__class__}", "{a..b}"],
)
def test_templates_are_names_in_braces_and_nothing_else(read_bytes: Read, template: str) -> None:
    with pytest.raises(DomainAdaptError, match=r"^template: "):
        read_bytes("x.txt", "even where it is not used", template=template)


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.parquet"])
def test_fields_of_objects(read_bytes: Read, name: str) -> None:
    rows: list[dict[str, object]] = [
        {"a": {"b": "one", "n": 1}, "meta": {"key": "k1"}},
        {"a": {"b": None, "n": 2}, "meta": {"key": None}},
        {"a": None, "meta": None},
    ]
    data = {"x.jsonl": lines(*rows), "x.json": json.dumps(rows).encode(), "x.parquet": parquet(rows)}[name]
    documents = read_bytes(name, data, text_field="a.b", id_field="meta.key")
    assert [text for _, text in documents] == ["one", "", ""]
    assert documents[0][0] == "k1" and documents[1][0].startswith(f"{name}:")
    assert [text for _, text in read_bytes(name, data, template="{a.n}: {a.b}")] == ["1: one", "2: ", ""]
    assert read_bytes(name, data, template="{meta.key}", id_field="meta")[0][1] == "k1"
    with pytest.raises(DomainAdaptError, match=r"'a\.c'"):
        read_bytes(name, data, text_field="a.c")


def test_a_field_with_a_dot_in_its_name_comes_first(read_bytes: Read) -> None:
    data = lines({"a.b": "flat", "a": {"b": "nested"}})
    assert read_bytes("x.jsonl", data, text_field="a.b") == [("x.jsonl:1", "flat")]
    assert read_bytes("x.csv", "a.b,id\nflat,7\n", text_field="a.b") == [("7", "flat")]


@pytest.mark.parametrize(
    ("name", "data", "template", "message"),
    [
        ("x.jsonl", lines({"text": "a"}, {"text": ["a"]}), "{text}", "x.jsonl:2: field 'text': expected a string or"),
        (
            "x.jsonl",
            lines({"text": True}),
            "{text}",
            "x.jsonl:1: field 'text': expected a string or a number, found tr",
        ),
        ("x.jsonl", lines("a string"), "{text}", "x.jsonl:1: expected an object with fields text, found a string"),
        ("x.jsonl", lines({"text": 1}), None, "x.jsonl:1: field 'text': expected a string, found a number"),
        ("x.jsonl", b"[1" + b"0" * 5000 + b"]", None, "x.jsonl:1: not valid JSON: "),  # int() refuses so many digits
        ("x.json", b"[" * 100_000, None, "x.json:1: not valid JSON: "),
        ("x.csv", b'"a\nb","c"\n1,2\n', None, "x.csv:1: no column 'text'; found: a b, c"),
        ("x.csv", b"id;text\n1;a\n", "{text}", "x.csv:1: no column 'text'; found: id;text"),
        (
            "x.parquet",
            parquet([{"text": [1]}]),
            "{text}",
            "x.parquet:row 1: field 'text': expected a string or a number",
        ),
    ],
)
def test_rows_that_cannot_be_read_are_named(
    read_bytes: Read,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    data: bytes,
    template: str | None,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DomainAdaptError) as caught:
        read_bytes(name, data, template=template)
    assert caught.value.message.startswith(message)


ENDS = st.sampled_from(["\n", "\r\n", "\n\n"])
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(TEXT, ENDS), max_size=8), cuts=st.lists(st.integers(0, 300), max_size=4), bom=st.booleans()
)
def test_parts_of_json_lines_give_together_what_the_whole_gives(
    tmp_path: Path, rows: list[tuple[str, str]], cuts: list[int], bom: bool
) -> None:
    data = "".join(json.dumps({"text": text}, ensure_ascii=False) + end for text, end in rows).encode()
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" * bom + data)
    data = path.read_bytes()
    whole = list(read(TextFile(path, "x.jsonl", "text", "id")))
    assert [text for _, text in whole] == [text for text, _ in rows]
    bounds = sorted({0, *(cut for cut in cuts if cut < len(data))})
    parts = []
    for start, stop in zip(bounds, [*bounds[1:], None], strict=True):
        # Lines that begin before the part: one at byte 0, and one behind each line end but the one right before it.
        first = 1 + (data.count(b"\n", 0, start - 1) + 1 if start else 0)
        parts += list(read(TextFile(path, "x.jsonl", "text", "id", start=start, stop=stop, first_line=first)))
    assert parts == whole


def test_a_part_does_not_miss_a_field_that_another_part_has(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(lines({"text": "a"}, {"text": "b", "note": "n"}))

    def part(start: int, stop: int | None, template: str) -> list[object]:
        return list(read(TextFile(path, "x.jsonl", "text", "id", template=template, start=start, stop=stop)))

    assert part(0, 5, "{text}{note}") == [("x.jsonl:1", "a")]
    assert part(5, None, "{text}{nose}") == [("x.jsonl:1", "b")]  # the first part says it, once
    with pytest.raises(DomainAdaptError, match="template: no field 'nose' in any row; found: text"):
        part(0, 5, "{text}{nose}")


def test_a_part_of_what_is_compressed_or_wide_is_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes('{"text": "Ċ a"}\n{"text": "b"}\n'.encode("utf-16"))  # U+010A has the byte 0x0A
    whole = [("x.jsonl:1", "Ċ a"), ("x.jsonl:2", "b")]
    assert list(read(TextFile(path, "x.jsonl", "text", "id", start=0, stop=10))) == whole
    assert list(read(TextFile(path, "x.jsonl", "text", "id", start=10, first_line=9))) == []


def test_a_long_line_is_passed_over_and_the_next_is_read(read_bytes: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_DOCUMENT_BYTES", 100_000)
    for encoding in ("utf-8", "utf-16"):
        data = f'"one"\n"{"a" * 300_000}"\n"three"\n'.encode(encoding)
        first, second, third = read_bytes("x.jsonl", data)
        assert (first, third) == (("x.jsonl:1", "one"), ("x.jsonl:3", "three"))
        assert (second.id, second.reason) == ("x.jsonl:2", "too large")  # type: ignore[attr-defined]


def test_a_quote_that_is_never_closed_does_not_take_the_file_into_memory(
    read_bytes: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_DOCUMENT_BYTES", 10_000)
    first, rest = read_bytes("x.csv", 'text\nfine\n"open\n' + "a short line\n" * 2000)
    assert first == ("x.csv:2", "fine")
    assert (rest.id, rest.reason) == ("x.csv", "too large")  # type: ignore[attr-defined]
    assert "line 3" in rest.detail  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["x.json", "x.parquet", "x.jsonl"])
def test_one_row_that_is_too_large_does_not_end_the_file(
    read_bytes: Read, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(limits, "MAX_DOCUMENT_BYTES", 2000)
    rows: list[dict[str, object]] = [
        {"id": "a", "text": "é" * 300},
        {"id": "b", "text": "é" * 1001},
        {"id": "c", "text": "z"},
    ]
    data = {"x.json": json.dumps(rows).encode(), "x.parquet": parquet(rows), "x.jsonl": lines(*rows)}[name]
    first, second, third = read_bytes(name, data)
    assert first == ("a", rows[0]["text"]) and third == ("c", "z")
    assert second.reason == "too large"  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["x.txt", "x.md", "x.html", "x.pdf", "x.docx"])
def test_a_document_that_is_too_large(read_bytes: Read, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(limits, "MAX_DOCUMENT_BYTES", 100_000)
    (item,) = read_bytes(name, b"a" * 100_001)
    assert (item.id, item.reason) == (name, "too large")  # type: ignore[attr-defined]
