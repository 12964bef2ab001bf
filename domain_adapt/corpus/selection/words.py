"""Counts of words under hashes of the words, so that a vocabulary takes no memory."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# As many as scikit-learn's HashingVectorizer has: of 100,000 distinct words one in ten shares its column.
COLUMNS = 2**20
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Counts:
    """Words of several texts as a sparse matrix (texts, COLUMNS): the entries of one text after those of the other.

    Attributes:
        ends: (texts,) where each text's entries end.
        columns: (entries,) none twice in a text.
        values: (entries,) how often the word stands in the text, or what it weighs there.
    """

    ends: Integers
    columns: Integers
    values: Floats

    def weighted(self, values: Floats) -> Counts:
        """Returns the same entries with other values."""
        return Counts(self.ends, self.columns, values)

    def sum_rows(self, values: Floats) -> Floats:
        """Returns the sums by text, (texts,), of ``values``, (entries,)."""
        return np.diff(np.concatenate([[0.0], np.cumsum(values)])[self.ends], prepend=0.0)

    def spread_rows(self, values: Floats) -> Floats:
        """Returns ``values``, (texts,), repeated for each text's entries: (entries,)."""
        return np.repeat(values, np.diff(self.ends, prepend=0))

    def sum_columns(self) -> Floats:
        """Returns the sums of the values by column, (COLUMNS,)."""
        return np.asarray(np.bincount(self.columns, weights=self.values, minlength=COLUMNS), np.float64)

    def count_rows(self) -> Integers:
        """Returns in how many texts each column stands, (COLUMNS,)."""
        return np.bincount(self.columns, minlength=COLUMNS)


def count_words(texts: Sequence[str]) -> Counts:
    """Returns how often each word stands in each text; case plays no part."""
    return _count([_columns(text) for text in texts])


def count_passages(texts: Sequence[str], words: int) -> tuple[Counts, Integers]:
    """Returns the counts of the texts' passages of about ``words`` words, and which text each passage is of.

    Every passage of a text has the same length within one word, at least 2/3 of ``words`` unless the text is shorter.
    A text has at least one passage.
    """
    passages: list[Integers] = []
    owners: list[int] = []
    for index, text in enumerate(texts):
        columns = _columns(text)
        parts = np.array_split(columns, max(1, round(len(columns) / words)))
        passages += parts
        owners += [index] * len(parts)
    return _count(passages), np.array(owners, np.int64)


def _count(rows: Sequence[Integers]) -> Counts:
    numbers = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    words = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    entries, values = np.unique(numbers * COLUMNS + words, return_counts=True)
    ends = np.searchsorted(entries, (np.arange(len(rows)) + 1) * COLUMNS)
    return Counts(ends, entries % COLUMNS, values.astype(np.float64))


def _columns(text: str) -> Integers:
    """Returns the columns of a text's words, runs of letters, digits and underscores, in order."""
    return np.fromiter(map(column_of, _WORD.findall(text.lower())), np.int64)


@lru_cache(maxsize=2**17)  # nearly all words of a text are among the most frequent; about 20 MB
def column_of(word: str) -> int:
    """Returns the column of a word in lower case: the same in every process, unlike ``hash``."""
    return zlib.crc32(word.encode("utf-8", "surrogatepass")) % COLUMNS
