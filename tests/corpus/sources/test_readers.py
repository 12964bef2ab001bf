"""Formats, and what is an error of a row against a file that is passed over."""

from __future__ import annotations

import gzip
import io
import random
import sys
from collections.abc import Callable
from pathlib import Path

import docx
import pypdf
import pytest
import zstandard

from domain_adapt.corpus.sources.base import Unreadable
from domain_adapt.corpus.sources.readers import SUFFIXES, read, reader_for
from domain_adapt.corpus.sources.textfile import TextFile
from domain_adapt.errors import DomainAdaptError

Read = Callable[..., list[object]]
Reasons = Callable[[list[object]], list[tuple[str, str | None]]]

ROWS = [("a", "The first text."), ("b", "Größe, naïve — done.")]


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.parquet", "g.jsonl.gz", "z.jsonl.zst"])
def test_rows(read_bytes: Read, samples: dict[str, bytes], name: str) -> None:
    assert read_bytes(name, samples[name]) == ROWS


@pytest.mark.parametrize(("name", "sample"), [("x.ndjson", "x.jsonl"), ("x.markdown", "x.md"), ("X.TXT", "x.txt")])
def test_other_names_of_the_same_format(read_bytes: Read, samples: dict[str, bytes], name: str, sample: str) -> None:
    texts = [item[1] for item in read_bytes(name, samples[name if name in samples else sample])]
    assert texts == [item[1] for item in read_bytes(sample, samples[sample])]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_every_format_reads_the_same_when_compressed(
    read_bytes: Read, samples: dict[str, bytes], compress: Callable[[bytes], bytes]
) -> None:
    suffix = ".gz" if compress is gzip.compress else ".zst"
    for name, data in samples.items():
        if name.startswith("x.") and not name.endswith((".gz", ".zst")):
            plain, packed = read_bytes(name, data), read_bytes(name + suffix, compress(data))
            assert [item[1] for item in packed] == [item[1] for item in plain]
            assert [item[0] for item in packed] == [item[0].replace(name, name + suffix) for item in plain]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_compressed_streams_of_several_parts_are_read_to_the_end(
    read_bytes: Read, compress: Callable[[bytes], bytes]
) -> None:
    name = "x.jsonl.gz" if compress is gzip.compress else "x.jsonl.zst"
    data = b"".join(compress(f'"text {number}"\n'.encode()) for number in range(50))
    if name.endswith(".zst"):
        data += b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"  # a skippable frame, as indexed Zstandard files have
    assert read_bytes(name, data) == [(f"{name}:{number + 1}", f"text {number}") for number in range(50)]


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.jsonl.zst"])
def test_a_compressed_file_cut_short_gives_its_beginning_and_a_reason(
    read_bytes: Read, reasons: Reasons, name: str
) -> None:
    letters = random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=2_000_000)
    plain = "".join(f'"{"".join(letters[start : start + 1000])}"\n' for start in range(0, 2_000_000, 1000)).encode()
    data = gzip.compress(plain) if name.endswith("gz") else zstandard.ZstdCompressor().compress(plain)
    *documents, last = reasons(read_bytes(name, data[: len(data) * 3 // 4]))
    assert last == (name, "corrupt")
    assert 1000 < len(documents) < 2000
    assert read_bytes("x.txt.gz", b"plain text")[0].reason == "corrupt"  # type: ignore[attr-defined]


def test_which_suffixes_are_read() -> None:
    assert all(reader_for(Path(f"a{suffix}")) for suffix in SUFFIXES)
    assert all(reader_for(Path(name)) for name in ("a.tar.gz", "A.TGZ", "a.b.Csv.ZST", "a.tar.zst"))
    assert not any(reader_for(Path(name)) for name in ("a", "a.gz", "a.exe", "txt", ".txt", "a.txt.bz2", "a.txt."))


def test_pdf_pages_and_hyphenated_words(read_bytes: Read, make_pdf: Callable[..., bytes]) -> None:
    first = ["Myocardial infarc-", "tion, beta-", "Blocker, COVID-", "19, pre- and post-"]
    assert read_bytes("x.pdf", make_pdf(first, [], ["Page three."])) == [
        ("x.pdf", "Myocardial infarction, beta-\nBlocker, COVID-\n19, pre- and post-\n\nPage three.")
    ]


def test_hyphens_at_line_ends_stay_in_formats_that_do_not_hyphenate(read_bytes: Read) -> None:
    assert read_bytes("x.txt", "infarc-\ntion") == [("x.txt", "infarc-\ntion")]


@pytest.mark.parametrize(("password", "reason"), [("", None), ("secret", "encrypted")])
def test_encrypted_pdf(
    read_bytes: Read, reasons: Reasons, make_pdf: Callable[..., bytes], password: str, reason: str | None
) -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf(["Text."])))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    items = read_bytes("x.pdf", buffer.getvalue())
    assert reasons(items) == [("x.pdf", reason)]
    assert reason or items == [("x.pdf", "Text.")]


def test_docx_in_its_order_with_tables_and_changes(read_bytes: Read) -> None:
    document = docx.Document()
    document.add_heading("Findings")
    document.add_paragraph("Before\tthe table.")
    table = document.add_table(2, 2)
    for number, cell in enumerate(table._cells):
        cell.text = f"cell {number}"
    paragraph = document.add_paragraph("Kept ")
    # python-docx leaves out runs within <w:ins>, the mark of text that was inserted while changes were tracked.
    inserted = docx.oxml.OxmlElement("w:ins")
    inserted.append(paragraph.add_run("and inserted.")._r)
    paragraph._p.append(inserted)
    buffer = io.BytesIO()
    document.save(buffer)
    expected = "Findings\n\nBefore\tthe table.\n\ncell 0\tcell 1\ncell 2\tcell 3\n\nKept and inserted."
    assert read_bytes("x.docx", buffer.getvalue()) == [("x.docx", expected)]


SENTENCES = "The mitral valve lies between the left atrium and the left ventricle. " * 5


def test_html_gives_the_main_text_with_its_title_in_front(read_bytes: Read) -> None:
    menu = "<nav><ul><li><a href='/'>Home</a></li><li><a href='/x'>Contact us</a></li></ul></nav>"
    page = f"<html><head><title>Valves of the heart</title></head><body>{menu}<article><p>{SENTENCES}</p>"
    page += "<p>A second paragraph that closes the page.</p></article><footer>Imprint</footer></body></html>"
    expected = f"Valves of the heart\n\n{SENTENCES.strip()}\n\nA second paragraph that closes the page."
    assert read_bytes("x.html", page) == [("x.html", expected)]


def test_html_title_that_is_in_the_text_is_not_repeated(read_bytes: Read) -> None:
    page = f"<html><head><title>Valves | Site</title></head><body><h1>Valves</h1><p>{SENTENCES}</p></body></html>"
    assert read_bytes("x.htm", page)[0][1].count("Valves") == 1  # type: ignore[index]


def test_html_that_trafilatura_finds_nothing_in_falls_back_to_its_body(read_bytes: Read) -> None:
    assert read_bytes("x.html", "<p>Tiny &amp; bare.</p>") == [("x.html", "Tiny & bare.")]


@pytest.mark.parametrize(
    "head", ['<meta charset="iso-8859-1">', '<meta http-equiv=x content="text/html; charset=latin1">']
)
def test_html_in_the_encoding_it_declares(read_bytes: Read, head: str) -> None:
    page = f"<html><head>{head}</head><body><p>{SENTENCES} “Größe” naïve.</p></body></html>".encode("cp1252")
    assert read_bytes("x.html", page)[0][1].endswith("“Größe” naïve.")  # type: ignore[index]


def test_html_that_declares_what_it_cannot_be(read_bytes: Read) -> None:
    page = f'<html><head><meta charset="utf-16"></head><body><p>{SENTENCES}Größe.</p></body></html>'
    assert read_bytes("x.html", page) == [("x.html", SENTENCES + "Größe.")]


def test_xhtml_with_an_xml_declaration(read_bytes: Read) -> None:
    page = f"<?xml version='1.0' encoding='utf-8'?><html><body><p>{SENTENCES}Größe.</p></body></html>"
    assert read_bytes("x.xhtml", page) == [("x.xhtml", SENTENCES + "Größe.")]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("x.txt", b"ab\0c", "not text"),
        ("x.txt", b"\x01\x02\x03\x04 bell", "not text"),
        ("x.jsonl", b'{"text": "a"}\n\0', "not text"),
        ("x.csv", b"PK\x03\x04\x00\x00", "not text"),
        ("x.html", b"<html><body><script>x = 1</script></body></html>", "no text"),
        ("x.html", b"<html><head><title>An app</title></head><body></body></html>", "no text"),
        ("x.pdf", b"%PDF-1.4 and then nothing", "corrupt"),
        ("x.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        ("x.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 an old .doc", "corrupt"),
        ("x.docx", b"not a zip", "corrupt"),
        ("x.parquet", b"PAR1 but not really", "corrupt"),
        ("x.zip", b"not a zip", "corrupt"),
        ("x.tar", b"not a tar", "corrupt"),
        ("x.txt.gz", b"plain", "corrupt"),
        ("x.txt.zst", b"plain", "corrupt"),
    ],
)
def test_a_file_that_is_not_what_it_claims_is_passed_over(
    read_bytes: Read, reasons: Reasons, name: str, data: bytes, reason: str
) -> None:
    items = read_bytes(name, data)
    assert reasons(items) == [(name, reason)]
    assert items[0].source == name and items[0].detail  # type: ignore[attr-defined]


def test_a_pdf_of_pictures_has_no_text_layer(
    read_bytes: Read, reasons: Reasons, make_pdf: Callable[..., bytes]
) -> None:
    assert reasons(read_bytes("x.pdf", make_pdf([], []))) == [("x.pdf", "no text layer")]


def test_a_file_that_vanished_or_is_none(tmp_path: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    for name, detail in (("gone.txt", "No such file or directory"), ("folder.txt", "not a file")):
        item = Unreadable(name, name, "cannot be read", detail)
        assert list(read(TextFile(tmp_path / name, name, "text", "id"))) == [item]


def test_a_full_disk_is_not_the_fault_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *args: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "x.txt").write_text("x")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DomainAdaptError, match=r"x\.txt: cannot be read: No space left on device"):
        list(read(TextFile(tmp_path / "x.txt", "x.txt", "text", "id")))


def test_a_missing_library_is_not_the_fault_of_the_file(read_bytes: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdf", None)
    with pytest.raises(DomainAdaptError, match=r"x\.pdf: cannot be read: import of pypdf halted"):
        read_bytes("x.pdf", b"%PDF-1.4")


def test_texts_and_ids_can_be_written_in_utf_8(read_bytes: Read) -> None:
    assert read_bytes("x.jsonl", '{"id": "\\ud800", "text": "a\\udc00b \\ud83d\\ude00"}') == [("\ufffd", "a\ufffdb 😀")]
