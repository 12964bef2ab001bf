"""A manifest in words: what it is, from what, how, how good."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domain_adapt.bases.resolving import checkpoint_identity
from domain_adapt.checkpoints import Checkpoint, Manifest
from domain_adapt.recipes import DomainRecipe, HpoSource, TaskRecipe
from domain_adapt.report.card_usage import what_it_is
from domain_adapt.report.model_card import flatten
from domain_adapt.report.subject import METRICS, sources_of
from domain_adapt.training.progress import format_seconds

_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")  # of Markdown, as the model card has them
_HIDDEN = ("sources", "data", "runtime", "description")  # said elsewhere, or of the machine


def describe_checkpoint(checkpoint: Checkpoint, aliases: Sequence[str], size: int) -> list[tuple[str, str]]:
    """Returns names and values for a table.

    Args:
        checkpoint: Of any stage.
        aliases: Names that stand for it.
        size: Bytes of all its files.
    """
    manifest = checkpoint.manifest
    return [
        ("checkpoint", ", ".join([checkpoint.ref, *(f"@{alias}" for alias in aliases)])),
        ("what", _LINK.sub(r"\1", what_it_is(manifest)).replace("`", "")),
        ("folder", f"{checkpoint.folder} ({size / 1e6:,.1f} MB in {len(manifest.files) + 1} files)"),
        ("identity", f"SHA-256 {checkpoint_identity(manifest)}"),
        *_from_what(manifest),
        *_text(manifest.corpus),
        *_how(manifest),
        *_how_good(manifest.metrics),
    ]


def _from_what(manifest: Manifest) -> Iterator[tuple[str, str]]:
    weights = manifest.recipe["weights"] if manifest.stage == "merge" else []
    for place, parent in enumerate(manifest.all_parents):
        facts = [parent.name, parent.kind, *([f"weight {weights[place]:.4g}"] if weights else [])]
        facts += [f"revision {parent.revision}"] if parent.revision else []
        facts += [f"licence {parent.licence or 'unknown'}"]
        facts += [] if parent.has_lm_head else ["no trained LM head"]
        yield "from", f"{', '.join(facts)}, SHA-256 {parent.sha256}"
    yield "lineage", " ← ".join(one.name for one in manifest.lineage)


def _text(corpus: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for source in sources_of(corpus):
        counts = [f"{source[key]:,} {key}" for key in ("documents", "tokens") if isinstance(source.get(key), int)]
        facts = [f"{source.get('name')} ({source.get('kind')})", *counts, f"licence {source.get('licence', 'unknown')}"]
        facts += [f"revision {source['revision']}"] if source.get("revision") else []
        facts += [f"SHA-256 {source['fingerprint'][:12]}…"] if source.get("fingerprint") else []
        yield "text", ", ".join(facts)
    statistics = dict(
        flatten({key: value for key, value in corpus.items() if key not in ("sources", "content_sha256")})
    )
    if statistics:
        shown = (f"{key.removeprefix('statistics.')} {_number(value)}" for key, value in statistics.items())
        yield "counts", ", ".join(shown)
    if corpus.get("content_sha256"):
        yield "all text", f"SHA-256 {corpus['content_sha256']}"


def _how(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "how", f"{manifest.stage}, profile {manifest.profile}"
    yield "command", manifest.command
    yield "made", f"{manifest.created}, in {format_seconds(manifest.wall_seconds)}"
    yield "on", ", ".join(f"{key} {value}" for key, value in flatten(manifest.environment))
    yield "with", ", ".join(f"{name} {version}" for name, version in sorted(manifest.packages.items()))
    yield "recipe", f"{_own_settings(manifest)} (all keys: --json)"
    yield "fingerprint", manifest.fingerprint


def _own_settings(manifest: Manifest) -> str:
    """Returns the keys of the recipe that are not at their defaults."""
    defaults: dict[str, Any] = {}
    if manifest.stage == "adapt":
        defaults = dict(flatten(DomainRecipe(name="x", sources=[HpoSource()]).model_dump(mode="json")))
    elif manifest.stage == "finetune":
        defaults = dict(flatten(TaskRecipe(name="x", type=manifest.recipe["type"]).model_dump(mode="json")))
    shown = [
        f"{key} = {value}"
        for key, value in flatten(manifest.recipe)
        if key.split(".")[0] not in _HIDDEN and defaults.get(key, _HIDDEN) != value
    ]
    return ", ".join(shown) or "defaults"


def _how_good(metrics: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    if not metrics:
        yield "how good", "nothing was measured"
    for name, value in metrics.items():
        label, _, digits, unit = METRICS.get(name, (name, None, 4, ""))
        shown = f"{value:.2e}" if value >= 1e9 else f"{value:,.{digits}f}"  # a count of FLOP is an estimate
        yield label, f"{shown} {unit}".strip()


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
