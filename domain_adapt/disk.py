"""A full or read-only disk, told in one line, whichever library noticed it."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain_adapt.errors import DomainAdaptError

# safetensors and tokenizers (Rust) wrap the operating system's error in their own exception, number in the text.
_RUST_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_OTHERS: dict[int, tuple[str, str | None]] = {
    errno.EROFS: ("read-only file system", None),
    errno.ENOLCK: ("the file system gives no locks", "several processes could not share it: use another disk"),
    **dict.fromkeys(
        (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ESTALE),
        ("the disk does not answer (any more)", "look at the disk, or mount it again"),
    ),
}


@contextmanager
def explain_disk(root: Path, outcome: str) -> Iterator[None]:
    """Turns an error about the disk below ``root`` into one that the user can mend; others pass through.

    Args:
        root: Folder that is written to.
        outcome: What became of the work, e.g. "nothing was published".

    Raises:
        DomainAdaptError: If the disk is full, over quota, read-only or gone, a file too large, permission is missing,
            or a file is in the place of the folder.
    """
    try:
        yield
    except DomainAdaptError:
        raise
    except Exception as error:
        found = _explained(root, os_error_number(error))
        if found is None:
            raise
        message, hint = found
        raise DomainAdaptError(f"{root}: {message}; {outcome}", hint=hint) from error


def _explained(root: Path, number: int | None) -> tuple[str, str | None] | None:
    """Returns message and hint for an errno, or None if it says nothing of the disk."""
    if number in (errno.ENOSPC, errno.EDQUOT):
        free = _free_megabytes(root)
        return f"no space left on device: {free} MB free", "free some space and give the same command again"
    if number == errno.EFBIG:
        return "a file would be larger than the file system or `ulimit -f` allows", None
    if number in (errno.EACCES, errno.EPERM):
        return "no permission to write", None
    if number in (errno.ENOENT, errno.ENOTDIR, errno.EEXIST) and _is_file(root):
        return "a file is in the place of a folder", None
    if number == errno.ENOENT and not root.exists():
        return "vanished while it was written to", "was the disk unmounted, or the folder renamed?"
    return _OTHERS.get(number or 0)


def os_error_number(error: BaseException | None) -> int | None:
    """Returns the errno of an exception or of one that it was raised from, or None."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        if match := _RUST_OS_ERROR.search(str(error)):
            return int(match.group(1))
        error = error.__cause__ or error.__context__
    return None


def _is_file(path: Path) -> bool:
    return any(one.is_file() for one in (path, *path.parents))


def _free_megabytes(path: Path) -> int:
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free // 2**20
