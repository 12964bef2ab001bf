"""Which documents are kept: the share of them that scores best."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.selection.basics import Batches, Progress, count_kept
from domain_adapt.corpus.selection.scoring import score_by_words
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes.corpus_tables import SelectionSettings


def select(
    batches: Batches,
    targets: Sequence[str],
    settings: SelectionSettings,
    *,
    base_folder: Path | None = None,
    on_progress: Progress | None = None,
) -> npt.NDArray[np.bool_]:
    """Returns which documents are nearest to the targets: (documents,), True for those kept.

    Kept is the share ``settings.keep``, rounded up.

    ``jensen-shannon`` and ``tf-idf`` read the documents twice, the others once; in memory is one batch, and four bytes
    (``similarity``: twelve) a document. Of equal documents the earlier ones are kept.

    Args:
        batches: Gives the documents' texts in batches, the same every time it is called.
        targets: Texts of the task; one that comes again counts once.
        settings: Table ``corpus.select`` of the recipe.
        base_folder: Folder of the base ``mini``, which ``similarity`` needs.
        on_progress: Called after every batch.

    Raises:
        DomainAdaptError: If there is nothing in the targets to select by.
        ValueError: If ``base_folder`` is missing.
    """
    told = on_progress or (lambda what, done: None)
    if settings.by == "none" or settings.keep == 1:
        return np.ones(sum(len(batch) for batch in batches()), dtype=np.bool_)
    distinct = [text for text in dict.fromkeys(targets) if text.strip()]
    if not distinct:
        raise DomainAdaptError(
            f"corpus.select.to: no text in {settings.to}, so there is nothing to select by",
            hint='name a task with data, or files of text; or set corpus.select.by = "none"',
        )
    if settings.by == "similarity":
        # Imported here: it needs torch.
        from domain_adapt.corpus.selection.neighbours import rank_by_neighbours

        if base_folder is None:
            raise ValueError("selection by similarity needs base_folder")
        order = rank_by_neighbours(batches(), distinct, settings.keep, base_folder, told)
    else:
        order = np.argsort(-score_by_words(batches, distinct, settings.by, told), kind="stable")
    return best(order, settings.keep)


def best(order: npt.NDArray[np.intp], keep: float) -> npt.NDArray[np.bool_]:
    """Returns (documents,), True for the first of ``order``, the documents from the best to the worst."""
    chosen = np.zeros(len(order), dtype=np.bool_)
    chosen[order[: count_kept(len(order), keep)]] = True
    return chosen
