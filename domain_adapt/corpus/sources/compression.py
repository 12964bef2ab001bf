"""What is compressed, read as if it were not, and within limits."""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, cast

from domain_adapt.corpus.sources import limits
from domain_adapt.corpus.sources.textfile import Refused

COMPRESSIONS = (".gz", ".zst")
_SHORT = {".tgz": (".tar", ".gz"), ".tzst": (".tar", ".zst")}

# Bytes that are asked of a decompressor at once: large enough to cost little, small enough for any machine.
_CHUNK = 1 << 16
# Three bytes of Zstandard can stand for a block of 128 KiB, and a call gives all that its input stands for: 85 MB.
_ZSTD_INPUT = 2048
# What a temporary file holds in memory before it goes to the disk.
_IN_MEMORY = 8 << 20


def split_suffix(name: str) -> tuple[str, str]:
    """Returns the suffix that says a file's format and the one that says its compression, each ``""`` for none."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes[-2:]]
    last = suffixes.pop() if suffixes else ""
    if last in _SHORT:
        return _SHORT[last]
    if last in COMPRESSIONS:
        return (suffixes.pop() if suffixes else ""), last
    return last, ""


def decompressed(raw: IO[bytes], compression: str) -> IO[bytes]:
    """Returns the stream of what ``raw`` holds; ``raw`` itself where ``compression`` is ``""``.

    What is read from it raises :class:`Refused` when it is out of proportion, EOFError when ``raw`` was cut short, and
    what the libraries raise when it is corrupt.
    """
    if not compression:
        return raw
    packed = Counted(raw)
    source = cast("IO[bytes]", packed)
    plain = gzip.GzipFile(fileobj=source, mode="rb") if compression == ".gz" else _Zstandard(source)
    return guarded(cast("IO[bytes]", plain), Gauge(lambda: packed.count))


@dataclass
class Gauge:
    """Compares what went into a decompressor with what has come out; headers can claim anything.

    Attributes:
        packed: Returns the bytes that went in so far.
        unpacked: Bytes that came out.
    """

    packed: Callable[[], int]
    unpacked: int = 0

    @property
    def is_exceeded(self) -> bool:
        """Whether more came out than text can be packed into."""
        return self.unpacked > max(limits.RATIO_FREE_BYTES, limits.MAX_RATIO * self.packed())

    def take(self, count: int) -> None:
        """Counts bytes that came out.

        Raises:
            Refused: If they are too many, here and at every later call.
        """
        self.unpacked += count
        if self.unpacked > limits.MAX_UNPACKED_BYTES:
            raise Refused("too large", f"unpacks to more than {limits.MAX_UNPACKED_BYTES >> 30} GiB")
        if self.is_exceeded:
            raise Refused("archive bomb", f"unpacks to more than {limits.MAX_RATIO} times its size")


def guarded(plain: IO[bytes], gauge: Gauge, chunk: int = _CHUNK) -> IO[bytes]:
    """Returns ``plain``, read at most ``chunk`` bytes at once, each of which the gauge counts."""
    return cast("IO[bytes]", io.BufferedReader(_Guarded(plain, gauge, chunk), _CHUNK))


class _Guarded(io.RawIOBase):
    def __init__(self, plain: IO[bytes], gauge: Gauge, chunk: int) -> None:
        self._plain = plain
        self._gauge = gauge
        self._chunk = chunk

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._plain.read(min(len(buffer), self._chunk))
        self._gauge.take(len(data))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._plain.close()
        super().close()


class Counted(io.RawIOBase):
    """A stream that counts the bytes read from it; closing it leaves the stream open."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.count = 0

    def readable(self) -> bool:
        """Returns True."""
        return True

    def seekable(self) -> bool:
        """Returns whether the stream below is."""
        return self._stream.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Moves the stream below."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Returns the position of the stream below."""
        return self._stream.tell()

    def read(self, size: int = -1) -> bytes:
        """Returns the next bytes."""
        data = self._stream.read(size)
        self.count += len(data)
        return data


class _Zstandard(io.RawIOBase):
    """Zstandard frames one after the other; the library's own stream takes a file cut short for a complete one."""

    def __init__(self, packed: IO[bytes]) -> None:
        import zstandard

        self._library = zstandard
        self._packed = packed
        self._frame: Any = None
        self._left = b""
        self._plain = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._plain:
            data, self._left = self._left or self._packed.read(_ZSTD_INPUT), b""
            if not data:
                if self._frame is not None:
                    raise EOFError("the file ends within a Zstandard frame")
                return 0
            self._frame = self._frame or self._library.ZstdDecompressor().decompressobj()
            try:
                self._plain = memoryview(self._frame.decompress(data))
            except self._library.ZstdError as error:
                # The window is the frame's own claim; the command line tool refuses above 128 MiB as well.
                if "memory" in str(error):
                    raise Refused("too large", "needs a Zstandard window of more than 128 MiB (--long)") from None
                raise
            if self._frame.eof:
                self._left, self._frame = self._frame.unused_data, None
        count = min(len(buffer), len(self._plain))
        buffer[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count


@contextmanager
def seekable(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yields ``stream`` for random access; what is compressed goes through a temporary file first.

    Raises:
        Refused: If it is larger than ``MAX_SPOOLED_BYTES``.
    """
    if stream.seekable():
        yield stream
        return
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as plain:
        size = 0
        while piece := stream.read(_CHUNK):
            size += len(piece)
            if size > limits.MAX_SPOOLED_BYTES:
                raise Refused("too large", f"more than {shown_size(limits.MAX_SPOOLED_BYTES)} when unpacked")
            plain.write(piece)
        plain.seek(0)
        yield cast("IO[bytes]", plain)


def read_limited(stream: IO[bytes], limit: int) -> bytes:
    """Returns all the bytes of a stream.

    Raises:
        Refused: If they are more than ``limit``.
    """
    data = stream.read(_CHUNK)
    if len(data) == _CHUNK:  # asking for the limit at once would reserve it for every small file
        data += stream.read(max(limit + 1 - _CHUNK, 0))
    if len(data) > limit:
        raise Refused("too large", f"one document of more than {shown_size(limit)}")
    return data


def shown_size(count: int) -> str:
    """Returns a number of bytes as messages show it."""
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count:,} bytes"
