"""Parts of a source that are not files: the whole source, and a plain list of what could not be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from domain_adapt.corpus.sources.base import Document, Unreadable
from domain_adapt.fingerprint import fingerprint


class Readable(Protocol):
    """What a small source offers: all of its documents, and their identity."""

    def fingerprint(self) -> str: ...  # noqa: D102
    def documents(self) -> Iterator[Document]: ...  # noqa: D102


@dataclass(frozen=True)
class WholeSource:
    """A source as its own only part; must be picklable."""

    source: Readable
    name: str
    size: int

    @cached_property
    def key(self) -> str:
        """The source's fingerprint."""
        return self.source.fingerprint()

    def documents(self) -> Iterator[Document | Unreadable]:
        """Yields all documents of the source."""
        yield from self.source.documents()


@dataclass(frozen=True)
class NotRead:
    """What a source found and did not read, so that it is counted and shown."""

    name: str
    entries: tuple[Unreadable, ...]

    @property
    def size(self) -> int:
        """No bytes are read."""
        return 0

    @property
    def key(self) -> str:
        """The SHA-256 over the entries."""
        return fingerprint({"not read": [[entry.id, entry.reason, entry.detail] for entry in self.entries]})

    def documents(self) -> Iterator[Document | Unreadable]:
        """Yields the entries."""
        yield from self.entries
