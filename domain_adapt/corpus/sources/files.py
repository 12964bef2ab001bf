"""The user's own files: a file, a folder (walked) or a glob, in any mixture of formats."""

from __future__ import annotations

import glob
import logging
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from domain_adapt.corpus.sources.base import Part, SourceInfo, Unreadable
from domain_adapt.corpus.sources.file_parts import FilePart, file_parts
from domain_adapt.corpus.sources.readers import SUFFIXES, reader_for
from domain_adapt.corpus.sources.textfile import TextFile
from domain_adapt.corpus.sources.whole import NotRead
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import fingerprint
from domain_adapt.recipes import FilesSource

logger = logging.getLogger(__name__)

_SUFFIX_HINT = f"read are {' '.join(SUFFIXES)}, each also with .gz or .zst; archives: .zip .tar"
_IGNORED, _ODD = "kind not read", "cannot be read"


@dataclass
class _Found:
    """Files in the order they will be read, and what is there and is not read."""

    files: list[TextFile]
    not_read: list[Unreadable]
    named: bool = False


class TextFiles:
    """The ``files`` source."""

    def __init__(self, spec: FilesSource, folder: Path) -> None:
        self._spec = spec
        self._patterns = [spec.path] if isinstance(spec.path, str) else list(spec.path)
        self._files: list[tuple[TextFile, bool]] = []
        self._not_read: list[Unreadable] = []
        seen: set[Path] = set()
        for pattern in self._patterns:
            found = _find(pattern, folder, spec)
            if ignored := sum(entry.reason == _IGNORED for entry in found.not_read):
                logger.info("%s: %d files with other suffixes ignored; %s", pattern, ignored, _SUFFIX_HINT)
            new = [file for file in found.files if file.path.resolve() not in seen]
            seen.update(file.path.resolve() for file in new)
            self._files += [(file, found.named) for file in new]
            self._not_read += found.not_read
        if not self._files:
            raise DomainAdaptError("sources.path: expected at least one file, folder or glob")

    def info(self) -> SourceInfo:
        """Returns the paths as the recipe gives them, without the folders above."""
        names = [Path(pattern).name if Path(pattern).is_absolute() else pattern for pattern in self._patterns]
        return SourceInfo("files", ", ".join(names), self._spec.licence, None, None)

    def fingerprint(self) -> str:
        """Returns the SHA-256 over names (relative to what was matched), bytes of the files and how they are read."""
        return fingerprint({"kind": "files", "parts": [part.key for part in self._file_parts]})

    def parts(self) -> Sequence[Part]:
        """Returns the files in the order of the recipe and then of the names; large ones in several parts."""
        return [*self._file_parts, *([NotRead("not read", tuple(self._not_read))] if self._not_read else [])]

    @cached_property
    def _file_parts(self) -> list[FilePart]:
        # Run, corpus cache and manifest each ask for it; gigabytes should be read for it once.
        return [part for file, named in self._files for part in file_parts(file, named=named)]


def _find(pattern: str, folder: Path, spec: FilesSource) -> _Found:
    """Returns the files that one path of the recipe stands for.

    Raises:
        DomainAdaptError: If there is none.
    """
    path = folder / Path(pattern).expanduser()
    if path.is_file():
        if reader_for(path) is None:
            raise DomainAdaptError(f"{pattern}: a file of this kind is not read", hint=_SUFFIX_HINT)
        return _Found([_text_file(path, path.name, spec)], [], named=True)
    if path.is_dir():
        root, walked = path, _walk(path)
        nothing = f"{pattern}: no file to read in this folder"
    elif glob.has_magic(pattern):
        root, walked = _expand(pattern, folder)
        nothing = f"{pattern}: the glob matches no file to read"
    else:
        raise DomainAdaptError(f"{pattern}: no such file or folder in {_shown(folder)}")
    readable = [candidate for candidate in walked.files if reader_for(candidate) is not None]
    others = [candidate for candidate in walked.files if reader_for(candidate) is None]
    if not readable:
        count = f" ({len(others)} with other suffixes)" if others else ""
        raise DomainAdaptError(nothing + count, hint=_SUFFIX_HINT)
    names = {found: found.relative_to(root).as_posix() for found in [*walked.files, *walked.odd]}
    odd = [Unreadable(names[found], names[found], _ODD, why) for found, why in walked.odd.items()]
    ignored = [Unreadable(names[found], names[found], _IGNORED, found.suffix or "no suffix") for found in others]
    return _Found([_text_file(found, names[found], spec) for found in readable], odd + ignored)


def _text_file(path: Path, name: str, spec: FilesSource) -> TextFile:
    return TextFile(path, name, spec.text_field, spec.id_field, template=spec.template, encoding=spec.encoding)


def _expand(pattern: str, folder: Path) -> tuple[Path, _Walked]:
    """Returns the folder in front of the first wildcard, and the files matched, those in matched folders included."""
    parts = Path(pattern).expanduser().parts
    first = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    root = folder.joinpath(*parts[:first])
    found = _Walked()
    for match in glob.iglob(str(Path(*parts[first:])), root_dir=root, recursive=True):
        path = root / match
        if not path.is_dir():
            found.add(path)
        elif "**" not in parts:  # ** reaches into folders by itself
            below = _walk(path)
            found.files += below.files
            found.odd |= below.odd
    found.files = sorted(set(found.files))
    return root, found


@dataclass
class _Walked:
    """Regular files, and what is none: a dangling link, a link that leads back up, a pipe."""

    files: list[Path] = field(default_factory=list)
    odd: dict[Path, str] = field(default_factory=dict)

    def add(self, path: Path) -> None:
        try:
            mode = path.stat().st_mode
        except OSError as error:
            self.odd[path] = error.strerror or str(error)
            return
        if stat.S_ISREG(mode):
            self.files.append(path)
        else:
            self.odd[path] = "neither a file nor a folder"


def _walk(root: Path) -> _Walked:
    """Returns all files below ``root``, sorted by name; hidden ones are left out, links to folders are followed."""
    found = _Walked()
    visited: set[Path] = set()

    def unlisted(error: OSError) -> None:
        found.odd[Path(error.filename)] = error.strerror or str(error)

    for current, folders, names in os.walk(root, followlinks=True, onerror=unlisted):
        here = Path(current)
        real = here.resolve()
        if real in visited:  # a link that leads back up
            folders.clear()
            found.odd[here] = "a link to a folder that is read already"
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith("."):
                found.add(here / name)
    found.files.sort(key=lambda path: path.relative_to(root).as_posix())
    return found


def _shown(folder: Path) -> str:
    return "this folder" if folder.resolve() == Path.cwd() else str(folder)
