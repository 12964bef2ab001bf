"""Near duplicates: MinHash signatures of documents, and which document stays for which.

MinHash (Broder 1997, "On the resemblance and containment of documents"): two signatures agree in a position with a
probability equal to the Jaccard similarity of the documents' sets of word n-grams. Locality-sensitive hashing (Indyk
and Motwani 1998; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3) finds the pairs to compare.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.ngrams import word_ngrams
from domain_adapt.corpus.signature_table import SignatureTable
from domain_adapt.recipes.corpus_tables import DeduplicationSettings

Signatures = npt.NDArray[np.uint32]
Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

# Any number will do as long as it never changes: signatures of two runs are compared with each other.
_SEED = 1
# From some hundred rows a call rensa starts threads, which a worker that is forked later waits for without end. Below,
# a call costs no more a row; and the Python integers that it answers with stay in the processor's cache.
_ROWS = 64
_CHARACTERS = 1_000_000  # of the texts whose n-grams are made at a time: 40 MB
# Documents of one bucket are compared with so many that follow. A bucket of equal or nearly equal documents, however
# large, is joined by the first comparison alone; the others find pairs among documents that share a passage.
_WINDOW = 8
_PAIRS = 16_384  # compared at a time: twice 8 MB of signatures of 128
# A pair that is not compared is lost, one that is compared in vain costs a microsecond: so many of these for one of
# those. With 64 permutations or more, at thresholds up to 0.9, a pair exactly at it is compared with p > 0.98.
_PRICE_OF_MISSING = 99
_KEYS = 128 << 20  # bytes for the hashes of the bands that are computed in one pass over the signatures


def signatures(texts: Sequence[str], settings: DeduplicationSettings) -> Signatures:
    r"""Returns the MinHash signature of each text, (documents, permutations).

    The sets are runs of ``settings.ngram`` words, which are casefolded runs of ``\w``. A text of fewer words is one
    run, so that it is like a text of the same words only; a text without any word stands for its own characters. The
    signature depends on the text, ``settings.ngram``, ``settings.permutations`` and :func:`algorithm` alone.
    """
    from rensa import RMinHash

    rows = np.empty((len(texts), settings.permutations), dtype=np.uint32)
    for batch in _batches(texts):
        grams, starts = word_ngrams(texts[batch], settings.ngram)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            grams, starts.astype(np.uint64), settings.permutations, _SEED
        )
        values = array("I")
        for row in matrix.to_rows():
            values.fromlist(row)
        rows[batch] = np.frombuffer(values, dtype=np.uint32).reshape(-1, settings.permutations)
    return rows


def algorithm() -> str:
    """Returns what names the way signatures are made; those of different names must not be compared."""
    from rensa import RMinHash

    return f"rensa-{RMinHash.ALGORITHM_VERSION}-seed-{_SEED}"


def near_duplicates(signatures: Sequence[Signatures], lengths: Indices, threshold: float) -> Indices:
    """Returns for each document the index of the document that stays for it, its own if it stays: (documents,).

    Two documents are near duplicates if at least ``threshold`` of their signatures' positions agree. They are joined
    to clusters, of which the longest document stays, the first of equally long ones. Clusters are chains, as
    datatrove's are: of A, B and C one stays if B is like A and C like B, even if C is not like A. What is found does
    not depend on how the documents are split into arrays. Where thousands of documents fill in one template, chance
    puts some pairs above the threshold that are below it (the standard deviation of a share of 128 is up to 0.044).

    Beside the signatures it needs some 100 bytes a document and 200 MB.

    Args:
        signatures: Arrays of (documents, permutations) in the documents' order; may be memory-mapped.
        lengths: Of the documents, in any unit, (documents,).
        threshold: Jaccard similarity, above 0.
    """
    table = SignatureTable(signatures)
    labels = np.arange(len(table), dtype=np.int64)
    if len(table) < 2:
        return labels
    # Equal signatures first: one of them goes on, so that the bands' buckets are not full of them.
    labels = _join(table, labels, labels.copy(), table.keys(1, table.permutations, range(1))[0], 1.0)
    documents = np.flatnonzero(labels == np.arange(len(table)))
    bands, rows = bands_and_rows(table.permutations, threshold)
    at_once = max(1, _KEYS // (8 * len(table)))
    for first in range(0, bands, at_once):
        keys = table.keys(bands, rows, range(first, min(bands, first + at_once)))
        for band in keys:
            labels = _join(table, labels, documents, band[documents], threshold)
        del keys, band  # before there are new ones
    return _longest(labels, lengths)


def clusters(keep: Indices, limit: int) -> list[tuple[int, list[int]]]:
    """Returns the first ``limit`` clusters: the index of the document that stays and of those that do not.

    Args:
        keep: As :func:`near_duplicates` returns it.
        limit: At most so many clusters, in the order of the documents that stay.
    """
    dropped = np.flatnonzero(keep != np.arange(len(keep)))
    dropped = dropped[np.argsort(keep[dropped], kind="stable")]
    kept, starts = np.unique(keep[dropped], return_index=True)
    ends = [*starts[1:].tolist(), len(dropped)]
    return [
        (int(kept[number]), dropped[starts[number] : ends[number]].tolist()) for number in range(min(limit, len(kept)))
    ]


def bands_and_rows(permutations: int, threshold: float) -> tuple[int, int]:
    """Returns into how many bands of how many rows signatures are cut.

    A pair of similarity s shares all r rows of one of b bands with probability ``1 - (1 - s**r)**b``. Of all r, with as
    many bands as there is room for, that one is taken for which the weighed sum of two areas is smallest: under this
    curve below the threshold (compared in vain), and above it from the threshold on (missed).
    """
    similarity = (np.arange(1000) + 0.5) / 1000
    missed_from = similarity >= threshold
    costs = []
    for rows in range(1, permutations + 1):
        found = 1 - (1 - similarity**rows) ** (permutations // rows)
        costs.append(np.where(missed_from, _PRICE_OF_MISSING * (1 - found), found).sum())
    rows = int(np.argmin(costs)) + 1
    return permutations // rows, rows


def _batches(texts: Sequence[str]) -> Iterator[slice]:
    start = characters = 0
    for number, text in enumerate(texts):
        if number > start and (number - start == _ROWS or characters + len(text) > _CHARACTERS):
            yield slice(start, number)
            start, characters = number, 0
        characters += len(text)
    if start < len(texts):
        yield slice(start, len(texts))


def _join(table: SignatureTable, labels: Indices, documents: Indices, keys: Hashes, least: float) -> Indices:
    """Returns the clusters' labels after documents of equal keys have been compared, (all documents,).

    Args:
        table: The signatures.
        labels: Of all documents' clusters so far: the smallest index in it.
        documents: Indices of those that have keys, ascending.
        keys: Their hashes of one band, (some documents,).
        least: Share of positions that must agree.
    """
    ordered = np.sort(keys)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(repeated):
        return labels
    place = np.minimum(np.searchsorted(repeated, keys), len(repeated) - 1)
    candidates = np.flatnonzero(repeated[place] == keys)
    # Stable, so that within a bucket the documents' order decides, on every machine.
    candidates = candidates[np.argsort(keys[candidates], kind="stable")]
    keys, documents = keys[candidates], documents[candidates]
    places = np.arange(len(keys))
    for distance in range(1, _WINDOW + 1):
        places = places[places + distance < len(keys)]
        places = places[keys[places] == keys[places + distance]]
        if not len(places):
            break
        left, right = documents[places], documents[places + distance]
        apart = labels[left] != labels[right]
        for some_left, some_right in _in_pieces(left[apart], right[apart]):
            alike = table.similarity(some_left, some_right) >= least
            labels = _merge(labels, some_left[alike], some_right[alike])
    return labels


def _in_pieces(left: Indices, right: Indices) -> Iterator[tuple[Indices, Indices]]:
    for start in range(0, len(left), _PAIRS):
        yield left[start : start + _PAIRS], right[start : start + _PAIRS]


def _merge(labels: Indices, left: Indices, right: Indices) -> Indices:
    """Returns the labels after the clusters of ``left[i]`` and ``right[i]`` have become one for every i."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(left):
        return labels
    old, ends = np.unique(labels[np.concatenate([left, right])], return_inverse=True)
    ends = ends.astype(np.int32)
    edges = coo_array(
        (np.ones(len(left), dtype=np.int8), (ends[: len(left)], ends[len(left) :])), shape=(len(old), len(old))
    )
    _, component = connected_components(edges, directed=False)
    # `old` ascends, so what comes first in a component is its smallest label.
    _, first = np.unique(component, return_index=True)
    renamed = np.arange(len(labels))
    renamed[old] = old[first][component]
    return renamed[labels]


def _longest(labels: Indices, lengths: Indices) -> Indices:
    """Returns for each document the longest of its cluster, the first of equally long ones."""
    size = np.bincount(labels, minlength=len(labels))
    members = np.flatnonzero(size[labels] > 1)
    order = members[np.lexsort((members, -lengths[members], labels[members]))]
    label, first = np.unique(labels[order], return_index=True)
    stays = np.arange(len(labels))
    stays[label] = order[first]
    keep: Indices = stays[labels]
    return keep
