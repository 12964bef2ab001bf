"""Readers of PDF and DOCX: one document a file."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from domain_adapt.corpus.sources import limits
from domain_adapt.corpus.sources.compression import Counted, Gauge, guarded, read_limited, shown_size
from domain_adapt.corpus.sources.pages import silenced
from domain_adapt.corpus.sources.textfile import Item, Opened, Refused, well_formed
from domain_adapt.errors import first_line

# A word that goes on in the next line; what follows in capitals or digits ("COVID-\n19") keeps its hyphen.
_HYPHENATED = re.compile(r"(?<=[^\W\d_])[-\u2010\u00ad][ \t]*\n[ \t]*(?=([^\W\d_]))")
# Old Office files, and the container in which new ones are encrypted (MS-CFB 2.2; MS-OFFCRYPTO 2.3.4.4).
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
# Pictures count, and XML of text packs 10:1.
_DOCX_UNPACKED = 4
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def read_pdf(file: Opened) -> Iterator[Item]:
    """Yields the text of all pages, blank lines between them, with words hyphenated at line ends mended."""
    data = read_limited(file.stream, limits.MAX_DOCUMENT_BYTES)
    with silenced("pypdf"):
        text = _pdf_text(data)
    if not text.strip():
        raise Refused("no text layer", "a PDF of pictures needs optical character recognition first")
    yield file.name, _HYPHENATED.sub(_joined, text)


def _joined(hyphen: re.Match[str]) -> str:
    return "" if hyphen.group(1).islower() else hyphen.group()


def _pdf_text(data: bytes) -> str:
    import pypdf
    from pypdf.errors import DependencyError

    pages, size = [], 0
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Refused("encrypted", "the PDF needs a password")
        for number, page in enumerate(reader.pages, start=1):
            try:
                pages.append(well_formed(page.extract_text()).strip())
            except (Refused, DependencyError, MemoryError):
                raise
            except Exception as error:  # pypdf raises whatever a damaged page leads to
                raise Refused("corrupt", f"page {number}: {type(error).__name__}: {first_line(error)}") from None
            size += len(pages[-1])
            if size > limits.MAX_DOCUMENT_BYTES:
                raise Refused("too large", f"more than {shown_size(limits.MAX_DOCUMENT_BYTES)} of text")
    except DependencyError as error:
        raise Refused("encrypted", first_line(error)) from None
    return "\n\n".join(page for page in pages if page)


def read_docx(file: Opened) -> Iterator[Item]:
    """Yields headings, paragraphs and tables in their order, blank lines between them; a row of a table is a line."""
    import docx

    data = read_limited(file.stream, limits.MAX_DOCUMENT_BYTES)
    if data.startswith(_OLE):
        if _ENCRYPTED_PACKAGE in data:
            raise Refused("encrypted", "the document needs a password")
        raise Refused("corrupt", "an old Word file (.doc) that is named .docx")
    _check_package(data)
    with silenced("docx"):
        text = "\n\n".join(_blocks(docx.Document(io.BytesIO(data)).element.body))
    if not text.strip():
        raise Refused("no text", "a document without text")
    yield file.name, text


def _check_package(data: bytes) -> None:
    """Unpacks everything once within limits, which the library would do without any."""
    packed = Counted(io.BytesIO(data))
    limit = _DOCX_UNPACKED * limits.MAX_DOCUMENT_BYTES
    size = 0
    with zipfile.ZipFile(packed) as package:
        for info in package.infolist():
            before = packed.count
            gauge = Gauge(lambda before=before: packed.count - before)  # type: ignore[misc]
            with guarded(package.open(info), gauge) as stream:
                while piece := stream.read(1 << 16):
                    size += len(piece)
                    if size > limit:
                        raise Refused("too large", f"unpacks to more than {shown_size(limit)}")


def _blocks(element: Any) -> Iterator[str]:
    """Yields the text of each paragraph and table below an element that is not empty."""
    for child in element:
        if child.tag == f"{_WORD}p":
            text = _paragraph(child)
        elif child.tag == f"{_WORD}tbl":
            rows = ("\t".join(_cells(row)).strip() for row in child.iter(f"{_WORD}tr"))
            text = "\n".join(row for row in rows if row)
        elif child.tag in (f"{_WORD}sdt", f"{_WORD}sdtContent", f"{_WORD}customXml", f"{_WORD}ins"):
            yield from _blocks(child)
            continue
        else:
            continue
        if text:
            yield text


def _cells(row: Any) -> Iterator[str]:
    # A table in a cell has rows of its own, which iter() finds as well.
    for cell in row.iter(f"{_WORD}tc"):
        if next(cell.iterancestors(f"{_WORD}tr")) is row:
            yield " ".join(_paragraph(child) for child in cell.iterchildren(f"{_WORD}p")).strip()


def _paragraph(paragraph: Any) -> str:
    """Returns the text as it reads with all changes accepted; the library leaves out what was inserted."""
    pieces = []
    for node in paragraph.iter(f"{_WORD}t", f"{_WORD}tab", f"{_WORD}br", f"{_WORD}cr", f"{_WORD}noBreakHyphen"):
        if next(node.iterancestors(f"{_WORD}p")) is not paragraph:  # in a text box
            continue
        signs = {"t": node.text or "", "noBreakHyphen": "-"}
        tag = node.tag.removeprefix(_WORD)
        if tag == "tab" and node.getparent().tag != f"{_WORD}r":  # a tab stop in the paragraph's properties
            continue
        pieces.append(signs.get(tag, "\t" if tag == "tab" else "\n"))
    return "".join(pieces).strip()
