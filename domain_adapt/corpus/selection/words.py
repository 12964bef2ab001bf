"""Scores by words: how like the words of a document are to those of a task's texts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.ngrams import word_ngrams

Batches = Callable[[], Iterator[list[str]]]
Scores = npt.NDArray[np.float32]

# Words are counted in so many buckets: two frequent words in one are rare, and a table takes 8 MB.
BUCKETS = 1 << 20
# Words in more of the documents than that are the language's and not the topic's.
_COMMON = 0.2


def jensen_shannon(batches: Batches, targets: Sequence[str]) -> Scores:
    """Returns how much nearer each document's words are to the targets' than to the corpus's, in [-1, 1].

    Nearness is 1 - the Jensen-Shannon divergence (Lin 1991, base 2) of relative frequencies, without the words that a
    fifth of the documents have. A long document is nearer to any large body of text than a short one, whatever it is
    about; taking the difference, as Moore & Lewis (2010) do with cross-entropies, leaves the topic.
    """
    counts, documents = _document_counts(batches)
    topical = counts <= documents * _COMMON
    target, corpus = (
        distribution / max(1, distribution.sum())
        for distribution in (np.bincount(_words(targets)[0], minlength=BUCKETS) * topical, counts * topical)
    )
    scores = []
    for words, times in (found for texts in batches() for found in _counted(texts)):
        times = times * topical[words]
        own = times / max(1, times.sum())
        scores.append(_nearness(own, target[words]) - _nearness(own, corpus[words]))
    return np.array(scores, dtype=np.float32)


def _nearness(own: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]) -> float:
    """Returns 1 - the divergence of a document's distribution to another, which is given for the document's words."""
    middle = (own + theirs) / 2
    # Outside of the document's words the middle is half the other's share: each adds its share times log2(2).
    divergence = 1.0 - theirs.sum() + _relative_entropy(own, middle) + _relative_entropy(theirs, middle)
    return float(1.0 - divergence / 2)


def tf_idf(batches: Batches, targets: Sequence[str]) -> Scores:
    """Returns how much nearer each document's TF-IDF vector is to the targets' mean vector than to the corpus's.

    Nearness is the cosine. The weight of a word is ``1 + ln(its count)`` times ``ln((1 + documents) / (1 + documents
    with it))``, so that a word that all documents have weighs nothing; every vector has the length 1 before a mean is
    taken, and the corpus's is that of its words' document counts. The difference is taken for the reason that
    :func:`jensen_shannon` gives.
    """
    counts, documents = _document_counts(batches)
    weight = np.log((1 + documents) / (1 + counts))
    mean = np.zeros(BUCKETS)
    for words, times in _counted(targets):
        mean[words] += _unit((1 + np.log(times)) * weight[words])
    direction = np.subtract(_unit(mean), _unit(np.multiply(counts, weight)))
    scores = [
        float(_unit((1 + np.log(times)) * weight[words]) @ direction[words])
        for texts in batches()
        for words, times in _counted(texts)
    ]
    return np.array(scores, dtype=np.float32)


def _document_counts(batches: Batches) -> tuple[npt.NDArray[np.int64], int]:
    """Returns in how many documents each word stands, and how many documents there are."""
    counts = np.zeros(BUCKETS, dtype=np.int64)
    documents = 0
    for words, _ in (found for texts in batches() for found in _counted(texts)):
        counts[words] += 1
        documents += 1
    return counts, documents


def _relative_entropy(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Returns the Kullback-Leibler divergence in bits; 0 log 0 is 0."""
    return float((one * np.log2(np.where(one > 0, one, 1.0) / np.where(one > 0, other, 1.0))).sum())


def _unit(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    length = np.linalg.norm(vector)
    return vector / length if length else vector


def _words(texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns the buckets of all words, and where each text's begin."""
    hashes, starts = word_ngrams(list(texts), 1)
    return (hashes % np.uint64(BUCKETS)).astype(np.int64), starts.astype(np.int64)


def _counted(texts: Sequence[str]) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
    """Yields each text's different words, as buckets, and how often it has each."""
    words, starts = _words(texts)
    for start, end in itertools.pairwise(starts.tolist()):
        buckets, counts = np.unique(words[start:end], return_counts=True)
        yield buckets, counts.astype(np.float64)
