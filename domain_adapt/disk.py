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


@contextmanager
def explain_disk(root: Path, outcome: str) -> Iterator[None]:
    """Turns an error about the disk below ``root`` into one that the user can mend; others pass through.

    Args:
        root: Folder that is written to.
        outcome: What became of the work, e.g. "nothing was published".

    Raises:
        DomainAdaptError: If the disk is full, over quota or read-only, a file too large, or permission is missing.
    """
    try:
        yield
    except DomainAdaptError:
        raise
    except Exception as error:
        number = os_error_number(error)
        if number in (errno.ENOSPC, errno.EDQUOT):
            raise DomainAdaptError(
                f"{root}: no space left on device: {_free_megabytes(root)} MB free; {outcome}",
                hint="free some space and give the same command again",
            ) from error
        if number == errno.EFBIG:
            raise DomainAdaptError(
                f"{root}: a file would be larger than the file system or `ulimit -f` allows; {outcome}"
            ) from error
        if number == errno.EROFS:
            raise DomainAdaptError(f"{root}: read-only file system; {outcome}") from error
        if number in (errno.EACCES, errno.EPERM):
            raise DomainAdaptError(f"{root}: no permission to write; {outcome}") from error
        raise


def os_error_number(error: BaseException | None) -> int | None:
    """Returns the errno of an exception or of one that it was raised from, or None."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        if match := _RUST_OS_ERROR.search(str(error)):
            return int(match.group(1))
        error = error.__cause__ or error.__context__
    return None


def _free_megabytes(path: Path) -> int:
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free // 2**20
