"""Stage 2: train an adapted model on the labels of a task."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from domain_adapt.bases import Base, resolve_base
from domain_adapt.best_epoch import EpochListener
from domain_adapt.checkpoints import Checkpoint, CheckpointStore
from domain_adapt.errors import DomainAdaptError
from domain_adapt.finetuning import Finetuning
from domain_adapt.fingerprint import hash_text
from domain_adapt.labelled import load_data
from domain_adapt.recipes import TaskRecipe, load_task
from domain_adapt.stages import base_assignments, existing_checkpoint, open_run, stage_fingerprint
from domain_adapt.task_in_run import Inputs, say_metrics
from domain_adapt.tasks import task_type
from domain_adapt.training.meeting import Meeting, meet
from domain_adapt.workspace import Workspace

logger = logging.getLogger(__name__)


def finetune(
    task: str,
    *,
    start: str | None = None,
    domain: str | None = None,
    base: str | None = None,
    train: Sequence[str | Path] = (),
    dev: Sequence[str | Path] = (),
    test: Sequence[str | Path] = (),
    name: str | None = None,
    profile: str = "quick",
    overrides: Sequence[str] = (),
    force: bool = False,
    on_epoch: EpochListener | None = None,
    extra_files: Mapping[str, str] | None = None,
    workspace: Workspace = Workspace(),
) -> Checkpoint:
    """Fine-tunes a checkpoint or a base on a task and returns the published checkpoint of the best epoch.

    Under ``accelerate launch`` or ``torchrun`` every process calls it with the same arguments.

    Args:
        task: Name of a recipe below ``tasks/``, or a path to a folder with a ``task.toml``.
        start: Checkpoint to start from (``medical@v1``), ``base`` for the recipe's base itself, a folder or a Hub id.
            None: the adapted checkpoint made last (of ``domain``, if given).
        domain: Whose labelled data to take; None: that of the checkpoint.
        base: Overrides the base that ``start="base"`` stands for.
        train: Files of labelled data instead of the recipe's.
        dev: Files to choose the best epoch by; none with ``train``: a part of its contexts.
        test: Files to score the finished model on; they decide nothing.
        name: Name of the checkpoint; None: ``<domain>-<task>``.
        profile: Profile of the recipe.
        overrides: ``key=value`` assignments laid over the recipe.
        force: Train even though the checkpoint exists.
        on_epoch: Hears of the dev part's metrics after each epoch; what it raises ends the run.
        extra_files: Names and texts of files to publish beside the model; a checkpoint without them is not up to date.
        workspace: Where recipes, runs and checkpoints are.

    Raises:
        DomainAdaptError: For anything the user can mend: recipe, data, base, disk.
        EndedElsewhere: If another process of this run failed and says why.
    """
    with meet() as meeting:
        inputs = read_inputs(
            task,
            start=start,
            domain=domain,
            base=base,
            train=train,
            dev=dev,
            test=test,
            name=name,
            profile=profile,
            overrides=overrides,
            workspace=workspace,
            meeting=meeting,
        )
        return finetune_on(inputs, meeting, force, on_epoch, extra_files or {}, workspace)


def finetune_on(
    inputs: Inputs,
    meeting: Meeting,
    force: bool = False,
    on_epoch: EpochListener | None = None,
    extra_files: Mapping[str, str] = MappingProxyType({}),
    workspace: Workspace = Workspace(),
) -> Checkpoint:
    """Does :func:`finetune` on inputs that are read already; the other arguments and errors are those of it."""
    fingerprint = finetune_fingerprint(inputs)
    meeting.check_same(fingerprint, "recipe, base, data or package")
    existing = existing_checkpoint(inputs.name, fingerprint, workspace, meeting)
    if existing is not None and not force and _has(existing, extra_files):
        logger.info("%s is up to date: %s", existing.ref, existing.folder)
        say_metrics(existing.manifest.metrics)
        return existing
    fresh = existing is not None
    with open_run("finetune", fingerprint, workspace, fresh=fresh, meeting=meeting) as run:
        return Finetuning(inputs, run, workspace, on_epoch, extra_files).publish()


def read_inputs(
    task: str,
    *,
    start: str | None,
    domain: str | None,
    base: str | None,
    train: Sequence[str | Path],
    dev: Sequence[str | Path],
    test: Sequence[str | Path],
    name: str | None,
    profile: str,
    overrides: Sequence[str],
    workspace: Workspace,
    meeting: Meeting,
) -> Inputs:
    """Returns what the arguments of :func:`finetune` stand for; the processes of ``meeting`` find the same.

    Raises:
        DomainAdaptError: For anything the user can mend: recipe, data, base.
    """
    recipe = load_task(task, profile=profile, overrides=[*overrides, *base_assignments(base)], workspace=workspace)
    values = recipe.values
    kind = task_type(values.type)
    wanted = start if start or not base else "base"
    begin = meeting.main_first(lambda: _start(values, wanted, domain, workspace))
    domain = domain or (begin.checkpoint.manifest.domain if begin.checkpoint else None)
    data = meeting.main_first(lambda: load_data(recipe, kind, domain, train, dev, test))
    parts = (None if begin.checkpoint else "base", data.domain, values.name)
    files = {
        key: [Path(path) for path in paths]
        for key, paths in {"train": train, "dev": dev, "test": test}.items()
        if paths
    }
    return Inputs(recipe, kind, begin, data, name or "-".join(part for part in parts if part), files)


def finetune_fingerprint(inputs: Inputs) -> str:
    """Returns the SHA-256 of everything that decides the result of stage 2."""
    values = inputs.recipe.values.model_dump(
        exclude={"runtime", "description", "name", "base", "base_revision", "data", "multitask"}
    )
    return stage_fingerprint("finetune", values, inputs.start, [inputs.data.fingerprint()])


def _has(checkpoint: Checkpoint, texts: Mapping[str, str]) -> bool:
    return all(checkpoint.manifest.files.get(name) == hash_text(text) for name, text in texts.items())


def _start(recipe: TaskRecipe, start: str | None, domain: str | None, workspace: Workspace) -> Base:
    """Returns the starting weights and says which they are."""
    if start == "base":
        found = resolve_base(recipe.base, workspace=workspace, revision=recipe.base_revision or None)
        logger.info("fine-tuning the base %s itself", found.name)
        return found
    if start is not None:
        found = resolve_base(start, workspace=workspace, allow_fine_tuned=True)
        logger.info("fine-tuning %s", found.name)
        return found
    newest = CheckpointStore(workspace.checkpoints).newest(stage="adapt", domain=domain)
    if newest is None:
        which = domain or "medical"
        raise DomainAdaptError(
            f"nothing has been adapted{f' to {domain}' if domain else ''} yet, so there is nothing to fine-tune",
            hint=f"make adapt DOMAIN={which}, or fine-tune the base itself: make finetune TASK={recipe.name} FROM=base",
        )
    logger.info("fine-tuning %s, the newest adapted checkpoint%s", newest.ref, f" of {domain}" if domain else "")
    return resolve_base(newest.ref, workspace=workspace)
