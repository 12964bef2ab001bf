"""What this machine makes of stage 1, measured: speed, memory, time to the end, and what stands in the way."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import Base, resolve_base
from domain_adapt.corpora import corpus_plan
from domain_adapt.corpus.prepare import cached_corpus
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import DomainRecipe, HubSource, Recipe, corpus_recipe, load_domain
from domain_adapt.stages import base_assignments
from domain_adapt.training.machine import Machine, allocator, bf16_reason, survey
from domain_adapt.training.memory import HINT, gigabytes
from domain_adapt.training.progress import format_seconds
from domain_adapt.training.runtime import Runtime, detect, has_fast_bf16
from domain_adapt.workspace import Workspace

if TYPE_CHECKING:
    from domain_adapt.rehearsal import Rehearsal

# A saved state holds a weight in fp32, and two moments of those that learn.
_STATE_BYTES = (4, 8)


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was found.

    Attributes:
        domain: Name or path, or None for default settings.
        recipe: What was measured.
        machine: Where.
        runtime: Device, precision, threads.
        precision_reason: Why that precision.
        rehearsal: Memory and speed.
        tokens: Of the whole run, or None where only preparing the corpus tells.
        tokens_source: Where that number is from, or why there is none.
        warnings: Sentences.
    """

    domain: str | None
    recipe: DomainRecipe
    machine: Machine
    runtime: Runtime
    precision_reason: str
    rehearsal: Rehearsal
    tokens: int | None
    tokens_source: str
    warnings: list[str]

    @property
    def seconds(self) -> float | None:
        """Expected seconds of training, without preparing the text and saving states."""
        return None if self.tokens is None else self.tokens / self.rehearsal.speed.tokens_per_second

    def as_json(self) -> dict[str, Any]:
        """Returns plain JSON values; memory in bytes, time in seconds, speed in FLOP/s and tokens a second."""
        recipe, rehearsal = self.recipe, self.rehearsal
        machine_keys = {key: getattr(recipe.runtime, key) for key in ("compile", "gradient_checkpointing")}
        return {
            "domain": self.domain,
            "base": recipe.base,
            "weights": rehearsal.weights,
            "block_size": recipe.corpus.block_size,
            "batch_size": recipe.mlm.batch_size,
            "machine": asdict(self.machine) | {"allocator": allocator()},
            "runtime": asdict(self.runtime) | {"precision_reason": self.precision_reason} | machine_keys,
            "memory": asdict(rehearsal.memory) | {"needed": rehearsal.memory.needed},
            "speed": asdict(rehearsal.speed) | {"utilisation": rehearsal.speed.utilisation},
            "run": {"tokens": self.tokens, "tokens_source": self.tokens_source, "seconds": self.seconds},
            "warnings": self.warnings,
        }

    def lines(self) -> list[tuple[str, str]]:
        """Returns what there is to read: a name and a value each."""
        machine, runtime, recipe = self.machine, self.runtime, self.recipe
        memory, speed = self.rehearsal.memory, self.rehearsal.speed
        load = "" if machine.load is None else f", load {machine.load:.1f}"
        limit = f", limited to {gigabytes(machine.memory_limit)}" if machine.memory_limit else ""
        precision = "" if runtime.precision == "fp32" else f", {speed.peak / 1e9:,.0f} GFLOP/s in {runtime.precision}"
        distilled = recipe.mlm.distill_share if recipe.mlm.distill_weight else 0.0
        eta = "unknown" if self.seconds is None else format_seconds(self.seconds)
        million = format_seconds(1e6 / speed.tokens_per_second)
        return [
            ("device", f"{runtime.device}{f' ({machine.accelerator})' if machine.accelerator else ''}"),
            ("precision", f"{runtime.precision}: {self.precision_reason}"),
            ("processor", machine.processor),
            ("CPUs", f"{machine.usable_cpus} usable of {machine.cpus}{load}; {runtime.threads} threads"),
            ("memory", f"{gigabytes(machine.memory_free)} free of {gigabytes(machine.memory)}{limit}"),
            ("allocator", allocator()),
            ("versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())),
            ("domain", self.domain or "none: default settings"),
            ("base", f"{recipe.base}, {self.rehearsal.weights / 1e6:,.1f} M weights"),
            ("block size", f"{recipe.corpus.block_size} tokens"),
            ("batch size", f"{recipe.mlm.batch_size} rows, {memory.rows} in one pass"),
            ("distillation", f"on {distilled:.0%} of the rows" if distilled else "off"),
            ("memory needed", f"about {gigabytes(memory.needed)} beside the weights (estimated)"),
            ("matrix products", f"{speed.peak_fp32 / 1e9:,.0f} GFLOP/s in fp32{precision} (best of several)"),
            ("training", f"{speed.tokens_per_second:,.0f} tokens/s, timed for {speed.seconds:.0f} s"),
            (
                "utilisation",
                f"{speed.utilisation:.0%} = {speed.flops_per_token / 1e6:,.1f} MFLOP a token x tokens/s / "
                "FLOP/s of matrix products",
            ),
            ("time for 1 M tokens", million),
            ("time for the run", f"{eta} ({self.tokens_source})"),
        ]


def examine(
    domain: str | None = None,
    *,
    base: str | None = None,
    profile: str = "quick",
    overrides: Sequence[str] = (),
    workspace: Workspace = Workspace(),
) -> Diagnosis:
    """Measures stage 1 of a domain on this machine with random text; writes neither runs nor checkpoints.

    Args:
        domain: Name of a recipe below ``corpora/`` or a path; None: default settings.
        base: Overrides the recipe's starting weights.
        profile: Profile of the recipe.
        overrides: ``key=value`` assignments laid over the recipe.
        workspace: Where recipes, cached corpora and bases are.

    Raises:
        DomainAdaptError: For anything the user can mend: recipe, base, device.
    """
    recipe = _recipe(domain, profile, [*overrides, *base_assignments(base)], workspace)
    values = recipe.values
    start = resolve_base(values.base, workspace=workspace, revision=values.base_revision or None)
    from domain_adapt.rehearsal import rehearse

    runtime = detect(values.runtime)
    machine = survey(runtime.device)  # before the measuring itself makes the machine busy
    rehearsal = rehearse(values, start, runtime)
    tokens, source = _tokens(domain, recipe, start, workspace)
    fast = has_fast_bf16(runtime.device)
    return Diagnosis(
        domain=domain,
        recipe=values,
        machine=machine,
        runtime=runtime,
        precision_reason=bf16_reason(runtime.device, runtime.precision, values.runtime.precision, fast=fast),
        rehearsal=rehearsal,
        tokens=tokens,
        tokens_source=source,
        warnings=[*machine.warnings(), *_warnings(values, runtime, rehearsal, workspace.root, fast=fast)],
    )


def _recipe(domain: str | None, profile: str, overrides: Sequence[str], workspace: Workspace) -> Recipe[DomainRecipe]:
    if domain is not None:
        return load_domain(domain, profile=profile, overrides=overrides, workspace=workspace)
    if profile != "quick":
        raise DomainAdaptError("--profile: expected a domain, whose recipe has profiles", hint="domain-adapt recipes")
    return corpus_recipe(["."], "doctor", overrides=overrides)


def _tokens(
    domain: str | None, recipe: Recipe[DomainRecipe], base: Base, workspace: Workspace
) -> tuple[int | None, str]:
    """Returns the tokens of the whole run, or None, and where the number is from."""
    values = recipe.values
    if values.budget.tokens is not None:
        return values.budget.tokens, f"budget.tokens = {values.budget.tokens:,}"
    epochs = values.budget.epochs or 0.0
    if domain is None:
        return None, "its text is not known; name a domain"
    unknown = f"budget.epochs = {epochs:g}; the first `domain-adapt adapt` prepares the text and counts it"
    if any(isinstance(spec, HubSource) for spec in values.sources):  # only the network says which version it is now
        return None, unknown
    corpus = cached_corpus(corpus_plan(recipe, workspace), base.tokenizer_sha256, workspace)
    if corpus is None:
        return None, unknown
    return round(epochs * corpus.train.size), f"budget.epochs = {epochs:g} of {corpus.train.size:,} tokens"


def _warnings(recipe: DomainRecipe, runtime: Runtime, rehearsal: Rehearsal, folder: Path, *, fast: bool) -> list[str]:
    """Returns a sentence for each thing that the recipe asks and this machine does not give."""
    found = []
    if runtime.precision == "bf16" and not fast:
        found.append("bf16 is emulated on this device, many times slower than fp32: leave runtime.precision at auto.")
    memory = rehearsal.memory
    if not memory.fits:
        found.append(
            f"Training needs about {gigabytes(memory.needed)} and {gigabytes(memory.free)} are free: it may run out of "
            f"memory; {HINT}."
        )
    per_weight, per_learning = _STATE_BYTES
    states = recipe.runtime.keep_last + 1  # the oldest goes when the newest is there
    needed = states * (per_weight * rehearsal.weights + per_learning * rehearsal.learning)
    free = shutil.disk_usage(folder).free
    if free < needed:
        found.append(f"Saved states take up to {gigabytes(needed)}, and the disk has {gigabytes(free)} left.")
    return found
