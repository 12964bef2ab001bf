"""Hashes of word n-grams of many texts at once, without a Python object for a word."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.int64]

# An odd factor keeps all 64 bits apart; this one is 2**64 divided by the golden ratio (Knuth, volume 3, section 6.4).
FACTOR = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(int(FACTOR), -1, 1 << 64))


def word_ngrams(texts: Sequence[str], ngram: int) -> tuple[Hashes, Positions]:
    r"""Returns a 64-bit hash of every n-gram, in order, and where each text's begin: (n-grams,), (texts + 1,).

    Words are casefolded runs of ``\w``. A text of fewer words than ``ngram`` has one n-gram, which equals only that of
    a text of the same words; a text without any word stands for its own characters, whatever its spacing. The hashes
    are the same in every process and on every machine. Needs some 40 bytes a character.
    """
    words, counts = _word_hashes([text.casefold() for text in texts])
    filled = np.maximum(counts, ngram)
    starts = np.concatenate([[0], np.cumsum(filled)])
    flat = np.zeros(starts[-1], dtype=np.uint64)
    flat[np.arange(len(words)) + np.repeat(starts[:-1] - np.cumsum(counts) + counts, counts)] = words
    for text in np.flatnonzero(counts == 0).tolist():
        flat[starts[text]] = _text_hash(texts[text])
    grams = roll(flat, ngram)
    windows = len(grams)
    inside = np.arange(windows) + ngram <= np.repeat(starts[1:], filled)[:windows]
    return _mix(grams[inside]), np.concatenate([[0], np.cumsum(filled - ngram + 1)])


def roll(words: Hashes, ngram: int) -> Hashes:
    """Returns a hash of every run of ``ngram`` words, (words - ngram + 1,): a polynomial (Karp and Rabin 1987)."""
    windows = max(0, len(words) - ngram + 1)
    grams = words[:windows].copy()
    for place in range(1, ngram if windows else 1):
        grams *= FACTOR  # overflow is the modulo
        grams += words[place : place + windows]
    return grams


def _word_hashes(folded: Sequence[str]) -> tuple[Hashes, Positions]:
    """Returns the hashes of all words, in order, and how many words each text has: (words,), (texts,)."""
    # With a line end behind every text no word reaches into the next.
    joined = "".join(f"{text}\n" for text in folded)
    codes = np.frombuffer(joined.encode(f"utf-32-{sys.byteorder[0]}e", "surrogatepass"), dtype=np.uint32)
    inside = _is_word()[codes]
    borders = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    if len(inside) and inside[0]:
        borders = np.concatenate([[0], borders])
    starts, ends = borders[::2], borders[1::2]
    # A word's hash is the sum of its characters' times the powers of a factor. Sums up to each character give those of
    # the words as differences; dividing by the power at the word's start makes them the same wherever it stands.
    sums = np.multiply.accumulate(np.full(len(codes), FACTOR))
    sums *= codes
    np.cumsum(sums, out=sums)
    unmoved = np.multiply.accumulate(np.full(len(codes), _INVERSE))[starts]
    words = (sums[ends - 1] - np.where(starts > 0, sums[starts - 1], np.uint64(0))) * unmoved
    text_ends = np.cumsum([len(text) + 1 for text in folded])
    counts = np.diff(np.searchsorted(starts, text_ends), prepend=0)
    return _mix(words), counts


def _mix(hashes: Hashes) -> Hashes:
    """Returns the hashes after a multiplication between shifts, as in MurmurHash3; sums are no longer related."""
    hashes ^= hashes >> np.uint64(32)
    hashes *= FACTOR
    hashes ^= hashes >> np.uint64(29)
    return hashes


def _text_hash(text: str) -> int:
    import xxhash

    return xxhash.xxh3_64_intdigest(" ".join(text.casefold().split()).encode("utf-8", "surrogatepass"))


@functools.cache
def _is_word() -> npt.NDArray[np.bool_]:
    r"""Returns for each code point whether ``\w`` matches it: 1 MB, made once in a process."""
    table = np.fromiter(map(str.isalnum, map(chr, range(sys.maxunicode + 1))), dtype=np.bool_)
    table[ord("_")] = True
    return table
