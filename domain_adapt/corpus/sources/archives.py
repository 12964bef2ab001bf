"""The members of ZIP and TAR archives, one after the other, without ever writing to a path that an archive names."""

from __future__ import annotations

import io
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import IO, cast

from domain_adapt.corpus.sources import limits
from domain_adapt.corpus.sources.base import Unreadable
from domain_adapt.corpus.sources.compression import Counted, Gauge, guarded, seekable
from domain_adapt.corpus.sources.textfile import Opened, Refused

_CHUNK = 1 << 16
# Methods other than DEFLATE give all that their input stands for at once: 4 KiB of bzip2 can be 80 MB.
_CHUNK_OTHER = 1 << 12
# TAR reads a name that is longer than its field into memory whatever length the header claims.
_MAX_TAR_READ = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:/")


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Attributes:
        path: Its path there, with ``/``.
        open: Opens its bytes, as they are in the archive; only until the next member is asked for.
    """

    path: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]


def zip_members(file: Opened, is_read: Callable[[str], bool]) -> Iterator[Member | Unreadable]:
    """Yields the members of a ZIP archive in stored order; those that are not read as :class:`Unreadable`.

    Folders and hidden files are left out, as they are of folders on the disk.

    Args:
        file: The archive.
        is_read: Whether a member of this name is read.
    """
    with seekable(file.stream) as stream:
        packed = Counted(stream)
        size = stream.seek(0, io.SEEK_END)
        whole = Gauge(lambda: size)  # members can share their bytes
        with zipfile.ZipFile(packed) as archive:
            for number, info in enumerate(archive.infolist()):
                _check_count(number)
                path = info.filename.replace("\\", "/")
                if info.is_dir() or _is_hidden(path):
                    continue
                reason = _zip_reason(info) or _reason(path, is_read)
                if reason:
                    yield _refused(file, path, reason)
                else:
                    gauge = Gauge(lambda before=packed.count: packed.count - before)  # type: ignore[misc]
                    yield Member(str(PurePosixPath(path)), partial(_open_zip, archive, info, gauge))
                    whole.take(0 if gauge.is_exceeded else gauge.unpacked)


def _open_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo, gauge: Gauge) -> IO[bytes]:
    usual = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    return guarded(archive.open(info), gauge, _CHUNK if usual else _CHUNK_OTHER)


def _zip_reason(info: zipfile.ZipInfo) -> str | None:
    mode = info.external_attr >> 16
    if stat.S_ISLNK(mode):
        return "link in archive"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "device in archive"
    return "encrypted" if info.flag_bits & 0x1 else None


def tar_members(file: Opened, is_read: Callable[[str], bool]) -> Iterator[Member | Unreadable]:
    """Yields the members of a TAR archive in stored order, in one pass; else as :func:`zip_members`."""
    forward = _Forward(file.stream)
    with tarfile.TarFile(fileobj=cast("IO[bytes]", forward), mode="r", encoding="utf-8") as archive:
        number = 0
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # else every header stays in memory
            _check_count(number)
            number += 1
            if info.isdir() or _is_hidden(info.name):
                continue
            reason = _tar_reason(info) or _reason(info.name, is_read)
            if reason:
                yield _refused(file, info.name, reason)
            else:
                yield Member(str(PurePosixPath(info.name)), partial(_open_tar, archive, info, forward))
    # The library takes a damaged header for the end; the real one is a block of zeros, or nothing.
    if forward.last.strip(b"\0"):
        raise Refused("corrupt", f"damaged header at byte {forward.tell() - len(forward.last)}")


def _open_tar(archive: tarfile.TarFile, info: tarfile.TarInfo, forward: _Forward) -> IO[bytes]:
    before = forward.tell()
    stream = archive.extractfile(info)
    assert stream is not None, info.type
    # A sparse file's gaps take no bytes in the archive.
    return guarded(stream, Gauge(lambda: forward.tell() - before))


def _tar_reason(info: tarfile.TarInfo) -> str | None:
    if info.issym() or info.islnk():
        return "link in archive"
    return None if info.isfile() else "device in archive"


class _Forward:
    """A stream for tarfile that only goes forward, in small steps; keeps what it read last."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._position = 0
        self.last = b""

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if position < self._position:
            raise Refused("corrupt", f"a header that leads back to byte {position}")
        while self._position < position:
            if not self.read(min(position - self._position, _CHUNK)):
                break
        return self._position

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_TAR_READ:
            raise Refused("corrupt", f"a header of {size} bytes")
        self.last = self._stream.read(size)
        self._position += len(self.last)
        return self.last


def _check_count(number: int) -> None:
    if number >= limits.MAX_MEMBERS:
        raise Refused("too many members", f"more than {limits.MAX_MEMBERS:,} members; those behind them are not read")


def _reason(path: str, is_read: Callable[[str], bool]) -> str | None:
    """Why a member is not read by its name alone; None if it is."""
    normal = path.replace("\\", "/")
    if not normal or normal.startswith("/") or _DRIVE.match(normal) or ".." in normal.split("/"):
        return "unsafe path"
    return None if is_read(normal) else "kind not read"


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") and part != ".." for part in PurePosixPath(path).parts) or "__MACOSX/" in path


def _refused(file: Opened, path: str, reason: str) -> Unreadable:
    return file.unreadable(f"{file.name}/{path}", reason, f"the member {path!r} of {file.name}")
