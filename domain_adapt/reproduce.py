"""Making a checkpoint again from its manifest, to see whether the same bytes come out."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain_adapt.adapt import adapt_fingerprint, adapt_with
from domain_adapt.bases import Base, resolve_base
from domain_adapt.bases.resolving import checkpoint_identity
from domain_adapt.checkpoints import Checkpoint, CheckpointStore, Manifest, Origin, Parent
from domain_adapt.checkpoints.untrusted import weight_files
from domain_adapt.corpora import corpus_plan
from domain_adapt.errors import DomainAdaptError
from domain_adapt.finetune import finetune_fingerprint, finetune_on
from domain_adapt.labelled import load_data
from domain_adapt.merge import merge_bases, merge_fingerprint
from domain_adapt.recipes import DomainRecipe, TaskRecipe, recorded_recipe
from domain_adapt.report.difference import unequal
from domain_adapt.report.lineage import Family
from domain_adapt.task_in_run import Inputs
from domain_adapt.tasks import task_type
from domain_adapt.training import ranks
from domain_adapt.training.choices import choose_as
from domain_adapt.training.meeting import Meeting
from domain_adapt.training.runtime import has_fast_bf16, usable_cpus
from domain_adapt.workspace import Workspace

logger = logging.getLogger(__name__)

# These tell of the making itself: times, the command.
_TELLS_OF_THE_MAKING = frozenset({"README.md"})
_CHOICES = ("device", "precision", "threads", "micro_batch_rows", "compile")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Reproduction:
    """What came out.

    Attributes:
        ref: Of the checkpoint that was made again.
        same: Config, weights and tokenizer are the same, byte for byte.
        files: Name -> whether it is the same; None where it is not a part of a plain run. README.md, which tells of
            times and the command, is left out.
        reasons: What differed in the making, as far as is known.
        notes: What is worth knowing of how it was made again.
        relative: Norm of the difference of the weights over the norm of the weights, in the layer (or embeddings, or
            head) where it is largest; None if they have other shapes.
        largest: Largest absolute difference of a weight.
        folder: What came out, if it was kept.
    """

    ref: str
    same: bool
    files: dict[str, bool | None]
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    relative: float | None = None
    largest: float | None = None
    folder: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """Returns plain JSON values."""
        return vars(self) | {"folder": str(self.folder) if self.folder else None}


@dataclass(frozen=True)
class Scratch(Workspace):
    """A workspace whose runs and checkpoints lie apart; recipes and cache are the project's own.

    Attributes:
        apart: Folder of the runs and checkpoints.
    """

    apart: Path = Path("runs")

    @property
    def runs(self) -> Path:
        """Work in progress."""
        return self.apart / "runs"

    @property
    def checkpoints(self) -> Path:
        """Finished work."""
        return self.apart / "checkpoints"


def reproduce(ref: str, *, keep: bool = False, workspace: Workspace = Workspace()) -> Reproduction:
    """Makes a checkpoint again and returns whether the same bytes came out, and if not, why.

    It is trained (or merged) in ``runs/reproduce-<name>-v<N>``, with the recipe, the base and the choices for the
    machine that the manifest records; nothing is published. After a kill the same call goes on where it was.

    Args:
        ref: A checkpoint.
        keep: Leave what came out in its folder.
        workspace: Where the checkpoint, its base and its data are.

    Raises:
        DomainAdaptError: If something that it was made from is not there any more, or it was trained with others.
    """
    if ranks.count() > 1:
        raise DomainAdaptError("reproduce works in one process only", hint="start it without a launcher")
    original = CheckpointStore(workspace.checkpoints).find(ref)
    manifest = original.manifest
    scratch = Scratch(workspace.root, workspace.runs / f"reproduce-{original.name}-v{original.version}")
    logger.info("making %s again in %s; nothing is added to %s", original.ref, scratch.apart, workspace.checkpoints)
    notes: list[str] = []
    make = {"adapt": _adapt, "finetune": _finetune, "merge": _merge}[manifest.stage]
    again = make(manifest, workspace, scratch, notes)
    found = _judge(original, again, notes, keep)
    if not keep:
        shutil.rmtree(scratch.apart, ignore_errors=True)
    return found


def _adapt(manifest: Manifest, workspace: Workspace, scratch: Scratch, notes: list[str]) -> Checkpoint:
    where = f"manifest of {manifest.name}@v{manifest.version}"
    base = _base(manifest.parent, workspace, notes)
    values = _with_commits(manifest.recipe, manifest.corpus)
    values |= {"runtime": _runtime(manifest, notes), "name": manifest.name}
    recipe = recorded_recipe(DomainRecipe, values, _folder(manifest, workspace), manifest.profile, where)
    with _told_of(where):
        plan = corpus_plan(recipe, workspace)
        identity = adapt_fingerprint(recipe.values, base, plan)
    _say_inputs(identity, manifest, notes)
    choose_as(scratch.runs / f"adapt-{identity[:16]}", _choices(manifest))
    return adapt_with(recipe, manifest.domain or manifest.name, base, plan, Meeting(), workspace=scratch)


def _finetune(manifest: Manifest, workspace: Workspace, scratch: Scratch, notes: list[str]) -> Checkpoint:
    where = f"manifest of {manifest.name}@v{manifest.version}"
    origin = manifest.origin
    if manifest.task is None or (origin is not None and origin.multitask):
        raise DomainAdaptError(
            f"{manifest.name}@v{manifest.version} was trained together with other tasks and cannot be made again alone",
            hint=f"in another folder: {manifest.command}",
        )
    base = _base(manifest.parent, workspace, notes)
    values = manifest.recipe | {"runtime": _runtime(manifest, notes)}
    recipe = recorded_recipe(TaskRecipe, values, _folder(manifest, workspace), manifest.profile, where)
    kind = task_type(recipe.values.type)
    files = {part: _files(origin, part, workspace) for part in ("train", "dev", "test")}
    with _told_of(where):
        data = load_data(recipe, kind, manifest.domain, files["train"], files["dev"], files["test"])
    inputs = Inputs(recipe, kind, base, data, manifest.name, files)
    identity = finetune_fingerprint(inputs)
    _say_inputs(identity, manifest, notes)
    choose_as(scratch.runs / f"finetune-{identity[:16]}", _choices(manifest))
    return finetune_on(inputs, Meeting(), workspace=scratch)


def _merge(manifest: Manifest, workspace: Workspace, scratch: Scratch, notes: list[str]) -> Checkpoint:
    bases = [_base(parent, workspace, notes) for parent in manifest.parents]
    weights = manifest.recipe["weights"]
    _say_inputs(merge_fingerprint(bases, weights), manifest, notes)
    return merge_bases(bases, weights, manifest.name, CheckpointStore(scratch.checkpoints))


def _base(parent: Parent, workspace: Workspace, notes: list[str]) -> Base:
    """Returns the weights that a manifest names, by their hash wherever they are called now, else by their name."""
    if parent.kind == "checkpoint":
        family = Family(CheckpointStore(workspace.checkpoints).list())
        found = family.find(parent)
        if found is not None:
            if found.ref != parent.name:
                notes.append(f"{parent.name} is called {found.ref} now")
            return resolve_base(found.ref, workspace=workspace, allow_fine_tuned=True)
    try:
        return resolve_base(parent.name, workspace=workspace, revision=parent.revision, allow_fine_tuned=True)
    except DomainAdaptError as error:
        raise DomainAdaptError(
            f"{parent.name} (SHA-256 {parent.sha256[:12]}…), which it was made from, is not there any more: "
            f"{error.message}",
            hint=error.hint,
        ) from error


def _folder(manifest: Manifest, workspace: Workspace) -> Path:
    """Returns the folder of the recipe: where it was, else where a recipe of that name is in this project."""
    if manifest.origin is not None and (workspace.root / manifest.origin.folder).is_dir():
        return workspace.root / manifest.origin.folder
    if manifest.stage == "adapt":
        return workspace.corpora / (manifest.domain or manifest.name)
    return workspace.tasks / str(manifest.task)


def _files(origin: Origin | None, part: str, workspace: Workspace) -> list[Path]:
    return [(workspace.root / path).absolute() for path in origin.files.get(part, [])] if origin else []


@contextmanager
def _told_of(where: str) -> Iterator[None]:
    """Says of data that is not there any more whose it was."""
    try:
        yield
    except DomainAdaptError as error:
        raise DomainAdaptError(f"{where}: its data is not there as it was: {error.message}", hint=error.hint) from error


def _with_commits(recipe: Mapping[str, Any], corpus: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a domain recipe whose Hub sources are pinned to the commits that were read."""
    sources = [dict(source) for source in recipe.get("sources", [])]
    for source, entry in zip(sources, corpus.get("sources", []), strict=False):
        if source.get("kind") == entry.get("kind") == "hub" and _COMMIT.fullmatch(str(entry.get("revision"))):
            source["revision"] = entry["revision"]
    return dict(recipe) | {"sources": sources}


def _runtime(manifest: Manifest, notes: list[str]) -> dict[str, Any]:
    """Returns the recipe's runtime table with the recorded threads: another number of them adds in another order."""
    runtime = dict(manifest.recipe.get("runtime", {}))
    threads = manifest.environment.get("threads")
    if isinstance(threads, int):
        runtime["threads"] = threads
        spare = f" (this process may use {usable_cpus()})" if threads > usable_cpus() else ""
        notes.append(f"CPU threads: {threads}, as it was made with{spare}")
    else:
        notes.append("the manifest does not say how many CPU threads it was made with")
    precision, device = manifest.environment.get("precision"), manifest.environment.get("device")
    if precision == "bf16" and isinstance(device, str) and not has_fast_bf16(device):
        notes.append("it was made in bf16, which this machine does not multiply in hardware")
    elif precision in ("bf16", "fp32"):
        runtime["precision"] = precision
    return runtime


def _choices(manifest: Manifest) -> dict[str, Any]:
    return {key: manifest.environment[key] for key in _CHOICES if key in manifest.environment}


def _say_inputs(identity: str, manifest: Manifest, notes: list[str]) -> None:
    if identity == manifest.fingerprint:
        notes.append("recipe, data, base and package are those of then (same fingerprint)")
        return
    notes.append("recipe, data, base or package are not those of then (another fingerprint)")
    logger.warning("%s, so the result will most likely differ", notes[-1])


def _judge(original: Checkpoint, again: Checkpoint, notes: list[str], keep: bool) -> Reproduction:
    before, after = original.manifest.files, again.manifest.files
    names = [name for name in before if name not in _TELLS_OF_THE_MAKING]
    files = {name: before[name] == after[name] if name in after else None for name in names}
    same = checkpoint_identity(original.manifest) == checkpoint_identity(again.manifest)
    folder = again.folder if keep else None
    if same:
        return Reproduction(original.ref, True, files, notes=notes, folder=folder)
    from domain_adapt.training.distance import weight_distance

    reasons = reasons_between(original.manifest, again.manifest)
    distance = weight_distance(*(weight_files(one.folder, one.ref) for one in (original, again)))
    if distance.shapes or any(distance.only):
        return Reproduction(original.ref, False, files, reasons, notes, folder=folder)
    return Reproduction(original.ref, False, files, reasons, notes, distance.furthest, distance.largest, folder)


def reasons_between(then: Manifest, now: Manifest) -> list[str]:
    """Returns what differs between two makings of a checkpoint, as far as their manifests tell.

    Args:
        then: Of the checkpoint.
        now: Of what was made here and now.
    """
    found = []
    for before, after in zip(then.all_parents, now.all_parents, strict=True):
        if before.sha256 != after.sha256:
            found.append(
                f"other weights to start from: {before.name} was {before.sha256[:12]}…, is {after.sha256[:12]}…"
            )
    if then.corpus.get("content_sha256") != now.corpus.get("content_sha256"):
        found.append("other data: its content hash differs")
        found += _other_sources(then.corpus, now.corpus)
    for name, (old, new) in unequal(then.packages, now.packages).items():
        found.append(f"{name}: was {old}, is {new}")
    for name, (old, new) in unequal(then.environment, now.environment).items():
        found.append(f"{name}: was {old if old is not None else 'not recorded'}, is {new}")
    if not found and then.fingerprint != now.fingerprint:
        found.append("other inputs, though nothing that the manifests record: the recipe has keys that were not there")
    return found or ["unknown: nothing that the manifest records differs"]


def _other_sources(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    pairs = zip(then.get("sources", []), now.get("sources", []), strict=False)
    for before, after in pairs:
        for key in ("revision", "fingerprint", "documents"):
            if before.get(key) != after.get(key):
                yield f"{before.get('name')}: {key} was {before.get(key)}, is {after.get(key)}"
