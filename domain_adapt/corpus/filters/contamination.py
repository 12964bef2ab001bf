"""Decontamination: documents that share a run of words with evaluation data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.filters.base import Dropped, Filter
from domain_adapt.corpus.ngrams import ngram_hashes, word_hashes

REASON = "contaminated"


@dataclass(frozen=True)
class EvaluationNgrams:
    """The word n-grams of evaluation data.

    Attributes:
        hashes: Sorted and distinct, uint64.
        ngram: Words in an n-gram.
    """

    hashes: npt.NDArray[np.uint64]
    ngram: int

    @cached_property
    def key(self) -> str:
        """SHA-256 over the n-grams."""
        return hashlib.sha256(self.hashes.astype("<u8").tobytes() + str(self.ngram).encode()).hexdigest()

    def shared(self, words: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """Returns the places of the words at which a shared n-gram begins."""
        if len(words) < self.ngram or not len(self.hashes):
            return np.empty(0, dtype=np.int64)
        grams = ngram_hashes(words, self.ngram)
        places = np.minimum(np.searchsorted(self.hashes, grams), len(self.hashes) - 1)
        return np.flatnonzero(self.hashes[places] == grams)


def evaluation_ngrams(texts: Iterable[str], ngram: int) -> EvaluationNgrams:
    """Returns the n-grams of evaluation data (Brown et al. 2020, appendix C).

    A text shorter than an n-gram brings none: a question of six words stands in many documents by chance.
    """
    found = [np.empty(0, dtype=np.uint64)]
    for text in texts:
        words, _ = word_hashes(text)
        if len(words) >= ngram:
            found.append(ngram_hashes(words, ngram))
    return EvaluationNgrams(np.unique(np.concatenate(found)), ngram)


def decontaminator(ngrams: EvaluationNgrams, action: Literal["drop", "cut"]) -> Filter:
    """Returns the filter that drops documents with a shared n-gram, or cuts the paragraphs that take part in one."""

    def answer(text: str) -> str | Dropped:
        words, starts = word_hashes(text)
        shared = ngrams.shared(words)
        if not len(shared):
            return text
        first = int(shared[0])
        end = starts[first + ngrams.ngram] if first + ngrams.ngram < len(starts) else None
        why = Dropped(REASON, " ".join(text.casefold()[starts[first] : end].split()))
        if action == "drop":
            return why
        return _cut(text.split("\n\n"), shared, ngrams.ngram) or why

    return answer


def _cut(paragraphs: list[str], shared: npt.NDArray[np.int64], ngram: int) -> str:
    """Returns the paragraphs that have no word of a shared n-gram."""
    ends = np.cumsum([len(word_hashes(paragraph)[0]) for paragraph in paragraphs])
    touched = np.zeros(len(paragraphs), dtype=np.bool_)
    first, last = (np.searchsorted(ends, places, side="right") for places in (shared, shared + ngram - 1))
    for start, stop in zip(first, last, strict=True):
        touched[start : stop + 1] = True
    return "\n\n".join(part for part, is_touched in zip(paragraphs, touched, strict=True) if not is_touched)
