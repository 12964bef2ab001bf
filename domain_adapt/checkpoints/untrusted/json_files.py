"""JSON from strangers: bounded in bytes and in depth before a parser sees it, without duplicate keys or NaN."""

from __future__ import annotations

import json
import math
import re
import stat
from pathlib import Path
from typing import Any

import numpy as np

from domain_adapt.errors import DomainAdaptError

# Python makes some 30 bytes of objects out of each byte of the worst JSON (empty objects in a list): 8 MiB stay below
# 300 MB. The largest real config.json, with 21,843 ImageNet labels named in both directions, has 1.6 MB.
MOST_BYTES = 8 * 2**20
MOST_DEPTH = 32  # tokenizer.json, the deepest of these files, has about 8 levels
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def read_json(path: Path, label: str) -> dict[str, Any]:
    """Returns the object in a JSON file.

    Args:
        path: The file.
        label: What messages call it.

    Raises:
        DomainAdaptError: If it is not there, larger or deeper than any real one, not JSON, not an object, names a key
            twice, or holds NaN or an infinite number.
    """
    return parse_json(read_bounded(path, label, MOST_BYTES), label)


def parse_json(data: bytes, label: str) -> dict[str, Any]:
    """Returns the object that ``data`` is the JSON of; raises as :func:`read_json` does."""
    check_depth(data, label)
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise DomainAdaptError(f"{label}: cannot be read as JSON: {error}") from None
    if not isinstance(value, dict):
        raise DomainAdaptError(f"{label}: expected a JSON object")
    return value


def read_bounded(path: Path, label: str, most: int) -> bytes:
    """Returns the bytes of a regular file of at most ``most`` bytes.

    Raises:
        DomainAdaptError: If it is missing, no regular file (a pipe would never end), too large or unreadable.
    """
    check_size(path, label, most)
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise DomainAdaptError(f"{label}: cannot be read: {error.strerror}") from error


def check_size(path: Path, label: str, most: int) -> int:
    """Returns the size of a regular file in bytes; raises as :func:`read_bounded` does."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise DomainAdaptError(f"{label} is missing") from None
    except OSError as error:
        raise DomainAdaptError(f"{label}: cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise DomainAdaptError(f"{label}: expected a regular file")
    if found.st_size > most:
        raise DomainAdaptError(f"{label}: {found.st_size:,} bytes, expected at most {most:,}")
    return found.st_size


def check_depth(data: bytes, label: str) -> None:
    """Raises DomainAdaptError if brackets in ``data`` are nested deeper than in any real file of this kind."""
    brackets = np.frombuffer(_STRING.sub(b"", data).translate(None, _NO_BRACKETS), dtype=np.uint8)
    opening = (brackets == ord("[")) | (brackets == ord("{"))
    if opening.sum() > MOST_DEPTH and np.where(opening, 1, -1).cumsum().max() > MOST_DEPTH:
        raise DomainAdaptError(f"{label}: nested deeper than {MOST_DEPTH} levels")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):  # two parsers may take different ones
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r:.80} is there twice")
    return found


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):  # 1e999
        raise ValueError(f"{digits:.40} is too large for a number")
    return value
