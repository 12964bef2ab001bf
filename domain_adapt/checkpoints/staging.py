"""Folders in the making below a store, and what killed processes left of theirs."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from domain_adapt.checkpoints.aliases import ALIASES, HIGHEST
from domain_adapt.disk import os_error_number
from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import everything_below, fsync_path

logger = logging.getLogger(__name__)

STAGING = ".staging-"
_TELL_SECONDS = 10.0  # a lock is held for milliseconds: who waits longer wants to know why
_POLL_SECONDS = 0.01  # filelock's own 0.05 s would be most of what a publication takes when several wait


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Holds the lock of the store below ``root``; the operating system drops it when the process dies."""
    lock = FileLock(root / ".lock", poll_interval=_POLL_SECONDS)
    try:
        lock.acquire(timeout=_TELL_SECONDS)
    except Timeout:
        logger.warning("waiting for another process that is publishing in %s", root)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def staging_folder(root: Path) -> Iterator[Path]:
    """Yields an empty folder in the store that is gone afterwards, and removes those of killed processes.

    A lock beside each staging folder is held while its process lives; the operating system drops it when the process
    dies. (A process id in the name would not do: containers and machines that share a disk reuse ids.)

    Raises:
        DomainAdaptError: If the folder vanishes while it is in use.
    """
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"{STAGING}{secrets.token_hex(8)}"
    alive = FileLock(folder.with_name(folder.name + ".lock"))
    with locked(root):
        remove_leftovers(root)
        alive.acquire()
        folder.mkdir()
    try:
        yield folder
    except Exception as error:
        if os_error_number(error) in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE) and not _is_folder(folder):
            raise DomainAdaptError(
                f"{root}: vanished while it was written to; nothing was published or removed",
                hint="was the disk unmounted, or the folder renamed? Give the same command again",
            ) from error
        raise
    finally:
        remove_tree(folder)
        alive.release()
        with suppress(OSError):
            Path(alive.lock_file).unlink(missing_ok=True)


def remove_leftovers(root: Path) -> None:
    """Removes what killed processes left below ``root``; the caller holds the lock."""
    for stem in {path.name.removesuffix(".lock") for path in root.glob(f"{STAGING}*")}:
        lock = FileLock(root / f"{stem}.lock")
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            continue  # its process lives, or it is another user's
        remove_tree(root / stem)
        lock.release()
        with suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)
    for path in root.iterdir():
        if path.name.startswith("."):  # staging folders of living processes may be empty, too
            continue
        with suppress(OSError):
            for temporary in (*path.glob(f".{ALIASES}.*.tmp"), *path.glob(f".{HIGHEST}.*.tmp")):
                temporary.unlink()
            path.rmdir()  # only if it is empty: made for a first version that never came


def remove_tree(folder: Path) -> None:
    """Removes a folder and what is in it, read-only ones too; what cannot be removed is left."""
    for here, folders, _ in os.walk(folder):
        for path in (Path(here), *(Path(here) / name for name in folders)):
            if not path.is_symlink():
                with suppress(OSError):
                    path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def move_folder(source: Path, target: Path) -> None:
    """Renames a read-only folder into another one."""
    mode = source.stat().st_mode & 0o777
    source.chmod(0o755)  # a folder that changes its parent has to be writable, because of its ".."
    try:
        source.rename(target)
    except OSError:
        with suppress(OSError):
            source.chmod(mode)
        raise


def confirm(done: str, *paths: Path) -> None:
    """Flushes files and folders to the disk after a step that cannot be taken back.

    Args:
        done: What was done, for the message.
        paths: What was changed by it.

    Raises:
        DomainAdaptError: If the disk refuses: it is done, and seen by everyone, but may not outlive a crash.
    """
    try:
        for path in paths:
            fsync_path(path)
    except OSError as error:
        raise DomainAdaptError(
            f"{done}, but the disk does not confirm it ({os.strerror(error.errno or 0)}): a crash may undo it",
            hint="look at the disk before anything that depends on it is removed",
        ) from error


def make_read_only(folder: Path) -> None:
    """Takes the permission to write from everything below a folder, but not from the folder itself.

    Raises:
        DomainAdaptError: If there is a link among it: what it leads to may change.
    """
    for path in everything_below(folder):
        if path.is_symlink():
            raise DomainAdaptError(f"{path.name}: a link is not published; expected the file itself")
        path.chmod(0o555 if path.is_dir() else 0o444)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a network disk that is gone
        return False
