"""Where things lie on disk: one root folder, by default the current one."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """The folders of one project: recipes go in, runs and checkpoints come out."""

    root: Path = Path(".")

    @property
    def corpora(self) -> Path:
        """Domain recipes, ``corpora/<domain>/domain.toml``."""
        return self.root / "corpora"

    @property
    def tasks(self) -> Path:
        """Task recipes, ``tasks/<task>/task.toml``."""
        return self.root / "tasks"

    @property
    def runs(self) -> Path:
        """Work in progress, ``runs/<stage>-<fingerprint>/``."""
        return self.root / "runs"

    @property
    def checkpoints(self) -> Path:
        """Finished work, ``checkpoints/<name>/v<N>/``."""
        return self.root / "checkpoints"

    @property
    def cache(self) -> Path:
        """What can be made again: prepared corpora and converted bases."""
        return self.root / ".cache"


@contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Yields a fresh folder beside ``target`` and renames it to ``target`` if the block succeeds.

    A reader sees the whole folder or none. If ``target`` already exists when the block ends (another process was
    faster), the staged copy is thrown away and the existing folder stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.parent / f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    staging.mkdir()
    try:
        yield staging
        sync_folder(staging)
        try:
            staging.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    fsync_path(target.parent)


def write_json(path: Path, value: object) -> None:
    """Writes ``value`` as indented JSON through a temporary name, so a reader never sees half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(value, file, indent=2, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Flushes every file below ``folder``, and the folders themselves, to the disk."""
    for path in [folder, *everything_below(folder)]:
        fsync_path(path)


def everything_below(folder: Path) -> list[Path]:
    """Returns every file, folder and link below ``folder``, sorted; links are not followed.

    Raises:
        OSError: If a folder cannot be read. (``rglob`` leaves out what is in it, without a word.)
    """

    def stop(error: OSError) -> None:
        raise error

    found = [Path(here) / name for here, folders, files in os.walk(folder, onerror=stop) for name in (*folders, *files)]
    return sorted(found)


def fsync_path(path: Path) -> None:
    """Flushes one file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
