"""Scores for every document, and the share with the best ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.selection.embeddings import nearest
from domain_adapt.corpus.selection.words import jensen_shannon, tf_idf
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import SelectionSettings

# A function that yields all documents' texts in batches, in the same order every time it is called.
Batches = Callable[[], Iterator[list[str]]]


def select(
    batches: Batches, *, targets: Sequence[str], settings: SelectionSettings, base_folder: Path | None
) -> npt.NDArray[np.bool_]:
    """Returns True for the share ``settings.keep`` of the documents that are nearest to the targets, (documents,).

    ``jensen-shannon`` compares the words' distributions (Plank & van Noord 2011; Ruder & Plank 2017), ``tf-idf`` the
    words' weights, ``similarity`` takes for each target its nearest neighbours (kNN-TAPT: Gururangan et al. 2020,
    arXiv 2004.10964, section 5.2). The corpus is read twice; in memory are some numbers a document.

    Args:
        batches: The documents.
        targets: Texts of the task.
        settings: Method and share.
        base_folder: For ``similarity``, the weights that embed texts.

    Raises:
        DomainAdaptError: If there is no target.
    """
    if not any(text.strip() for text in targets):
        raise DomainAdaptError(f"corpus.select.to: no text in {settings.to}")
    if settings.by == "similarity":
        assert base_folder is not None
        scores = nearest(batches, targets, settings.keep, base_folder)
    else:
        scores = (jensen_shannon if settings.by == "jensen-shannon" else tf_idf)(batches, targets)
    return best(scores, settings.keep)


def best(scores: npt.NDArray[np.float32], keep: float) -> npt.NDArray[np.bool_]:
    """Returns True for the share of the documents with the highest scores, rounded up; of equal ones the first."""
    chosen = np.zeros(len(scores), dtype=np.bool_)
    # Rounded first: 0.3 x 10 is a little more than 3 in floating point.
    chosen[np.argsort(-scores, kind="stable")[: math.ceil(round(keep * len(scores), 6))]] = True
    return chosen
