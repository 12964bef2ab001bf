"""SHA-256 over files and over JSON-like values: the identity of inputs, states and checkpoints."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path


def hash_file(path: Path) -> str:
    """Returns the hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_files(paths: Iterable[Path], root: Path) -> dict[str, str]:
    """Returns ``{path relative to root (POSIX): SHA-256}`` sorted by path."""
    return {path.relative_to(root).as_posix(): hash_file(path) for path in sorted(paths)}


def hash_text(text: str) -> str:
    """Returns the hexadecimal SHA-256 of a string's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(values: Mapping[str, object]) -> str:
    """Returns the SHA-256 of the canonical JSON of ``values``: key order plays no part.

    Raises:
        TypeError: If a value is not made of dict, list, str, int, float, bool and None.
    """
    return hash_text(json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False))
