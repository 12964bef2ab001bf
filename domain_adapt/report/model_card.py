"""The README.md of a checkpoint: Hub metadata in front, then what it is, how it was made and how to load it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from domain_adapt.checkpoints import Manifest
from domain_adapt.report.card_metadata import card_metadata
from domain_adapt.report.card_usage import limits, usage, what_it_is
from domain_adapt.report.markdown import table
from domain_adapt.report.reliability import plot_text
from domain_adapt.report.subject import METRICS, sources_of
from domain_adapt.report.trials import STUDY

_BEFORE = "_before"


def render_card(manifest: Manifest) -> str:
    """Returns the model card of a checkpoint: YAML front matter for the Hub, then Markdown."""
    sections = [
        f"---\n{card_metadata(manifest).to_yaml()}\n---",
        f"# {manifest.name} v{manifest.version}",
        what_it_is(manifest),
        "## How to load it\n\n" + usage(manifest),
        "## Measured\n\n" + _metrics(manifest),
        "## Text\n\n" + _corpus(manifest.corpus),
        "## How it was made\n\n" + _making(manifest),
        "## Limits\n\n" + limits(manifest),
    ]
    return "\n\n".join(sections) + "\n"


def _metrics(manifest: Manifest) -> str:
    values = manifest.metrics
    if not values:
        return "Nothing was measured."
    names = [name for name in values if not (name.endswith(_BEFORE) and name.removesuffix(_BEFORE) in values)]
    names.sort(key=lambda name: (list(METRICS).index(name) if name in METRICS else len(METRICS), name))
    rows = [(_label(name), _number(values.get(name + _BEFORE), name), _number(values[name], name)) for name in names]
    found = table(("measure", "before", "after"), rows)
    if manifest.stage == "adapt" and not manifest.parent.has_lm_head:
        found += (
            f'\n\nThere is no masked-LM loss "before": `{manifest.parent.name}` has no trained LM head, so its first '
            "predictions say nothing about what it knows."
        )
    return "\n\n".join([found, *plot_text(manifest.files)])


def _corpus(corpus: Mapping[str, Any]) -> str:
    parts = []
    sources = sources_of(corpus)
    if sources:
        rows = [
            (
                f"[{_source_name(source)}]({source['url']})" if source.get("url") else _source_name(source),
                str(source.get("kind", "")),
                str(source.get("licence", "unknown")),
                str(source.get("revision") or ""),
                _count(source.get("documents")),
            )
            for source in sources
        ]
        parts.append(table(("source", "kind", "licence", "revision", "documents"), rows))
    others = {key: value for key, value in corpus.items() if key not in ("sources", "language")}
    figures = [(key, _count(value)) for key, value in flatten(others) if value is not None]
    if figures:
        parts.append(table(("figure", "value"), figures))
    return "\n\n".join(parts) or "Nothing was recorded about the text."


def _making(manifest: Manifest) -> str:
    before = [" + ".join(f"`{one.name}`" for one in manifest.parents)] if manifest.parents else []
    before = before or [f"`{one.name}`" for one in manifest.lineage]
    lineage = " ← ".join([f"`{manifest.name}@v{manifest.version}`", *before])
    facts = [
        ("lineage", lineage),
        ("weights of the parent", f"SHA-256 `{manifest.parent.sha256}`"),
        ("revision of the parent", f"`{manifest.parent.revision}`" if manifest.parent.revision else "none"),
        ("licence of the parent", manifest.parent.licence or "unknown"),
        ("profile", manifest.profile),
        ("command", f"`{manifest.command}`"),
        ("created", manifest.created),
        ("wall time", f"{manifest.wall_seconds:,.0f} s"),
        ("fingerprint", f"`{manifest.fingerprint}`"),
        *([("settings", f"found by a search: `{STUDY}`, `search.md`")] if STUDY in manifest.files else []),
        *((key, str(value)) for key, value in flatten(manifest.environment)),
        *((f"package {name}", version) for name, version in sorted(manifest.packages.items())),
    ]
    hidden = ("sources", "data", "runtime", "description")
    recipe = [(f"`{key}`", f"`{value}`") for key, value in flatten(manifest.recipe) if key.split(".")[0] not in hidden]
    return table(("fact", "value"), facts) + "\n\nThe recipe:\n\n" + table(("key", "value"), recipe)


def _source_name(source: Mapping[str, Any]) -> str:
    return str(source.get("name") or source.get("kind") or "unnamed")


def _label(name: str) -> str:
    unit = METRICS[name][3] if name in METRICS else ""
    return f"{METRICS[name][0] if name in METRICS else name}{f' ({unit})' if unit else ''}"


def _number(value: float | None, name: str) -> str:
    if value is None:
        return ""
    return f"{value:,.{METRICS[name][2] if name in METRICS else 4}f}"


def _count(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yields ``("mlm.learning_rate", 1e-4)`` for nested tables."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
