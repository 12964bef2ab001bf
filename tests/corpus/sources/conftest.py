"""Small valid files of every format, made by hand, and one call that reads one."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import docx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from domain_adapt.corpus.sources.base import Unreadable
from domain_adapt.corpus.sources.readers import read
from domain_adapt.corpus.sources.textfile import TextFile

Item = tuple[str, str] | Unreadable


@pytest.fixture
def read_bytes(tmp_path: Path) -> Callable[..., list[Item]]:
    """Reads a file of this name with these bytes; fields are those of a recipe."""

    def read_file(name: str, data: bytes | str, **fields: object) -> list[Item]:
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        keys: dict[str, object] = {"text_field": "text", "id_field": "id", **fields}
        return list(read(TextFile(path, name, **keys)))  # type: ignore[arg-type]

    return read_file


@pytest.fixture
def reasons() -> Callable[[list[Item]], list[tuple[str, str]]]:
    """Returns id and reason of what could not be read, and id and ``None`` of documents."""
    return lambda items: [(i.id, i.reason) if isinstance(i, Unreadable) else (i[0], None) for i in items]


@pytest.fixture(scope="session")
def make_pdf() -> Callable[..., bytes]:
    """Returns a PDF with these lines on each page."""

    def make(*pages: list[str]) -> bytes:
        objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
        objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
        kids = []
        for lines in pages:
            content = "BT /F1 12 Tf 72 720 Td 14 TL " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
            objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
            kids.append(f"{len(objects) + 1} 0 R")
            objects.append(
                f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R "
                "/Resources << /Font << /F1 3 0 R >> >> >>"
            )
        objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
        data, offsets = "%PDF-1.4\n", []
        for number, content in enumerate(objects, start=1):
            offsets.append(len(data))
            data += f"{number} 0 obj\n{content}\nendobj\n"
        table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
        start = len(data)
        data += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
        data += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
        return data.encode("latin-1")

    return make


@pytest.fixture(scope="session")
def make_zip() -> Callable[[Mapping[str, bytes | str]], bytes]:
    """Returns a ZIP archive of these members."""

    def make(members: Mapping[str, bytes | str]) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def make_tar() -> Callable[[Mapping[str, bytes | str]], bytes]:
    """Returns a TAR archive of these members."""

    def make(members: Mapping[str, bytes | str]) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                data = data.encode() if isinstance(data, str) else data
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def samples(
    make_pdf: Callable[..., bytes], make_zip: Callable[..., bytes], make_tar: Callable[..., bytes]
) -> dict[str, bytes]:
    """A small valid file of every kind that is read, with one document or two."""
    rows = [{"id": "a", "text": "The first text."}, {"id": "b", "text": "Größe, naïve — done."}]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    page = "<html><head><title>Page</title></head><body><p>" + "A sentence of a page. " * 20 + "</p></body></html>"
    parquet, document, buffer = io.BytesIO(), docx.Document(), io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), parquet)
    document.add_heading("Heading")
    document.add_paragraph("A paragraph.")
    document.add_table(1, 2).rows[0].cells[0].text = "cell"
    document.save(buffer)
    plain = {
        "x.txt": "Größe.\n\nText.".encode(),
        "x.md": b"---\nid: note\n---\n# Title\n\nText.",
        "x.jsonl": lines.encode(),
        "x.json": json.dumps(rows).encode(),
        "x.csv": 'id,text\na,The first text.\nb,"Größe, ""naïve""\nlines"\n'.encode(),
        "x.tsv": b"id\ttext\na\tThe first text.\n",
        "x.parquet": parquet.getvalue(),
        "x.html": page.encode(),
        "x.pdf": make_pdf(["The first page of an infarc-", "tion."], ["The second page."]),
        "x.docx": buffer.getvalue(),
    }
    members = {"a.txt": "One.", "b/c.jsonl": lines, "b/d.csv": "text\nTwo.\n"}
    packed = {
        "g.jsonl.gz": gzip.compress(lines.encode()),
        "z.jsonl.zst": zstandard.ZstdCompressor().compress(lines.encode()),
        "x.zip": make_zip(members),
        "x.tar": make_tar(members),
        "x.tar.gz": gzip.compress(make_tar(members)),
        "x.tar.zst": zstandard.ZstdCompressor().compress(make_tar(members)),
    }
    return plain | packed
