"""Near duplicates: MinHash signatures in each part, locality-sensitive hashing over all of them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.ngrams import ngram_hashes, word_hashes
from domain_adapt.recipes import DeduplicationSettings

Signatures = npt.NDArray[np.uint32]
Indices = npt.NDArray[np.int64]

_SEED = 1
# Pairs whose signatures are compared at once: 128 MB at 128 permutations.
_PAIRS = 1 << 17


def signatures(texts: Sequence[str], settings: DeduplicationSettings) -> Signatures:
    """Returns MinHash signatures (Broder 1997) over word n-grams, (documents, permutations) uint32, by ``rensa``.

    A text shorter than an n-gram is near to another only if both have the same words.
    """
    from rensa import RMinHash

    grams = [ngram_hashes(word_hashes(text)[0], settings.ngram) for text in texts]
    offsets = np.cumsum([0, *(len(gram) for gram in grams)], dtype=np.uint64)
    joined = np.concatenate([np.empty(0, dtype=np.uint64), *grams])
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(joined, offsets, settings.permutations, _SEED)
    return np.array(matrix.to_rows(), dtype=np.uint32).reshape(len(texts), settings.permutations)


def near_duplicates(signatures: Sequence[Signatures], lengths: Indices, threshold: float) -> Indices:
    """Returns for each document the index of the one that stays for it; its own if it stays.

    Documents are compared where a band of their signatures is equal, and are near duplicates when ``threshold`` of
    the whole signatures is. Clusters are connected: of A, B and C, where only A and B, and B and C are near, one stays.
    It is the longest, and of equally long ones the first.

    Args:
        signatures: (documents, permutations) uint32 arrays, one after the other; may be memory-mapped.
        lengths: (documents,) of any unit.
        threshold: Share of equal positions, an estimate of the Jaccard similarity.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(lengths)
    if not count:
        return np.empty(0, dtype=np.int64)
    pairs = _edges(signatures, threshold, count)
    graph = coo_array((np.ones(len(pairs), dtype=np.bool_), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    order = np.lexsort((np.arange(count), -lengths, labels))
    first = np.ones(count, dtype=np.bool_)
    first[1:] = labels[order[1:]] != labels[order[:-1]]
    stays = np.empty(count, dtype=np.int64)
    stays[order] = order[np.flatnonzero(first)[np.cumsum(first) - 1]]
    return stays


def clusters(keep: Indices, limit: int) -> list[tuple[int, list[int]]]:
    """Returns the first ``limit`` clusters of two or more: the document that stays, and those that do not."""
    found: dict[int, list[int]] = {}
    for index in np.flatnonzero(keep != np.arange(len(keep))).tolist():
        stays = int(keep[index])
        if stays in found or len(found) < limit:
            found.setdefault(stays, []).append(index)
    return list(found.items())


@functools.lru_cache(maxsize=32)
def bands_for(threshold: float, permutations: int) -> int:
    """Returns in how many bands signatures are cut: as many as miss at most a hundredth of the pairs at the threshold.

    A pair of similarity s shares one of b bands of r rows with probability 1 - (1 - s**r)**b (Leskovec, Rajaraman &
    Ullman 2020, "Mining of massive datasets", section 3.4.2). Few, long bands bring few pairs to compare.
    """
    for rows in range(permutations, 0, -1):
        bands = permutations // rows
        if (1 - threshold**rows) ** bands <= 0.01:
            return bands
    return permutations


def _edges(signatures: Sequence[Signatures], threshold: float, count: int) -> npt.NDArray[np.int32]:
    """Returns pairs of near duplicates, (pairs, 2), enough to connect the clusters."""
    permutations = signatures[0].shape[1]
    bands = bands_for(threshold, permutations)
    rows = permutations // bands
    ends = np.cumsum([0, *(len(array) for array in signatures)])
    found = [np.empty((0, 2), dtype=np.int32)]
    for band in range(bands):
        keys = np.empty(count, dtype=np.uint64)
        for array, start in zip(signatures, ends, strict=False):
            for first in range(0, len(array), _PAIRS):  # a mapped array is not to be held as a whole
                piece = np.ascontiguousarray(array[first : first + _PAIRS, band * rows : (band + 1) * rows])
                keys[start + first : start + first + len(piece)] = ngram_of_rows(piece)
        order = np.argsort(keys, kind="stable").astype(np.int32)
        same = keys[order[1:]] == keys[order[:-1]]
        neighbours = np.stack([order[:-1][same], order[1:][same]], axis=1)
        # Beside its neighbour a document is compared with the first of its bucket: a false neighbour in between,
        # which shares the band only, must not part two near duplicates.
        starts = np.flatnonzero(~np.concatenate([[False], same]))
        heads = order[starts[np.searchsorted(starts, np.flatnonzero(same) + 1, side="right") - 1]]
        candidates = np.unique(np.concatenate([neighbours, np.stack([heads, neighbours[:, 1]], axis=1)]), axis=0)
        found.append(_verified(signatures, ends, candidates, threshold))
    return np.concatenate(found)


def ngram_of_rows(rows: Signatures) -> npt.NDArray[np.uint64]:
    """Returns one hash for each row of numbers."""
    total = np.zeros(len(rows), dtype=np.uint64)
    for column in range(rows.shape[1]):
        mixed = (total ^ rows[:, column]) * np.uint64(0x9E3779B97F4A7C15)
        total = mixed ^ (mixed >> np.uint64(32))
    return total


def _verified(
    signatures: Sequence[Signatures], ends: Indices, pairs: npt.NDArray[np.int32], threshold: float
) -> npt.NDArray[np.int32]:
    """Returns the pairs whose signatures agree in ``threshold`` of the positions."""
    kept = np.zeros(len(pairs), dtype=np.bool_)
    for first in range(0, len(pairs), _PAIRS):
        piece = pairs[first : first + _PAIRS]
        left, right = (_rows(signatures, ends, piece[:, side]) for side in (0, 1))
        kept[first : first + len(piece)] = (left == right).mean(axis=1) >= threshold
    return pairs[kept]


def _rows(signatures: Sequence[Signatures], ends: Indices, indices: npt.NDArray[np.int32]) -> Signatures:
    rows = np.empty((len(indices), signatures[0].shape[1]), dtype=np.uint32)
    which = np.searchsorted(ends, indices, side="right") - 1
    for number in np.unique(which):
        mine = which == number
        rows[mine] = signatures[number][indices[mine] - ends[number]]
    return rows
