"""Does one starting point do better than another? The same fine-tuning from each, and an honest answer."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from domain_adapt.bases import Base
from domain_adapt.checkpoints import CheckpointStore
from domain_adapt.comparing.cells import Cell, run_cell
from domain_adapt.comparing.findings import changes, contrasts, scores
from domain_adapt.comparing.general import general_loss
from domain_adapt.comparing.question import Question, Results
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import load_task
from domain_adapt.report.comparison import Comparison, System
from domain_adapt.tasks import task_type
from domain_adapt.training import ranks
from domain_adapt.training.progress import format_seconds, quiet
from domain_adapt.workspace import Workspace

logger = logging.getLogger(__name__)

TRAINING_CURVE = "training_curve.json"


def compare(
    tasks: Sequence[str],
    *,
    checkpoints: Sequence[str] = (),
    seeds: int = 3,
    labels: Sequence[int] = (0,),
    folds: int = 0,
    domain: str | None = None,
    train: Sequence[str | Path] = (),
    dev: Sequence[str | Path] = (),
    test: Sequence[str | Path] = (),
    general: Sequence[str | Path] = (),
    profile: str = "quick",
    overrides: Sequence[str] = (),
    workspace: Workspace = Workspace(),
) -> Comparison:
    """Fine-tunes the same way from several starting points and says which of them are better than the first.

    Seeds, order of the data and subsets of the labels are the same for all. What is finished is kept in
    ``.cache/comparisons`` and not trained again; a killed training goes on.

    Args:
        tasks: Names of recipes below ``tasks/``, or paths.
        checkpoints: Starting points (``base``, ``medical@v1``, a folder, a Hub id); the first one is the reference.
            None: ``base`` and the checkpoint that was adapted last (to ``domain``, if given).
        seeds: Fine-tunings of each, from the recipe's seed on.
        labels: Numbers of training examples, 0 for all: several make a learning curve.
        folds: Parts of a cross-validation over train and dev; every example is scored once a seed.
        domain: Whose labelled data to take; None: the domain of the first checkpoint that has one.
        train: Files of labelled data instead of the recipe's.
        dev: Files that the best epoch is chosen by.
        test: Files that are scored; without a test part it is dev.
        general: Files of the same kind of task that are not of the domain: what was forgotten.
        profile: Profile of the recipes.
        overrides: ``key=value`` assignments laid over the recipes.
        workspace: Where recipes, runs and checkpoints are.

    Raises:
        DomainAdaptError: For anything the user can mend: recipe, data, checkpoints, disk.
    """
    _check(tasks, seeds, labels, folds, train)
    starts = list(checkpoints) or ["base", _newest(domain, workspace)]
    if len(set(starts)) < len(starts):
        raise DomainAdaptError("checkpoints: one is named twice", hint="a starting point is compared with the others")
    domain = domain or (None if train else _domain_of(starts, workspace))
    begun = time.monotonic()
    comparison: Comparison | None = None
    for name in tasks:
        question = Question(
            name, starts, (), labels, folds, domain, train, dev, test, general, profile, list(overrides)
        )
        one = _compare_task(question, seeds, workspace)
        comparison = one if comparison is None else _joined(comparison, one)
    assert comparison is not None
    logger.info("compared in %s", format_seconds(time.monotonic() - begun))
    return comparison


def _check(tasks: Sequence[str], seeds: int, labels: Sequence[int], folds: int, train: Sequence[str | Path]) -> None:
    if not tasks:
        raise DomainAdaptError("compare: expected a task", hint="domain-adapt compare qa")
    if seeds < 1:
        raise DomainAdaptError(f"seeds: expected at least 1 (found {seeds})")
    if folds == 1 or folds < 0:
        raise DomainAdaptError(f"folds: expected 2 or more, or 0 (found {folds})")
    if any(count < 0 for count in labels) or len(set(labels)) < len(labels) or not labels:
        raise DomainAdaptError("labels: expected different numbers of examples, or all")
    if len(tasks) > 1 and train:
        raise DomainAdaptError("--train with several tasks", hint="compare on one task after the other")
    if ranks.count() > 1:
        raise DomainAdaptError(
            f"compare works in one process only (there are {ranks.count()})", hint="start it without a launcher"
        )


def _newest(domain: str | None, workspace: Workspace) -> str:
    found = CheckpointStore(workspace.checkpoints).newest(stage="adapt", domain=domain)
    if found is None:
        raise DomainAdaptError(
            f"nothing has been adapted{f' to {domain}' if domain else ''} yet, so there is nothing to compare",
            hint="make adapt DOMAIN=medical, or name what to compare: --checkpoints base medical@v1",
        )
    return found.ref


def _domain_of(starts: Sequence[str], workspace: Workspace) -> str | None:
    """Returns the domain of the first checkpoint that has one, so that all are scored on the same data."""
    store = CheckpointStore(workspace.checkpoints)
    for start in starts:
        if start != "base" and start.partition("@")[0] in store.names():
            domain = store.find(start).manifest.domain
            if domain:
                return domain
    return None


def _compare_task(question: Question, seeds: int, workspace: Workspace) -> Comparison:
    with quiet():
        first = question.inputs(question.starts[0], 0, 0, workspace)
    recipe = first.recipe.values
    own = load_task(
        question.task, profile=question.profile, overrides=question.overrides, workspace=workspace
    ).values.seed  # the first, as in ``finetune --seeds``
    question = replace(question, seeds=tuple(range(own, own + seeds)))
    general: list[Any] = []
    if question.general:
        general = task_type(recipe.type).load([Path(path) for path in question.general], recipe).examples
    bases: dict[str, Base] = {}
    results, cells = _run_cells(question, general, bases, workspace)
    systems = [_system(start, bases[start], workspace) for start in question.starts]
    found = scores(question, recipe, results)
    return Comparison(
        tasks=[recipe.name],
        domain=first.data.domain,
        reference=question.starts[0],
        seeds=list(question.seeds),
        systems=systems,
        scores=found,
        contrasts=contrasts(question, recipe, results, cells),
        changes=changes(question, recipe, results, cells),
        recipes={recipe.name: recipe.model_dump(mode="json")},
        command=" ".join(["domain-adapt", *sys.argv[1:]]),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(sum(result.seconds for result in results.values()), 1),
    )


def _run_cells(
    question: Question, general: Sequence[Any], bases: dict[str, Base], workspace: Workspace
) -> tuple[Results, dict[int, Cell]]:
    """Returns what came out of every cell, and for each fold one cell, whose examples all others score, too."""
    plan = [
        (start, labels, seed, fold)
        for seed in question.seeds
        for fold in range(max(question.folds, 1))
        for labels in question.labels
        for start in question.starts
    ]
    results: Results = {}
    folds: dict[int, Cell] = {}
    begun = time.monotonic()
    for number, (start, labels, seed, fold) in enumerate(plan):
        with quiet():
            cell = Cell(question.inputs(start, seed, fold, workspace), labels, general)
            result = run_cell(cell, workspace)
        bases[start] = cell.inputs.start
        folds.setdefault(fold, cell)
        results[start, labels, seed, fold] = result
        metric = cell.inputs.kind.selection_metric(cell.inputs.recipe.values)
        left = (time.monotonic() - begun) / (number + 1) * (len(plan) - number - 1)
        logger.info(
            "%d of %d: %s, %d labels, seed %d%s: %s %s %.1f; ETA %s",
            number + 1,
            len(plan),
            start,
            result.labels,
            seed,
            f", fold {fold + 1}" if question.folds else "",
            cell.scored[0],
            metric,
            result.task.metrics[metric],
            format_seconds(left),
        )
    return results, folds


def _system(start: str, base: Base, workspace: Workspace) -> System:
    manifest = base.checkpoint.manifest if base.checkpoint else None
    curve: list[tuple[float, float]] = []
    path = base.folder / TRAINING_CURVE
    if path.is_file():
        curve = [(float(tokens), float(loss)) for tokens, loss in json.loads(path.read_text(encoding="utf-8"))]
    return System(
        label=start,
        name=base.name,
        sha256=base.sha256,
        manifest=None if manifest is None else manifest.model_dump(mode="json"),
        curve=curve,
        general_loss=general_loss(base, workspace),
        domain_loss=None if manifest is None else manifest.metrics.get("heldout/mlm_loss"),
    )


def _joined(left: Comparison, right: Comparison) -> Comparison:
    return replace(
        left,
        tasks=left.tasks + right.tasks,
        scores=left.scores + right.scores,
        contrasts=left.contrasts + right.contrasts,
        changes=left.changes + right.changes,
        recipes=left.recipes | right.recipes,
        seconds=round(left.seconds + right.seconds, 1),
    )
