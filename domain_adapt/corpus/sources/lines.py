"""The lines of a file of rows: decoded, numbered, and none longer than a document may be."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, Any, cast

from domain_adapt.corpus.sources import limits
from domain_adapt.corpus.sources.encodings import AUTO, HINT, check_text, decide, is_wide, shown_codec
from domain_adapt.corpus.sources.textfile import Opened, Refused

# Bytes or characters that are passed over at once.
_PIECE = 1 << 16


def numbered_lines(file: Opened) -> Iterator[tuple[int, str | None]]:
    """Yields the number and the text of each line that begins in the file's part, its end included.

    The encoding is decided once, from the first bytes of the file. None stands for a line of more than
    ``MAX_DOCUMENT_BYTES``. In UTF-16 and UTF-32 the part that begins at byte 0 is the whole file and others are empty,
    as bytes do not tell lines apart there.

    Raises:
        DomainAdaptError: If a line is not in the encoding.
        Refused: If the file is not text, or in no encoding that could be recognised.
    """
    stream, codec = _with_encoding(file)
    if is_wide(codec):
        if file.start == 0:
            yield from _wide_lines(file, stream, codec)
        return
    for number, line in _byte_lines(file, stream):
        if line is None:
            yield number, None
            continue
        try:
            text = line.decode(codec)
        except UnicodeError as error:
            place = f": byte {error.start} of the line" if isinstance(error, UnicodeDecodeError) else ""
            raise file.error(number, f"not {shown_codec(codec)}{place}", HINT) from None
        if "\0" in text:
            raise Refused("not text", f"NUL in line {number}")
        yield number, text.removeprefix("\ufeff") if number == 1 else text


def _with_encoding(file: Opened) -> tuple[IO[bytes], str]:
    """Returns the stream, at its beginning again, and its codec."""
    head = file.stream.read(limits.SAMPLE_BYTES)
    whole = len(head) < limits.SAMPLE_BYTES
    codec = decide(head, whole=whole, encoding=file.file.encoding)
    if file.file.encoding == AUTO:  # a binary file is not text, whatever its first lines would say about rows
        check_text(head.decode(codec, "ignore"))
    if file.stream.seekable():
        file.stream.seek(0)
        return file.stream, codec
    return cast("IO[bytes]", io.BufferedReader(_Chained(head, file.stream), _PIECE)), codec


class _Chained(io.RawIOBase):
    """Bytes that were read already, then the rest of a stream."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = len(buffer)
        data = self._head[:size] or self._rest.read(size)
        self._head = self._head[size:]
        buffer[: len(data)] = data
        return len(data)


def _byte_lines(file: Opened, stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    limit = limits.MAX_DOCUMENT_BYTES
    position = file.start
    if file.start:
        stream.seek(file.start - 1)
        position += _pass_over_line(stream) - 1
    number = file.first_line
    while file.stop is None or position < file.stop:
        line = stream.readline(limit + 1)
        if not line:
            return
        position += len(line)
        if len(line) > limit and not line.endswith(b"\n"):
            del line
            position += _pass_over_line(stream)
            yield number, None
        else:
            yield number, line
        number += 1


def _pass_over_line(stream: IO[Any]) -> int:
    """Reads to the end of the line; returns how much that was."""
    count = 0
    while piece := stream.readline(_PIECE):
        count += len(piece)
        if piece[-1:] in (b"\n", "\n"):
            break
    return count


def _wide_lines(file: Opened, stream: IO[bytes], codec: str) -> Iterator[tuple[int, str | None]]:
    limit = limits.MAX_DOCUMENT_BYTES
    lines = io.TextIOWrapper(stream, encoding=codec, newline="\n")
    number = 1
    try:
        while line := lines.readline(limit + 1):
            too_long = len(line) > limit and not line.endswith("\n")
            if too_long:
                _pass_over_line(lines)
            if "\0" in line:
                raise Refused("not text", f"NUL in line {number}")
            yield number, None if too_long else line.removeprefix("\ufeff") if number == 1 else line
            number += 1
    except UnicodeError:
        raise file.error(number, f"not {shown_codec(codec)}, here or in the lines behind it", HINT) from None
    finally:
        lines.detach()  # or it would close the stream
