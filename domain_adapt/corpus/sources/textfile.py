"""A file to read documents from: opening it, decoding it, and saying what is wrong with it."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from domain_adapt.errors import DomainAdaptError, did_you_mean


@dataclass(frozen=True)
class TextFile:
    """A file and the fields to read from it.

    Attributes:
        path: Where it lies.
        name: Relative to the folder or glob it was found by; ids begin with it.
        text_field: Field or column that holds the text.
        id_field: Field or column that names a document.
    """

    path: Path
    name: str
    text_field: str
    id_field: str

    @property
    def shown(self) -> str:
        """The path as messages name it: relative to the current folder where it is below that."""
        absolute, here = self.path.absolute(), Path.cwd()
        return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)

    def error(self, place: object, problem: str, hint: str | None = None) -> DomainAdaptError:
        """Returns the error ``<file>:<place>: <problem>``."""
        return DomainAdaptError(f"{self.shown}:{place}: {problem}", hint=hint)


def open_bytes(file: TextFile) -> IO[bytes]:
    """Opens the file's bytes, decompressed."""
    if file.path.suffix.lower() == ".gz":
        return cast("IO[bytes]", gzip.open(file.path, "rb"))
    return file.path.open("rb")


def whole_text(file: TextFile) -> str:
    """Returns the text of a file that is one document.

    Raises:
        DomainAdaptError: If it is not UTF-8 text; the message gives the offset of the offending byte.
    """
    with open_bytes(file) as stream:
        data = stream.read()
    if b"\0" in data:
        offset = data.index(b"\0")
        raise DomainAdaptError(f"{file.shown}: not a text file: NUL at byte {offset}", hint=_encoding_hint(data))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        offset = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)  # the codec does not count the mark
        problem = f"not a text file in UTF-8: byte {offset} is 0x{data[offset]:02x}"
        raise DomainAdaptError(f"{file.shown}: {problem}", hint=_encoding_hint(data)) from None


def _encoding_hint(data: bytes) -> str:
    encoding = "UTF-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "WINDOWS-1252"
    return f"if it is text in another encoding: iconv -f {encoding} -t UTF-8 IN > OUT"


def listed(names: Iterable[str]) -> str:
    """Returns at most twelve names as one list, as rows can have hundreds."""
    names = list(names)
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "") or "none"


def field_hint(file: TextFile, candidates: Sequence[str]) -> str:
    """Returns a hint that names the option, and the nearest or only candidate for the text field."""
    near = did_you_mean(file.text_field, candidates)
    if near is not None:
        nearest = near.removeprefix("did you mean ").removesuffix("?")
        return f"did you mean --text-field {nearest}?"
    others = [name for name in candidates if name != file.id_field]
    if len(others) == 1:
        return f"did you mean --text-field {others[0]!r}?"
    return "name the one that holds the text: --text-field, or text_field in the recipe"
