"""Which files of a folder may be read: regular ones inside it, and blobs of the Hub's cache."""

from __future__ import annotations

import os
from pathlib import Path

from domain_adapt.errors import DomainAdaptError

_MOST_ENTRIES = 10_000  # a model repository has dozens; a folder with more is not one, and walking it takes seconds


def check_links(folder: Path, name: str) -> None:
    """Checks that no link in a folder leads out of it.

    The Hub's cache is the one exception: in ``<repository>/snapshots/<commit>/`` every file is a link to
    ``<repository>/blobs/<hash>``.

    Raises:
        DomainAdaptError: If a link leads anywhere else or nowhere, or a file is neither regular nor a folder.
    """
    entries = 0
    for here, folders, files in os.walk(folder, onerror=_unreadable):
        entries += len(folders) + len(files)
        if entries > _MOST_ENTRIES:
            raise DomainAdaptError(f"{name}: more than {_MOST_ENTRIES:,} files: not the folder of a model")
        for entry in [*folders, *files]:
            check_link(Path(here) / entry, folder, name)


def check_link(path: Path, folder: Path, name: str) -> None:
    """Checks one entry of ``folder`` as :func:`check_links` does; one that is not there passes."""
    if path.is_symlink():
        root, target = folder.resolve(), path.resolve()
        blobs = root.parents[1] / "blobs" if root.parent.name == "snapshots" else None
        if not (target.is_relative_to(root) or target.parent == blobs) or not target.exists():
            raise DomainAdaptError(
                f"{path}: a link that leads out of the folder of {name}: {os.readlink(path)}",
                hint="copy the file itself into the folder",
            )
    elif path.exists() and not path.is_file() and not path.is_dir():
        raise DomainAdaptError(f"{path}: neither a file nor a folder")


def _unreadable(error: OSError) -> None:
    raise DomainAdaptError(f"{error.filename}: cannot be read: {error.strerror}") from error
