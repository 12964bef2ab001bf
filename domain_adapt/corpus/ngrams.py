"""Hashes of words and of word n-grams, all of a text at once: for near duplicates and for contamination."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

# Odd constants of splitmix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators").
_GOLDEN, _MIX_1, _MIX_2 = (np.uint64(value) for value in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def word_hashes(text: str) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """Returns a hash for each word of the text, in order, and where each begins in the casefolded text.

    A word is a run of letters, digits and combining marks; case plays no part. The same on every machine.
    """
    points = np.frombuffer(text.casefold().encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    inside = _word_characters()[points]
    edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return np.empty(0, dtype=np.uint64), starts
    letters = points[inside].astype(np.uint64)
    lengths = ends - starts
    firsts = np.cumsum(lengths) - lengths
    place = np.arange(len(letters)) - np.repeat(firsts, lengths)
    sums = np.add.reduceat((letters + np.uint64(1)) * _powers(int(lengths.max()))[place], firsts)
    return _mix(sums + lengths.astype(np.uint64)), starts


def ngram_hashes(words: Hashes, n: int) -> Hashes:
    """Returns a hash for each run of ``n`` words, (words - n + 1,); of fewer words one for all of them, if any."""
    n = min(n, len(words))
    if n == 0:
        return words
    powers = _powers(n)
    total = np.zeros(len(words) - n + 1, dtype=np.uint64)
    for place in range(n):
        total += words[place : place + len(total)] * powers[place]
    return _mix(total)


def _mix(values: Hashes) -> Hashes:
    """Returns well-spread hashes: the finaliser of splitmix64."""
    values = (values ^ (values >> np.uint64(30))) * _MIX_1
    values = (values ^ (values >> np.uint64(27))) * _MIX_2
    mixed: Hashes = values ^ (values >> np.uint64(31))
    return mixed


@functools.lru_cache(maxsize=8)
def _powers_of_two_sizes(size: int) -> Hashes:
    with np.errstate(over="ignore"):
        powers: Hashes = np.cumprod(np.full(size, _GOLDEN | np.uint64(1), dtype=np.uint64))
    return powers


def _powers(count: int) -> Hashes:
    """Returns the first powers of an odd constant, modulo 2**64."""
    return _powers_of_two_sizes(1 << max(6, (count - 1).bit_length()))[:count]


@functools.lru_cache(maxsize=1)
def _word_characters() -> npt.NDArray[np.bool_]:
    """Returns for every code point whether it is part of words."""
    import unicodedata

    marks = ("L", "N", "M")
    return np.array([unicodedata.category(chr(point))[0] in marks for point in range(0x110000)], dtype=np.bool_)
