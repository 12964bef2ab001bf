"""Lines and paragraphs that stand in many documents: hashed in each part, counted over all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import xxhash

Hashes = npt.NDArray[np.uint64]

_DIGITS = re.compile(r"\d+")
# Hashes held at once while they are counted: half a gigabyte with what sorting needs.
_SLICE = 24_000_000
# A heading or a formula of courtesy is no paragraph that was copied.
_PARAGRAPH_WORDS = 5


def unit_hashes(text: str, unit: Literal["line", "paragraph"]) -> Hashes:
    """Returns hashes of a text's lines or paragraphs.

    Lines are compared in lower case and without regard to numbers, so that "Page 3 of 9" is "Page 4 of 9"; each
    counts once a document. Of paragraphs there is one hash each, in order; a short one's is 0, which is never a repeat.

    Args:
        text: As :func:`~domain_adapt.corpus.cleaning.normalise_lines` returns it.
        unit: What is hashed.
    """
    if unit == "line":
        return np.unique(np.array([_line_hash(line) for line in text.split("\n") if line], dtype=np.uint64))
    return np.array([_paragraph_hash(paragraph) for paragraph in text.split("\n\n")], dtype=np.uint64)


def _line_hash(line: str) -> int:
    return xxhash.xxh3_64_intdigest(_DIGITS.sub("0", line.casefold()))


def _paragraph_hash(paragraph: str) -> int:
    words = paragraph.casefold().split()
    return xxhash.xxh3_64_intdigest(" ".join(words)) if len(words) >= _PARAGRAPH_WORDS else 0


def frequent(hashes: Sequence[Hashes], at_least: int) -> Hashes:
    """Returns the hashes, sorted, that occur ``at_least`` times in all arrays together.

    Args:
        hashes: An array a part; a document brings a hash once.
        at_least: Documents.
    """
    found = []
    for of_slice in _slices(hashes):
        values, counts = np.unique(np.concatenate([of_slice(array) for array in hashes]), return_counts=True)
        found.append(values[counts >= at_least])
    return np.concatenate([np.empty(0, dtype=np.uint64), *found])


def first_seen(hashes: Sequence[Hashes]) -> list[npt.NDArray[np.bool_]]:
    """Returns for each array True where a hash occurs for the first time over all arrays in order, or is 0."""
    ends = np.cumsum([0, *(len(array) for array in hashes)])
    new = np.zeros(ends[-1], dtype=np.bool_)
    for of_slice in _slices(hashes):
        values, places = [], []
        for array, start in zip(hashes, ends, strict=False):
            mine = of_slice(array)
            values.append(mine)
            places.append(start + np.flatnonzero(np.isin(array, mine)) if len(mine) < len(array) else start + np.arange(len(array)))
        joined, where = np.concatenate(values), np.concatenate(places)
        _, first = np.unique(joined, return_index=True)
        new[where[first]] = True
    for array, start in zip(hashes, ends, strict=False):
        new[start : start + len(array)] |= array == 0
    return np.split(new, ends[1:-1]) if hashes else []


def _slices(hashes: Sequence[Hashes]) -> Iterator[Callable[[Hashes], Hashes]]:
    """Yields functions that take the hashes of one share of the range, few enough of them to be sorted at once."""
    total = sum(len(array) for array in hashes)
    count = np.uint64(max(1, -(-total // _SLICE)))
    for index in range(int(count)):

        def of_slice(array: Hashes, index: np.uint64 = np.uint64(index)) -> Hashes:
            taken: Hashes = array[array % count == index] if count > 1 else array
            return taken

        yield of_slice


def cut_lines(text: str, boilerplate: Hashes) -> str:
    """Returns the text without the lines whose hash is in ``boilerplate``, which is sorted."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.split("\n")
        hashes = np.array([_line_hash(line) for line in lines], dtype=np.uint64)
        places = np.minimum(np.searchsorted(boilerplate, hashes), len(boilerplate) - 1)
        kept = [line for line, cut in zip(lines, boilerplate[places] == hashes, strict=True) if not cut]
        if kept:
            paragraphs.append("\n".join(kept))
    return "\n\n".join(paragraphs)


def cut_paragraphs(text: str, keep: npt.NDArray[np.bool_]) -> str:
    """Returns the text with those of its paragraphs for which ``keep`` is True."""
    return "\n\n".join(part for part, kept in zip(text.split("\n\n"), keep, strict=True) if kept)
