"""How strongly difference masking prefers each vocabulary entry: by its likeness to the anchors of the domain."""

from __future__ import annotations

import logging

import numpy as np

from domain_adapt.errors import DomainAdaptError
from domain_adapt.mlm.masking.anchors import WordCount, count_words, english_frequency, find_anchors
from domain_adapt.mlm.masking.words import WordTable

logger = logging.getLogger(__name__)

_SMOOTHING = 1e-3  # a of a / (a + p(piece)), from the range that Arora et al. 2017 found best
_CHUNK_ROWS = 8192
_DIGITS = 6  # of a cosine: coarser than the last bits, in which the order of a sum shows, so any machine ranks alike
_SHOWN = 10


def difference_weights(
    blocks: np.ndarray, counts: np.ndarray, embeddings: np.ndarray, words: WordTable, *, anchors: int
) -> np.ndarray:
    """Returns the weight of each vocabulary entry, ``(vocab_size,)`` float64 with mean 1 over the corpus.

    Difference-Masking (Wilf et al. 2023, arXiv 2305.14577) hides most what makes the domain different: anchors are the
    words of highest TF-ICF, words are ranked by the cosine to the nearest of them, and the chance of being masked
    grows linearly with the rank, as in the authors' code. What differs here: likeness is that of the base's input
    embeddings, with the mean taken off, and not of a BERT's output for the word alone; the rank is that in the corpus
    and not in the sentence, so that it can be a table, the same in every run.

    Args:
        blocks: ``(n, block_size)`` integer token ids of the corpus.
        counts: How often each token occurs in it; 0 for special tokens.
        embeddings: ``(vocab_size or more, width)``, the input embeddings of the base.
        words: Of the tokenizer.
        anchors: How many words to compare with.

    Raises:
        DomainAdaptError: If wordfreq is not installed, or there is no word to compare with.
    """
    size = len(words.flags)
    shares = np.zeros(size)
    known = min(size, len(counts))
    shares[:known] = counts[:known] / counts[:known].sum()
    frequency = english_frequency()
    found = find_anchors(count_words(blocks, words), anchors, frequency)
    if not found:
        raise DomainAdaptError(
            'mlm.masking = "difference" finds no word in the corpus to take as an anchor', hint="add text"
        )
    if sum(frequency(anchor.text) == 0 for anchor in found) * 2 > len(found):
        logger.warning("difference masking: most anchors are unknown to general English; is the corpus in English?")
    shown = ", ".join(anchor.text for anchor in found[:_SHOWN])
    logger.info("difference masking: anchors: %s%s", shown, ", ..." if len(found) > _SHOWN else "")
    weights = 2 * _ranks(_likeness(embeddings[:size], shares, found), shares)  # the mean rank is one half
    weights[shares == 0] = 0.0
    return weights


def _likeness(embeddings: np.ndarray, shares: np.ndarray, anchors: list[WordCount]) -> np.ndarray:
    """Returns the cosine of each entry's embedding to that of the nearest anchor, ``(vocab_size,)`` float64.

    The mean embedding of the corpus is taken off first: it is common to all, strongest in the frequent pieces, and
    would make them alike (Mu & Viswanath 2018, arXiv 1702.01417). An anchor of several pieces is their mean, frequent
    ones counting less (Arora et al. 2017, "A simple but tough-to-beat baseline for sentence embeddings"): in "isda",
    the piece "is" says little.
    """
    mean = shares @ embeddings.astype(np.float64)
    targets = []
    for anchor in anchors:
        pieces = list(anchor.ids)
        part = _SMOOTHING / (_SMOOTHING + shares[pieces])
        targets.append(part @ (embeddings[pieces].astype(np.float64) - mean) / part.sum())
    directions = _normalised(np.stack(targets))
    nearest = np.empty(len(embeddings))
    for start in range(0, len(embeddings), _CHUNK_ROWS):
        rows = embeddings[start : start + _CHUNK_ROWS].astype(np.float64) - mean
        nearest[start : start + len(rows)] = (_normalised(rows) @ directions.T).max(axis=1)
    return nearest


def _ranks(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Returns the share of the corpus below each entry's value, half of its equals counted, ``(vocab_size,)``."""
    levels, level = np.unique(values.round(_DIGITS), return_inverse=True)
    mass = np.bincount(level, weights=shares, minlength=len(levels))
    return np.asarray((np.cumsum(mass) - mass / 2)[level])


def _normalised(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
