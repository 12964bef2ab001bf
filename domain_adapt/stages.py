"""What both stages do around the training loop: identity, the run folder, publication.

Light: the answer "is up to date" must come before torch would have been imported.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from pydantic import BaseModel

from domain_adapt.bases import Base, save_model, save_tokenizer
from domain_adapt.checkpoints import Checkpoint, CheckpointStore, Manifest, Origin, check_name
from domain_adapt.disk import explain_disk
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import fingerprint
from domain_adapt.report.model_card import render_card
from domain_adapt.training.choices import choices_of
from domain_adapt.training.energy import EnergyMeter
from domain_adapt.training.machine import hardware
from domain_adapt.training.meeting import Meeting, wait_until_seen
from domain_adapt.training.metrics_file import METRICS, training_curve
from domain_adapt.training.progress import format_seconds
from domain_adapt.training.ranks import count, is_main
from domain_adapt.workspace import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from domain_adapt.training.runtime import Runtime

logger = logging.getLogger(__name__)

PACKAGE = "domain-adapt"
TRAINING_CURVE = "training_curve.json"  # in a checkpoint: [[tokens, loss], ...]
_RECORDED_PACKAGES = (PACKAGE, "torch", "transformers", "tokenizers", "datasets", "accelerate", "evaluate", "numpy")


@dataclass(frozen=True)
class Run:
    """Work in progress: ``runs/<stage>-<fingerprint>/``, locked by the main process.

    Attributes:
        folder: Shared by all ranks.
        fingerprint: Of the stage's inputs.
        started: By the monotonic clock.
        meeting: The ranks at work on it.
        energy: Counts the energy of the whole run; None if an earlier process did a part of it.
    """

    folder: Path
    fingerprint: str
    started: float
    meeting: Meeting = field(default_factory=Meeting)
    energy: EnergyMeter | None = None


@contextmanager
def open_run(
    stage: str, fingerprint: str, workspace: Workspace, *, fresh: bool, meeting: Meeting | None = None
) -> Iterator[Run]:
    """Yields the run folder of ``fingerprint``, held by the main process; removes it when the block succeeds.

    Args:
        stage: ``adapt`` or ``finetune``.
        fingerprint: Of the stage's inputs.
        workspace: Where runs are.
        fresh: Forget what an earlier process left there; a launcher's restart is not an earlier process.
        meeting: The ranks of this run, all of which call this; None: this process is alone.

    Raises:
        DomainAdaptError: If another process is at work on the same run.
    """
    meeting = meeting or Meeting()
    folder = workspace.runs / f"{stage}-{fingerprint[:16]}"
    if not is_main():
        meeting.hear()
        yield Run(wait_until_seen(folder), fingerprint, time.monotonic(), meeting)
        return
    lock = lock_run(folder)
    energy = EnergyMeter()
    try:
        if fresh and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") == "0":
            shutil.rmtree(folder, ignore_errors=True)
        with explain_disk(folder, "nothing was published"):
            folder.mkdir(exist_ok=True)
            meeting.tell()
            is_new = not (folder / METRICS).exists()
            yield Run(folder, fingerprint, time.monotonic(), meeting, energy if is_new else None)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        energy.stop()
        lock.release()


def lock_run(folder: Path) -> FileLock:
    """Returns the lock of a run folder, held; the folder's parent is made, the folder is not.

    Raises:
        DomainAdaptError: If another process holds it.
    """
    with explain_disk(folder.parent, "nothing was started"):
        folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(folder.name + ".lock"))
    try:
        with explain_disk(folder.parent, "nothing was started"):
            lock.acquire(timeout=0)
    except Timeout:
        raise DomainAdaptError(
            f"{folder}: another process is at work on this run", hint="wait for it, or stop it first"
        ) from None
    return lock


def existing_checkpoint(name: str, fingerprint: str, workspace: Workspace, meeting: Meeting) -> Checkpoint | None:
    """Returns the checkpoint that was made from these inputs, or None: rank 0's answer on every rank."""
    check_name(name)  # here and not after hours of training
    store = CheckpointStore(workspace.checkpoints)

    def look() -> str | None:
        found = store.with_fingerprint(name, fingerprint)
        return found.ref if found else None

    ref = meeting.from_main(look)
    return _seen(ref, workspace) if ref else None


def _seen(ref: str, workspace: Workspace) -> Checkpoint:
    """Returns a checkpoint that rank 0 sees."""
    name, version = ref.split("@")
    wait_until_seen(workspace.checkpoints / name / version)
    return CheckpointStore(workspace.checkpoints).find(ref)


def base_assignments(base: str | None) -> list[str]:
    """Returns recipe overrides for a base that the user names; the recipe's revision belongs to the recipe's base."""
    if base is None:
        return []
    return [f"base={json.dumps(base, ensure_ascii=False)}", 'base_revision=""']


def stage_fingerprint(stage: str, recipe: Mapping[str, Any], base: Base, data: Sequence[str]) -> str:
    """Returns the SHA-256 of everything that decides a stage's result; nothing of the machine is in it.

    Args:
        stage: ``adapt`` or ``finetune``.
        recipe: Keys that decide the result.
        base: Starting weights.
        data: Content hashes of the data, in order.
    """
    return fingerprint(
        {
            "stage": stage,
            "recipe": dict(recipe),
            "base": base.sha256,
            "data": list(data),
            "version": metadata.version(PACKAGE),
        }
    )


@dataclass(frozen=True)
class Publication:
    """What a stage knows when its training is over.

    Attributes:
        name: Name of the checkpoint.
        stage: ``adapt`` or ``finetune``.
        domain: Domain of the data, if known.
        task: Task of stage 2.
        profile: Profile of the recipe.
        recipe: The resolved recipe.
        base: Starting weights.
        corpus: What was read, see :class:`domain_adapt.checkpoints.Manifest`.
        metrics: Flat figures.
        folder: Of the recipe.
        files: Labelled data that the command named: ``train``, ``dev``, ``test`` -> files.
        multitask: Trained together with other tasks.
    """

    name: str
    stage: str
    domain: str | None
    task: str | None
    profile: str
    recipe: BaseModel
    base: Base
    corpus: Mapping[str, Any]
    metrics: Mapping[str, float]
    folder: Path
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    multitask: bool = False

    def origin(self, workspace: Workspace) -> Origin:
        """Returns where the inputs lay, as a manifest says it."""
        files = {part: [place_of(path, workspace) for path in paths] for part, paths in self.files.items() if paths}
        return Origin(folder=place_of(self.folder, workspace), files=files, multitask=self.multitask)


def place_of(path: Path, workspace: Workspace) -> str:
    """Returns a path as a manifest has it: relative to the project's folder if it is inside it, else absolute."""
    path, root = path.resolve(), workspace.root.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def publish(
    publication: Publication,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    run: Run,
    runtime: Runtime,
    workspace: Workspace,
    extra_files: Mapping[str, bytes] | None = None,
) -> Checkpoint:
    """Publishes a model as the next version of its name and says where it is; the main process calls it.

    ``extra_files`` are names and contents of what belongs beside the model, such as plots. The training curve is
    published with it: a JSON list of pairs ``[tokens, loss]``.

    Raises:
        DomainAdaptError: If the disk does not let it; nothing is published then.
    """
    curve = training_curve(run.folder / METRICS)

    def fill(folder: Path) -> None:
        save_model(model, folder)
        save_tokenizer(tokenizer, folder)
        if curve:
            (folder / TRAINING_CURVE).write_text(json.dumps(curve) + "\n", encoding="utf-8")
        for name, content in (extra_files or {}).items():
            (folder / name).write_bytes(content)

    def make_manifest(version: int, files: dict[str, str]) -> Manifest:
        return _manifest(publication, run, runtime, workspace).model_copy(update={"version": version, "files": files})

    store = CheckpointStore(workspace.checkpoints)
    checkpoint = store.publish(publication.name, fill, make_manifest, describe=render_card)
    took = format_seconds(checkpoint.manifest.wall_seconds)
    logger.info("published %s after %s: %s", checkpoint.ref, took, checkpoint.folder)
    run.meeting.tell(checkpoint.ref)
    return checkpoint


def _manifest(publication: Publication, run: Run, runtime: Runtime, workspace: Workspace) -> Manifest:
    """Returns the manifest but for version and files, which only the store knows."""
    joules = run.energy.joules() if run.energy else None
    return Manifest(
        **{key: getattr(publication, key) for key in ("name", "stage", "domain", "task", "profile")},
        version=1,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        fingerprint=run.fingerprint,
        recipe=publication.recipe.model_dump(mode="json"),
        parent=publication.base.as_parent(),
        lineage=publication.base.lineage(),
        corpus=dict(publication.corpus),
        metrics=dict(publication.metrics) | ({} if joules is None else {"train/energy_joules": joules}),
        packages=package_versions(),
        environment=choices_of(run.folder)
        | runtime.describe()
        | {"hardware": hardware(runtime.device), "processes": count()},
        command=" ".join(sys.argv),
        wall_seconds=round(time.monotonic() - run.started, 1),
        files={},
        origin=publication.origin(workspace),
    )


def package_versions() -> dict[str, str]:
    """Returns the versions of the packages that decide a result."""
    return {package: metadata.version(package) for package in _RECORDED_PACKAGES}


def await_publication(run: Run, workspace: Workspace) -> Checkpoint:
    """Returns what the main process publishes out of ``run``, for the other ranks.

    Raises:
        DomainAdaptError: If it cannot be seen from here.
    """
    return _seen(run.meeting.hear(), workspace)
