"""Which reader reads a file, and the one place where what goes wrong with a whole file becomes a reason.

Readers get a file or a member of an archive that is open (:class:`Opened`) and yield ``(id, text)``. They raise

- ``DomainAdaptError`` for what is wrong with a row of structured data, which the user must mend;
- ``Refused`` or whatever a parser raises for a file that is damaged, encrypted, of another kind or too large: there
  are always some in a large folder, and the others are read.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from domain_adapt.corpus.sources import limits
from domain_adapt.corpus.sources.archives import tar_members, zip_members
from domain_adapt.corpus.sources.base import Unreadable
from domain_adapt.corpus.sources.compression import decompressed, split_suffix
from domain_adapt.corpus.sources.encodings import check_encoding
from domain_adapt.corpus.sources.office import read_docx, read_pdf
from domain_adapt.corpus.sources.pages import read_html, read_md, read_txt
from domain_adapt.corpus.sources.parquet import read_parquet
from domain_adapt.corpus.sources.rows import read_csv, read_json, read_jsonl, read_tsv
from domain_adapt.corpus.sources.template import parse_template
from domain_adapt.corpus.sources.textfile import Item, Opened, Refused, TextFile, one_line, well_formed
from domain_adapt.errors import DomainAdaptError, first_line

Reader = Callable[[Opened], Iterator[Item]]

_READERS: dict[str, Reader] = {
    ".txt": read_txt,
    ".md": read_md,
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
    ".html": read_html,
    ".htm": read_html,
    ".xhtml": read_html,
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".markdown": read_md,
    ".ndjson": read_jsonl,
}
_ARCHIVES = {".zip": zip_members, ".tar": tar_members}
# Of these a part can be read by itself, as long as they are not compressed.
_BY_LINES = (".jsonl", ".ndjson")
SUFFIXES = (*_READERS, *_ARCHIVES, ".tgz")

# The machine's trouble, not the file's: full disk or quota, no more open files. Another run would read the file.
_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE}


def reader_for(path: Path) -> Callable[..., Iterator[object]] | None:
    """Returns what reads a file's suffix (``.gz`` and ``.zst`` set aside), or None for a suffix that is not read."""
    kind, _ = split_suffix(path.name)
    return _READERS.get(kind) or _ARCHIVES.get(kind)


def read(file: TextFile) -> Iterator[Item]:
    """Yields ``(id, text)`` of each document in a file that has a reader, and what of it could not be read.

    Raises:
        DomainAdaptError: If a row cannot be read (the message names file and line), or for a wrong encoding or template
            in the recipe. Whatever the bytes, no other exception.
    """
    check_encoding(file.encoding)
    if file.template is not None:
        parse_template(file.template)
    yield from _documents(_Place(file, file.path.name, file.name, file.shown, lambda: _open(file.path)))


@dataclass(frozen=True)
class _Place:
    """Something that can be opened: a file, or a member in an archive, in an archive."""

    file: TextFile
    filename: str
    name: str
    shown: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    depth: int = 0


def _open(path: Path) -> IO[bytes]:
    if path.exists() and not path.is_file():  # opening a named pipe would wait for ever
        raise Refused("cannot be read", "not a file")
    return path.open("rb")


def _documents(place: _Place) -> Iterator[Item]:
    kind, compression = split_suffix(place.filename)
    try:
        if kind in _ARCHIVES and place.depth > limits.MAX_NESTING:
            raise Refused("nested archive", f"more than {limits.MAX_NESTING} archive in an archive")
        with place.open() as raw:
            opened = Opened(place.file, place.name, place.shown, kind, decompressed(raw, compression))
            if kind in _BY_LINES and not compression and place.depth == 0:
                part = place.file
                opened = replace(opened, start=part.start, stop=part.stop, first_line=part.first_line)
            for item in _members(opened, place.depth) if kind in _ARCHIVES else _READERS[kind](opened):
                yield item if isinstance(item, Unreadable) else (well_formed(item[0]), well_formed(item[1]))
        return
    except (DomainAdaptError, MemoryError):
        raise
    except Exception as error:  # parsers raise whatever damaged bytes lead to
        reason, detail = _problem(place, error)
    yield Unreadable(well_formed(place.name), well_formed(place.file.name), reason, detail)


def _members(archive: Opened, depth: int) -> Iterator[Item]:
    for member in _ARCHIVES[archive.kind](archive, lambda name: reader_for(Path(name)) is not None):
        if isinstance(member, Unreadable):
            yield member
        else:
            name, shown = f"{archive.name}/{member.path}", f"{archive.shown}/{member.path}"
            yield from _documents(_Place(archive.file, member.path, name, shown, member.open, depth + 1))


def _problem(place: _Place, error: Exception) -> tuple[str, str]:
    """Returns the reason and the detail of what went wrong with a file."""
    if isinstance(error, Refused):
        return error.reason, one_line(error.detail)
    if isinstance(error, ImportError):  # not the file's fault, and it would be the same for all of its kind
        hint = "a library that domain-adapt needs is missing or does not fit"
        raise DomainAdaptError(f"{place.shown}: cannot be read: {first_line(error)}", hint=hint) from error
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        raise DomainAdaptError(f"{place.shown}: cannot be read: {error.strerror}") from error
    if isinstance(error, OSError) and error.errno is not None:
        return "cannot be read", one_line(error.strerror or str(error))
    if isinstance(error, NotImplementedError):  # a ZIP member packed in a way that Python has no code for
        return "cannot be read", one_line(first_line(error))
    return "corrupt", one_line(f"{type(error).__name__}: {first_line(error)}")
