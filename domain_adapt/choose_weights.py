"""How far to go from one model to another: the share that does best on the dev part of a task."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Sequence

from domain_adapt.bases import Base, resolve_base
from domain_adapt.checkpoints import Checkpoint, CheckpointStore
from domain_adapt.comparing.cells import Cell, run_cell
from domain_adapt.comparing.question import Question
from domain_adapt.errors import DomainAdaptError
from domain_adapt.merge import merge, merge_bases, merge_fingerprint
from domain_adapt.training.progress import quiet
from domain_adapt.workspace import Workspace

logger = logging.getLogger(__name__)

# Coarse enough for single fine-tunings to be told apart at all; Wortsman et al. 2022 find the curve flat around a half.
SHARES = (0.25, 0.5, 0.75)


def merge_by_task(
    first: str,
    second: str,
    *,
    name: str,
    task: str,
    seeds: int = 2,
    shares: Sequence[float] = SHARES,
    domain: str | None = None,
    profile: str = "quick",
    overrides: Sequence[str] = (),
    force: bool = False,
    workspace: Workspace = Workspace(),
) -> Checkpoint:
    """Publishes the weighted mean of two models whose fine-tuning does best on the dev part of a task.

    Every share is fine-tuned from with the same seeds, and what is finished is kept in ``.cache/comparisons``. The
    test part plays no part, so that it can still judge the result.

    Args:
        first: Usually the adapted checkpoint; its share is what is chosen.
        second: Usually its base.
        name: Of the merged checkpoint.
        task: Name of a recipe below ``tasks/``, or a path.
        seeds: Fine-tunings of each share.
        shares: Of the first model, each in (0, 1).
        domain: Whose labelled data to take; None: that of the first model.
        profile: Profile of the task's recipe.
        overrides: ``key=value`` assignments laid over the task's recipe.
        force: Merge even though the checkpoint exists.
        workspace: Where recipes, runs and checkpoints are.

    Raises:
        DomainAdaptError: For anything the user can mend.
    """
    if seeds < 1:
        raise DomainAdaptError(f"seeds: expected at least 1 (found {seeds})")
    bases = [resolve_base(operand, workspace=workspace) for operand in (first, second)]
    domain = domain or (bases[0].checkpoint.manifest.domain if bases[0].checkpoint else None)
    found: dict[float, float] = {}
    for share in shares:
        start = _between(bases, share, workspace)
        question = Question(task, [start], range(seeds), domain=domain, profile=profile, overrides=overrides)
        found[share] = _score(question, workspace)
        logger.info("%.2f of %s: dev %.1f, mean of %d seeds", share, first, found[share], seeds)
    best = max(found, key=lambda share: (found[share], -abs(share - 0.5)))
    logger.info("best share: %.2f", best)
    return merge(first, second, name=name, weights=[best, 1 - best], force=force, workspace=workspace)


def _between(bases: Sequence[Base], share: float, workspace: Workspace) -> str:
    """Returns the folder of the weighted mean of two models, which is kept in the cache."""
    store = CheckpointStore(workspace.cache / "merges")
    weights = [share, 1 - share]
    known = store.with_fingerprint("between", merge_fingerprint(bases, weights))
    if known is None:
        with quiet():
            known = merge_bases(bases, weights, "between", store)
    return str(known.folder)


def _score(question: Question, workspace: Workspace) -> float:
    """Returns the mean of the selection metric on the dev part over the seeds."""
    values = []
    for seed in question.seeds:
        with quiet():
            cell = Cell(question.inputs(question.starts[0], seed, 0, workspace), 0, on_dev=True)
            result = run_cell(cell, workspace)
        values.append(result.task.metrics[cell.inputs.kind.selection_metric(cell.inputs.recipe.values)])
    return statistics.fmean(values)
