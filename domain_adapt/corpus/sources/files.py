"""The user's own files: a file, a folder (walked) or a glob, in any mixture of formats."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from domain_adapt.corpus.sources.base import Document, SourceInfo
from domain_adapt.corpus.sources.readers import SUFFIXES, read, reader_for
from domain_adapt.corpus.sources.textfile import TextFile
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import fingerprint, hash_file
from domain_adapt.recipes import FilesSource

logger = logging.getLogger(__name__)

_SUFFIX_HINT = f"read are {' '.join(SUFFIXES)}, each also with .gz"


@dataclass
class _Found:
    """Files in the order they will be read, and how many had a suffix that is not read."""

    files: list[TextFile]
    ignored: int = 0


class TextFiles:
    """The ``files`` source."""

    def __init__(self, spec: FilesSource, folder: Path) -> None:
        self._spec = spec
        self._patterns = [spec.path] if isinstance(spec.path, str) else list(spec.path)
        self._files: list[TextFile] = []
        seen: set[Path] = set()
        for pattern in self._patterns:
            found = _find(pattern, folder, spec)
            if found.ignored:
                logger.info("%s: %d files with other suffixes ignored; %s", pattern, found.ignored, _SUFFIX_HINT)
            new = [file for file in found.files if file.path.resolve() not in seen]
            seen.update(file.path.resolve() for file in new)
            self._files += new
        if not self._files:
            raise DomainAdaptError("sources.path: expected at least one file, folder or glob")

    def info(self) -> SourceInfo:
        """Returns the paths as the recipe gives them, without the folders above."""
        names = [Path(pattern).name if Path(pattern).is_absolute() else pattern for pattern in self._patterns]
        return SourceInfo("files", ", ".join(names), self._spec.licence, None, None)

    def fingerprint(self) -> str:
        """Returns the SHA-256 over names (relative to what was matched), bytes of the files and field names."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        # Run, corpus cache and manifest each ask for it; gigabytes should be read for it once.
        files = [[file.name, hash_file(file.path)] for file in self._files]
        fields = [self._spec.text_field, self._spec.id_field]
        return fingerprint({"kind": "files", "files": files, "fields": fields})

    def documents(self) -> Iterator[Document]:
        """Yields the documents file by file, in the order of the recipe and then of the names."""
        for file in self._files:
            for identifier, text in read(file):
                yield Document(identifier, text, file.name)


def _find(pattern: str, folder: Path, spec: FilesSource) -> _Found:
    """Returns the files that one path of the recipe stands for.

    Raises:
        DomainAdaptError: If there is none.
    """
    path = folder / Path(pattern).expanduser()
    if path.is_file():
        if reader_for(path) is None:
            raise DomainAdaptError(f"{pattern}: a file of this kind is not read", hint=_SUFFIX_HINT)
        return _Found([TextFile(path, path.name, spec.text_field, spec.id_field)])
    if path.is_dir():
        root, candidates = path, _walk(path)
        nothing = f"{pattern}: no file to read in this folder"
    elif glob.has_magic(pattern):
        root, candidates = _expand(pattern, folder)
        nothing = f"{pattern}: the glob matches no file to read"
    else:
        raise DomainAdaptError(f"{pattern}: no such file or folder in {_shown(folder)}")
    readable = [candidate for candidate in candidates if reader_for(candidate) is not None]
    if not readable:
        others = f" ({len(candidates)} with other suffixes)" if candidates else ""
        raise DomainAdaptError(nothing + others, hint=_SUFFIX_HINT)
    files = [TextFile(found, found.relative_to(root).as_posix(), spec.text_field, spec.id_field) for found in readable]
    return _Found(files, len(candidates) - len(readable))


def _expand(pattern: str, folder: Path) -> tuple[Path, list[Path]]:
    """Returns the folder in front of the first wildcard, and the files matched, those in matched folders included."""
    parts = Path(pattern).expanduser().parts
    first = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    root = folder.joinpath(*parts[:first])
    found: set[Path] = set()
    for match in glob.iglob(str(Path(*parts[first:])), root_dir=root, recursive=True):
        path = root / match
        if path.is_file():
            found.add(path)
        elif "**" not in parts:  # ** reaches into folders by itself
            found.update(_walk(path))
    return root, sorted(found)


def _walk(root: Path) -> list[Path]:
    """Returns all files below ``root``, sorted by name; hidden ones are left out, links to folders are followed."""
    files: list[Path] = []
    visited: set[Path] = set()
    for current, folders, names in os.walk(root, followlinks=True):
        here = Path(current)
        real = here.resolve()
        if real in visited:  # a link that leads back up
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [here / name for name in names if not name.startswith(".") and (here / name).is_file()]
    return sorted(files, key=lambda path: path.relative_to(root).as_posix())


def _shown(folder: Path) -> str:
    return "this folder" if folder.resolve() == Path.cwd() else str(folder)
