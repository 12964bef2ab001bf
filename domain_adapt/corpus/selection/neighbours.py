"""The nearest neighbours of the task's texts, as kNN-TAPT takes them (Gururangan et al. 2020, arXiv:2004.10964, 5.2).

For every text of the task its k nearest documents are chosen, by cosine; what several texts choose counts once. The
paper fixes k at 50, 150 or 500; here k is raised from 1 until the wanted share of the documents is chosen. The last k
may choose more than is left to choose: the nearest of those are taken. So a document is kept because it is near to some
text of the task, not because it is somewhat near to all.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.selection.basics import Progress, count_kept
from domain_adapt.corpus.selection.embedding import load_embedder
from domain_adapt.disk import explain_disk

_LOGGER = logging.getLogger(__name__)

# Texts of the task that are searched for. The search takes time in proportion, and the neighbours of 2,000 cover a
# task about as well as those of all its texts: each k chooses up to 2,000 documents.
MOST_TARGETS = 2000
_SIMILARITIES = 2**26  # held at a time, float32: 256 MB
_ROWS = 2**14  # documents' vectors in float32 at a time: 25 MB of 384 each


def rank_by_neighbours(
    batches: Iterator[Sequence[str]], targets: Sequence[str], keep: float, base_folder: Path, on_progress: Progress
) -> npt.NDArray[np.intp]:
    """Returns the documents' indices, (documents,), those that are chosen at the smallest k first.

    The order is exact for the share ``keep`` of them that is wanted, and roughly so after it. The vectors lie
    in a temporary file, 768 bytes a document.

    Raises:
        DomainAdaptError: If the disk for temporary files is full.
    """
    embed = load_embedder(base_folder)
    chosen = spread(targets, MOST_TARGETS)
    if len(chosen) < len(targets):
        _LOGGER.info("selecting by %d of %d texts of the task, evenly spread", len(chosen), len(targets))
    wanted = embed(chosen)
    folder = tempfile.gettempdir()
    with (
        explain_disk(Path(folder), "no documents were selected"),
        tempfile.TemporaryFile(dir=folder, prefix="domain-adapt-") as file,
    ):
        done = 0
        for batch in batches:
            file.write(embed(batch).tobytes())
            done += len(batch)
            on_progress("embedding", done)
        file.flush()
        if not done:
            return np.zeros(0, np.intp)
        vectors = np.memmap(file, np.float16, "r", shape=(done, wanted.shape[1]))
        order = order_by_rank(vectors, wanted, count_kept(done, keep), on_progress)
        del vectors  # before the file, which Windows would not delete under it
    return order


def spread(targets: Sequence[str], most: int) -> list[str]:
    """Returns at most ``most`` of the targets, evenly spread over them, first and last included."""
    if len(targets) <= most:
        return list(targets)
    return [targets[index] for index in np.linspace(0, len(targets) - 1, most).round().astype(int)]


def order_by_rank(
    documents: npt.NDArray[np.float16], targets: npt.NDArray[np.float16], count: int, on_progress: Progress
) -> npt.NDArray[np.intp]:
    """Returns the documents' indices by the smallest k at which a target chooses them, then by cosine, then by order.

    Exact search: every cosine is computed, in blocks of (targets, documents). Only the first ``count`` are in order.

    Args:
        documents: (documents, width) unit vectors.
        targets: (targets, width) unit vectors.
        count: Documents that will be kept.
        on_progress: Told the share of the targets that is done, as a number of documents.
    """
    total = len(documents)
    smallest_k = np.full(total, total + 1, np.int64)
    nearest = np.full(total, -2, np.float32)  # below every cosine
    k = np.arange(1, count + 1)
    step = max(1, min(len(targets), _SIMILARITIES // total))
    cosines = np.empty((step, total), np.float32)
    for start in range(0, len(targets), step):
        block = targets[start : start + step].astype(np.float32)
        for row in range(0, total, _ROWS):
            part = documents[row : row + _ROWS].astype(np.float32)
            np.matmul(block, part.T, out=cosines[: len(block), row : row + len(part)])
        for line in cosines[: len(block)]:
            first = np.argsort(-line, kind="stable")[:count]
            smallest_k[first] = np.minimum(smallest_k[first], k)
            np.maximum(nearest, line, out=nearest)
        on_progress("searching neighbours", total * (start + len(block)) // len(targets))
    return np.lexsort((-nearest, smallest_k))
