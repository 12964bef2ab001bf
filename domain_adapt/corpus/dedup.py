"""Exact deduplication: the same words again, whatever their case and spacing."""

from __future__ import annotations

import hashlib

# 16 bytes: with a thousand million documents the chance of any false duplicate is below 1e-20.
_KEY_BYTES = 16


def content_hash(text: str) -> str:
    """Returns the SHA-256 (hexadecimal) of the text, casefolded and with whitespace runs as one space."""
    canonical = " ".join(text.casefold().split())
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


class ExactDeduplicator:
    """Remembers what it has seen, about 80 bytes a document."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def is_new(self, digest: str) -> bool:
        """Returns whether this ``content_hash`` comes for the first time, and remembers it."""
        key = bytes.fromhex(digest)[:_KEY_BYTES]
        if key in self._seen:
            return False
        self._seen.add(key)
        return True
