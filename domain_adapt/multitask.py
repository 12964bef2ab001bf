"""Stage 2 on several tasks at once: one encoder, a head for each of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from domain_adapt.checkpoints import Checkpoint
from domain_adapt.errors import DomainAdaptError
from domain_adapt.finetune import read_inputs
from domain_adapt.labelled import load_data
from domain_adapt.multitasking import ENCODER, MASKED_LM, Multitasking
from domain_adapt.recipes import Recipe, TaskRecipe, load_task
from domain_adapt.stages import base_assignments, existing_checkpoint, open_run, stage_fingerprint
from domain_adapt.task_in_run import Inputs, say_metrics
from domain_adapt.tasks import task_type
from domain_adapt.training import ranks
from domain_adapt.training.meeting import Meeting
from domain_adapt.workspace import Workspace

logger = logging.getLogger(__name__)


def finetune_multitask(
    tasks: Sequence[str],
    *,
    start: str | None = None,
    domain: str | None = None,
    base: str | None = None,
    name: str | None = None,
    profile: str = "quick",
    overrides: Sequence[str] = (),
    force: bool = False,
    workspace: Workspace = Workspace(),
) -> dict[str, Checkpoint]:
    """Trains one encoder on several tasks and publishes a stock model for each of them, and the encoder.

    Each step trains on one task, drawn in proportion to its rows to the power of ``multitask.size_exponent``; with
    ``multitask.mlm_weight`` some steps train masked-language modelling on the tasks' own texts. The epoch whose mean
    over the tasks' selection metrics is best is published (Caruana 1997, "Multitask learning"; Liu et al. 2019,
    arXiv:1901.11504, for heads on one pretrained encoder).

    Budget, optimizer, seed and machine are those of the first task's recipe; data, length of rows, label smoothing and
    class weights are each recipe's own.

    Args:
        tasks: Two or more names of recipes or folders, or one with ``multitask.mlm_weight``.
        start: As for :func:`domain_adapt.finetune`, and so are the others.
        domain: Whose labelled data to take; None: that of the checkpoint, else what the recipes have first.
        base: Overrides the base.
        name: What the names of the checkpoints begin with; None: ``<domain>-multitask``.
        profile: Of the recipes.
        overrides: ``key=value`` assignments laid over every recipe.
        force: Train even though the checkpoints exist.
        workspace: Where recipes, runs and checkpoints are.

    Returns:
        The checkpoints by the name of their task; the shared encoder's is ``encoder``.

    Raises:
        DomainAdaptError: For anything the user can mend: recipes, data, base, disk.
    """
    if ranks.count() > 1:
        raise DomainAdaptError(
            f"multitask training works in one process only (there are {ranks.count()})",
            hint="start it without a launcher",
        )
    inputs, encoder_name = _read(tasks, start, domain, base, name, profile, overrides, workspace)
    names = {one.recipe.values.name: one.name for one in inputs} | {ENCODER: encoder_name}
    fingerprint = _fingerprint(inputs)
    existing = {
        key: found
        for key, one in names.items()
        if (found := existing_checkpoint(one, fingerprint, workspace, Meeting())) is not None
    }
    is_complete = existing.keys() == names.keys()
    if is_complete and not force:
        for found in existing.values():
            logger.info("%s is up to date: %s", found.ref, found.folder)
            say_metrics(found.manifest.metrics)
        return existing
    with open_run("multitask", fingerprint, workspace, fresh=is_complete) as run:
        # A process that was killed while it published has left some of them.
        done = {} if is_complete else existing
        return Multitasking(inputs, run, workspace).publish(encoder_name, done)


def _read(
    tasks: Sequence[str],
    start: str | None,
    domain: str | None,
    base: str | None,
    name: str | None,
    profile: str,
    overrides: Sequence[str],
    workspace: Workspace,
) -> tuple[list[Inputs], str]:
    """Returns the inputs of the tasks in their order, and the name of the encoder's checkpoint."""
    if not tasks:
        raise DomainAdaptError("multitask: expected two or more tasks", hint="`domain-adapt recipes` lists the tasks")
    arguments: dict[str, Any] = {"train": (), "dev": (), "test": (), "name": None, "profile": profile}
    arguments |= {"start": start, "domain": domain, "base": base, "workspace": workspace}
    first = read_inputs(tasks[0], overrides=overrides, meeting=Meeting(), **arguments)
    _check_settings(len(tasks), first.recipe.values)
    _check_name(first.recipe.values, [])
    parts = (None if first.start.checkpoint else "base", first.data.domain, "multitask")
    prefix = name or "-".join(part for part in parts if part)
    found = [replace(first, name=f"{prefix}-{first.recipe.values.name}")]
    for task in tasks[1:]:
        assignments = [*overrides, *base_assignments(base)]
        recipe = load_task(task, profile=profile, overrides=assignments, workspace=workspace)
        _check_name(recipe.values, [one.recipe.values.name for one in found])
        recipe = _with_settings_of(first.recipe, recipe)
        kind = task_type(recipe.values.type)
        wanted = domain or (first.data.domain if first.data.domain in recipe.values.data else None)
        logger.info("task %s", recipe.values.name)
        data = load_data(recipe, kind, wanted, (), ())
        found.append(Inputs(recipe, kind, first.start, data, f"{prefix}-{recipe.values.name}"))
    return found, f"{prefix}-{ENCODER}"


def _check_settings(tasks: int, values: TaskRecipe) -> None:
    if tasks == 1 and not values.multitask.mlm_weight:
        raise DomainAdaptError(
            "multitask: expected two or more tasks, or multitask.mlm_weight above 0",
            hint="leave --multitask out, or name another task",
        )
    if values.finetune.batch_size_start is not None:
        raise DomainAdaptError("finetune.batch_size_start: a batch does not grow in multitask training; leave it out")
    if values.finetune.folds:
        raise DomainAdaptError("finetune.folds: there is no cross-validation of several tasks; leave it out")


def _check_name(values: TaskRecipe, taken: Sequence[str]) -> None:
    if values.name in (*taken, ENCODER, MASKED_LM):
        raise DomainAdaptError(
            f"task {values.name}: name: another part of this multitask run is called so",
            hint="name every task once, or give it another name in its task.toml",
        )


def _with_settings_of(first: Recipe[TaskRecipe], other: Recipe[TaskRecipe]) -> Recipe[TaskRecipe]:
    """Returns another recipe as it is trained: with everything of the first that only one of them can decide."""
    own = other.values.finetune
    kept = {key: getattr(own, key) for key in ("label_smoothing", "class_weights", "dev_share")}
    shared = {key: getattr(first.values, key) for key in ("budget", "seed", "runtime", "multitask")}
    shared["finetune"] = first.values.finetune.model_copy(update=kept)
    return Recipe(other.values.model_copy(update=shared), other.folder, other.profile)


def _fingerprint(inputs: Sequence[Inputs]) -> str:
    """Returns the SHA-256 of everything that decides the result."""
    without = {"runtime", "description", "base", "base_revision", "data"}
    recipes = {"tasks": [one.recipe.values.model_dump(exclude=without) for one in inputs]}
    return stage_fingerprint("multitask", recipes, inputs[0].start, [one.data.fingerprint() for one in inputs])
