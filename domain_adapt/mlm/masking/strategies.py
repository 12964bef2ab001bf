"""What is chosen together: single tokens, whole words, spans of words, or words by how typical of the domain they are.

A strategy is immutable and turns each token's uniform draw into a choice that depends on its own row alone, so that
masks stay a pure function of (seed, epoch, block index) in any company and in any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from domain_adapt.mlm.masking.words import WordTable

SPAN_RATE = 0.2  # p of the geometric distribution of span lengths (Joshi et al. 2020)
LONGEST_SPAN = 10  # words
# Even a word most typical of the domain is seen in one of five places, as the context of others.
LARGEST_PROBABILITY = 0.8


@dataclass(frozen=True)
class Choice:
    """The tokens to predict.

    Attributes:
        chosen: ``(rows, width)`` bool; special tokens among them are left out by the caller.
        leader: ``(rows, width)`` int64, the flat position of the token whose draw decides what becomes of each chosen
            one (mask, random, kept), or None if each token's own does.
    """

    chosen: np.ndarray
    leader: np.ndarray | None = None


class Strategy(Protocol):
    """A way to choose the tokens to predict."""

    def choose(self, blocks: np.ndarray, draws: np.ndarray, probability: float) -> Choice:
        """Chooses an expected share ``probability`` of the ordinary tokens.

        Args:
            blocks: ``(rows, width)`` integer token ids.
            draws: ``(rows, width)`` float64 uniform in [0, 1), one for each token.
            probability: Expected share, in (0, 1).
        """


class SingleTokens:
    """Each token on its own, as in BERT and RoBERTa."""

    def choose(self, blocks: np.ndarray, draws: np.ndarray, probability: float) -> Choice:
        """See :class:`Strategy`."""
        return Choice(draws < probability)


@dataclass(frozen=True)
class WholeWords:
    """All pieces of a word or none; each word on its own.

    As in the whole-word release of BERT (2019), where a word's pieces are chosen together and each piece's 80/10/10 is
    drawn on its own. Words there go by whitespace and punctuation, here by :class:`WordTable`.
    """

    words: WordTable

    def choose(self, blocks: np.ndarray, draws: np.ndarray, probability: float) -> Choice:
        """See :class:`Strategy`; a word's draw is that of its first token."""
        starts = self.words.starts(blocks).reshape(-1)
        chosen = draws.reshape(-1)[np.flatnonzero(starts)] < probability
        return Choice(chosen[np.cumsum(starts) - 1].reshape(blocks.shape))


class WeightedWords:
    """Whole words, each with a probability of its own: the mean of its pieces' ``min(cap, scale * weight)``.

    Taking the mean over the pieces makes the expected number of chosen tokens a sum over single tokens, so the scale
    that gives the share asked for follows exactly from the corpus's token counts, whatever the words are. The cap is
    ``LARGEST_PROBABILITY``; where a share that high is asked for, all words are alike.

    Args:
        words: Of the tokenizer.
        weights: ``(vocab_size,)`` float64; entries of weight 0, such as special tokens, are never chosen.
        counts: ``(vocab_size,)`` how often each token occurs in the corpus; 0 for special tokens.
    """

    def __init__(self, words: WordTable, weights: np.ndarray, counts: np.ndarray) -> None:
        self.words = words
        self._weights = weights
        seen = np.flatnonzero((counts > 0) & (weights > 0))
        seen = seen[np.argsort(-weights[seen], kind="stable")]
        falling, count = weights[seen], counts[seen] / counts[seen].sum()
        # The share as a function of the scale is piecewise linear: each token in turn reaches the cap, heaviest first.
        self._scales = LARGEST_PROBABILITY / falling
        self._capped = np.append(0.0, np.cumsum(count))
        self._free = np.append(np.cumsum((count * falling)[::-1])[::-1], 0.0)
        self._shares = LARGEST_PROBABILITY * self._capped[1:] + self._scales * self._free[1:]

    def scale(self, probability: float) -> float:
        """Returns the factor that makes the mean of ``min(cap, scale * weight)`` over the corpus ``probability``.

        ``probability`` must be below the cap.
        """
        capped = min(int(np.searchsorted(self._shares, probability)), len(self._shares) - 1)
        return float((probability - LARGEST_PROBABILITY * self._capped[capped]) / self._free[capped])

    def choose(self, blocks: np.ndarray, draws: np.ndarray, probability: float) -> Choice:
        """See :class:`Strategy`; a word's draw is that of its first token."""
        starts = self.words.starts(blocks).reshape(-1)
        first = np.flatnonzero(starts)
        weights = self._weights[blocks.reshape(-1)]
        if probability < LARGEST_PROBABILITY:
            each = np.minimum(LARGEST_PROBABILITY, self.scale(probability) * weights)
        else:
            each = np.where(weights > 0, probability, 0.0)
        # A piece without weight, such as an unknown character in a word, cannot be chosen and does not count.
        pieces = np.add.reduceat((weights > 0).astype(np.int64), first)
        chosen = draws.reshape(-1)[first] < np.add.reduceat(each, first) / np.maximum(pieces, 1)
        return Choice(chosen[np.cumsum(starts) - 1].reshape(blocks.shape))


class Spans:
    """Runs of whole words, with one mask, random or kept for a run (Joshi et al. 2020, SpanBERT, arXiv 1907.10529).

    Lengths in words are geometric with p = 0.2, and lengths over 10 are left out and the rest renormalised: that is
    what the authors' code draws, and what gives the mean of 3.8 they report (to clip at 10 would give 4.46).

    SpanBERT adds spans to a text until 15 % are masked, which cuts the last one short and lets spans touch. Here gaps
    and spans take turns along the words of a document (an alternating renewal process): a gap of at least one word,
    with a geometric length, then a span. The rate of the gaps makes the share of masked words the one asked for, and
    each document in a block begins in equilibrium, perhaps inside a span. So every word has exactly the probability
    asked for, and spans not cut by the edge of a document have exactly SpanBERT's lengths. It needs one draw a word.
    """

    def __init__(self, words: WordTable) -> None:
        self.words = words
        lengths = SPAN_RATE * (1 - SPAN_RATE) ** np.arange(LONGEST_SPAN)
        lengths /= lengths.sum()
        self.mean_length = float(lengths @ np.arange(1, LONGEST_SPAN + 1))
        self._lengths = np.cumsum(lengths)[:-1]
        # In equilibrium r words of a span are left with probability P(length >= r) / mean.
        left = np.cumsum(lengths[::-1])[::-1] / self.mean_length
        self._left = np.cumsum(left)[:-1]

    @property
    def largest_probability(self) -> float:
        """The share that spans with gaps of one word each would have."""
        return self.mean_length / (self.mean_length + 1)

    def choose(self, blocks: np.ndarray, draws: np.ndarray, probability: float) -> Choice:
        """See :class:`Strategy`; ``probability`` at most ``largest_probability``."""
        starts = self.words.starts(blocks)
        first = np.flatnonzero(starts)
        boundary = self.words.is_boundary(blocks.reshape(-1)[first])
        row_start = first % blocks.shape[1] == 0
        opens = ~boundary & (row_start | np.concatenate([[True], boundary[:-1]]))  # the first word of a document
        begin = probability / (self.mean_length * (1 - probability))  # of a span, at a word that may begin one
        draw = draws.reshape(-1)[first]
        candidates = np.flatnonzero(~boundary & (draw < np.where(opens, probability, begin)))
        opening, drawn = opens[candidates], draw[candidates]
        # Below its threshold a draw is uniform again, so it also decides the length.
        lengths = 1 + np.where(
            opening,
            np.searchsorted(self._left, drawn / probability, side="right"),
            np.searchsorted(self._lengths, drawn / begin, side="right"),
        )
        edges = np.append(np.flatnonzero(boundary | row_start), len(first))
        limits = edges[np.searchsorted(edges, candidates, side="right")]
        ends = np.minimum(candidates + lengths, limits)
        taken = _take_turns(candidates.tolist(), ends.tolist(), opening.tolist())
        change = np.zeros(len(first) + 1, dtype=np.int64)
        change[candidates[taken]] += 1
        change[ends[taken]] -= 1
        leader = np.zeros(len(first), dtype=np.int64)
        leader[candidates[taken]] = candidates[taken]
        word = np.cumsum(starts) - 1
        chosen = (np.cumsum(change) > 0)[word]
        leading = first[np.maximum.accumulate(leader)][word]
        return Choice(chosen.reshape(blocks.shape), leading.reshape(blocks.shape))


def _take_turns(starts: list[int], ends: list[int], opening: list[bool]) -> list[int]:
    """Returns which candidates become spans: those outside an earlier span and the one word of gap behind it.

    A plain loop, as each depends on the ones before; it runs once a candidate, some five times for a row of 128 tokens.

    Args:
        starts: First word of each candidate, ascending.
        ends: Word behind each candidate.
        opening: Whether it begins a document, where no earlier span reaches.
    """
    taken, free = [], -1
    for number, start in enumerate(starts):
        if start > free or opening[number]:
            taken.append(number)
            free = ends[number]
    return taken
