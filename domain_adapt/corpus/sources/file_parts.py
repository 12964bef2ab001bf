"""Pieces of the user's files: a file, or a range of lines of a large JSON Lines file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from domain_adapt.corpus.sources.base import Document, Unreadable
from domain_adapt.corpus.sources.readers import read
from domain_adapt.corpus.sources.textfile import TextFile
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import fingerprint

# A range holds about so much: some seconds of work, so that little is done again after a kill and two cores share
# the end of a file evenly.
RANGE_BYTES = 4 << 20
_CHUNK = 1 << 20


@dataclass(frozen=True)
class FilePart:
    """One file, or some lines of it.

    Attributes:
        file: What to read.
        content: SHA-256 of its bytes, or why they could not be read.
        size: Bytes.
        named: The recipe names this very file, so that it must be readable; one found in a folder need not be.
    """

    file: TextFile
    content: str
    size: int
    named: bool

    @property
    def name(self) -> str:
        """The file's name, and the first line of a range."""
        return self.file.name if self.file.start == 0 else f"{self.file.name}:{self.file.first_line}"

    @property
    def key(self) -> str:
        """SHA-256 over name, bytes and how they are read."""
        file = self.file
        how = [file.text_field, file.id_field, file.template, file.encoding]
        return fingerprint({"file": file.name, "content": self.content, "line": file.first_line, "how": how})

    def documents(self) -> Iterator[Document | Unreadable]:
        """Yields the documents, and what could not be read where that does not stop everything."""
        for entry in read(self.file):
            if not isinstance(entry, Unreadable):
                identifier, text = entry
                yield Document(identifier, text, self.file.name)
            elif self.named and entry.id == self.file.name:
                raise DomainAdaptError(f"{self.file.shown}: {entry.reason}: {entry.detail}")
            else:
                yield entry


def file_parts(file: TextFile, *, named: bool) -> list[FilePart]:
    """Returns the parts of a file, which is read once from end to end for it."""
    try:
        if file.path.suffix.lower() not in (".jsonl", ".ndjson"):
            with file.path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            return [FilePart(file, content, file.path.stat().st_size, named)]
        ranges = list(_line_ranges(file.path))
    except OSError as error:
        return [FilePart(file, f"cannot be read: {error.strerror or error}", 0, named)]
    if len(ranges) == 1:
        return [FilePart(file, ranges[0].content, ranges[0].stop, named)]
    return [
        FilePart(
            replace(file, start=found.start, stop=found.stop, first_line=found.first_line),
            found.content,
            found.stop - found.start,
            named,
        )
        for found in ranges
    ]


@dataclass(frozen=True)
class _LineRange:
    start: int
    stop: int
    first_line: int
    content: str


def _line_ranges(path: Path) -> Iterator[_LineRange]:
    """Yields ranges of whole lines of about ``RANGE_BYTES``; at least one, and a line is never cut."""
    start = position = 0
    first_line = line = 1
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            cut = chunk.find(b"\n") + 1 if position - start >= RANGE_BYTES else 0
            if cut:
                digest.update(chunk[:cut])
                yield _LineRange(start, position + cut, first_line, digest.hexdigest())
                start, first_line, digest = position + cut, line + 1, hashlib.sha256()
            digest.update(chunk[cut:])
            line += chunk.count(b"\n")
            position += len(chunk)
    if position > start or position == 0:
        yield _LineRange(start, position, first_line, digest.hexdigest())
