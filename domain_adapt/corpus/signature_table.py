"""MinHash signatures of all documents as one table, although each part of the corpus has an array of its own."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.ngrams import FACTOR

# Rows hashed at a time: with 128 permutations 16 MB of 64-bit numbers.
_ROWS = 16_384


class SignatureTable:
    """Rows of several arrays under one index.

    Attributes:
        permutations: Length of a signature.
    """

    def __init__(self, parts: Sequence[npt.NDArray[np.uint32]]) -> None:
        self._parts = [part for part in parts if len(part)]
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        self.permutations = self._parts[0].shape[1] if self._parts else 0

    def __len__(self) -> int:
        return int(self._starts[-1])

    def keys(self, bands: int, rows: int, wanted: range) -> npt.NDArray[np.uint64]:
        """Returns a hash of each document's rows in each wanted band, (wanted bands, documents).

        Args:
            bands: How many there are.
            rows: Positions of the signature in one band.
            wanted: Which bands.
        """
        if wanted.stop > bands:
            raise ValueError(f"expected bands below {bands}, got {wanted}")
        keys = np.empty((len(wanted), len(self)), dtype=np.uint64)
        for start, part in zip(self._starts, self._parts, strict=False):
            for row in range(0, len(part), _ROWS):
                block = np.asarray(part[row : row + _ROWS, wanted.start * rows : wanted.stop * rows])
                cut = block.reshape(len(block), len(wanted), rows).astype(np.uint64)
                hashes = cut[:, :, 0]
                for place in range(1, rows):
                    hashes = hashes * FACTOR + cut[:, :, place]
                keys[:, start + row : start + row + len(block)] = hashes.T
            release_pages(part)
        return keys

    def similarity(self, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Returns for each pair of documents the share of positions in which their signatures agree, (pairs,)."""
        share: npt.NDArray[np.float64] = (self._rows(left) == self._rows(right)).mean(axis=1)
        return share

    def _rows(self, documents: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
        rows = np.empty((len(documents), self.permutations), dtype=np.uint32)
        owner = np.searchsorted(self._starts, documents, side="right") - 1
        order = np.argsort(owner, kind="stable")
        parts, firsts = np.unique(owner[order], return_index=True)
        for part, first, end in zip(parts, firsts, [*firsts[1:], len(order)], strict=True):
            places = order[first:end]
            rows[places] = self._parts[part][documents[places] - self._starts[part]]
            release_pages(self._parts[part])
        return rows


def release_pages(mapped: npt.NDArray[Any]) -> None:
    """Gives the pages of a memory-mapped array back to the system; they are read again when they are wanted.

    Without this every page that was read once counts as this process's memory until the system is short of it.
    """
    # Only of a read-only mapping: a private one ("c") would lose what was written to it. Windows has no such call.
    pages = mapped.base if isinstance(mapped, np.memmap) and mapped.mode == "r" else None
    if isinstance(pages, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)
