"""The words of texts, counted in bounded memory, and how far two vocabularies overlap."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from domain_adapt.corpus.stop_words import STOP_WORDS

# Words as they are compared: runs of at least two letters, so that numbers, symbols and variables' names play no part.
_WORD = re.compile(r"[^\W\d_]{2,}")
TOP_WORDS = 10_000  # Gururangan et al. 2020, figure 2
_MOST_ENTRIES = 2_000_000  # different words held while counting: some 200 MB


def words_of(text: str) -> list[str]:
    """Returns the words of a text in lower case, in order."""
    return _WORD.findall(text.lower())


class Vocabulary:
    """Counts the words of texts; the rarest are forgotten where there are too many different ones.

    Pruned as in lossy counting (Manku & Motwani 2002): each time the table is full, entries below a rising count go.
    The counts of frequent words lack at most the sum of the thresholds, which is nothing beside their size.

    Args:
        most: Different words that are held at most, within the words of one text.
    """

    def __init__(self, most: int = _MOST_ENTRIES) -> None:
        self.counts: Counter[str] = Counter()
        self.words = 0
        self._most = most
        self._threshold = 1

    def add(self, text: str) -> None:
        """Counts the words of a text."""
        found = words_of(text)
        self.words += len(found)
        self.counts.update(found)
        while len(self.counts) > self._most:
            self._threshold += 1
            self.counts = Counter({word: count for word, count in self.counts.items() if count >= self._threshold})


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Returns how often the texts have each word."""
    vocabulary = Vocabulary()
    for text in texts:
        vocabulary.add(text)
    return vocabulary.counts


def top_words(counts: Mapping[str, float], most: int = TOP_WORDS) -> list[str]:
    """Returns the most frequent words that are no stop words, the most frequent first; ties in alphabetical order."""
    content = ((word, count) for word, count in counts.items() if word not in STOP_WORDS and count > 0)
    return [word for word, _ in sorted(content, key=lambda item: (-item[1], item[0]))[:most]]


def overlap(one: Mapping[str, float], other: Mapping[str, float], most: int = TOP_WORDS) -> tuple[float, int]:
    """Returns the share that the most frequent words of two vocabularies have in common, and of how many words each.

    As in figure 2 of Gururangan et al. 2020 (arXiv 2004.10964): the 10,000 most frequent unigrams of each, without stop
    words. Where a vocabulary has fewer, as many are taken of the other one, so that the share can still reach 1.
    """
    first, second = top_words(one, most), top_words(other, most)
    size = min(len(first), len(second))
    if not size:
        return 0.0, 0
    return len(set(first[:size]) & set(second[:size])) / size, size
