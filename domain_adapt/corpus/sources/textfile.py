"""A file to read documents from, the same once it is open, and why one is not read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from domain_adapt.corpus.sources.base import Unreadable
from domain_adapt.errors import DomainAdaptError, did_you_mean

Item = tuple[str, str] | Unreadable


@dataclass(frozen=True)
class TextFile:
    r"""A file and what to read from it.

    Attributes:
        path: Where it lies.
        name: Relative to the folder or glob it was found by; ids begin with it.
        text_field: Field or column that holds the text; ``a.b`` is field b of the object a.
        id_field: Field or column that names a document.
        template: Text made of several fields instead, as in ``{title}\n\n{abstract}``; see :mod:`.template`.
        encoding: ``auto``, or the name of a codec that the bytes must be in.
        start: Only lines that begin at this byte or later; other than 0 only for uncompressed JSON Lines.
        stop: Only lines that begin before this byte; None for the end of the file.
        first_line: Number of the first line that begins at ``start`` or later.
    """

    path: Path
    name: str
    text_field: str
    id_field: str
    template: str | None = None
    encoding: str = "auto"
    start: int = 0
    stop: int | None = None
    first_line: int = 1

    @property
    def shown(self) -> str:
        """The path as messages name it: relative to the current folder where it is below that."""
        absolute, here = self.path.absolute(), Path.cwd()
        return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


@dataclass(frozen=True)
class Opened:
    """A file, or a member of an archive, that is open for reading.

    Attributes:
        file: The file on the disk, which says what to read.
        name: What ids begin with: the file's name, and the member's behind it.
        shown: What messages call it.
        kind: The suffix that says its format, in lower case.
        stream: Its bytes, decompressed and within the limits; seekable only where nothing had to be decompressed.
        start: As in :class:`TextFile`, but 0 where the format has no parts; likewise ``stop`` and ``first_line``.
    """

    file: TextFile
    name: str
    shown: str
    kind: str
    stream: IO[bytes]
    start: int = 0
    stop: int | None = None
    first_line: int = 1

    def error(self, place: object, problem: str, hint: str | None = None) -> DomainAdaptError:
        """Returns the error ``<file>:<place>: <problem>``."""
        return DomainAdaptError(f"{self.shown}:{place}: {problem}", hint=hint)

    def unreadable(self, identifier: str, reason: str, detail: str) -> Unreadable:
        """Returns what stands for a document of this file that cannot be given."""
        return Unreadable(well_formed(identifier), well_formed(self.file.name), reason, one_line(detail))


class Refused(Exception):
    """A whole file or member is not read; becomes an :class:`Unreadable`.

    Args:
        reason: A few words that others of its kind share.
        detail: What exactly was wrong.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def well_formed(text: str) -> str:
    r"""Returns ``text`` as it can be written in UTF-8: surrogates joined to characters, lone ones replaced.

    They come from names of files in another encoding, from JSON's ``\ud800`` and from PDF.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def one_line(text: str) -> str:
    """Returns at most 200 characters of ``text`` without line ends and control characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[:1000]).split())
    return line if len(line) <= 200 else line[:199] + "…"


def listed(names: Iterable[str]) -> str:
    """Returns at most twelve names as one list, as rows can have hundreds."""
    names = list(names)
    return (
        ", ".join(one_line(name)[:60] for name in names[:12])
        + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        or "none"
    )


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
