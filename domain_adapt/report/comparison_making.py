"""How the systems of a comparison were made, as tables of plain text: lineage, settings, text, recipes, versions."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Any, NamedTuple

from domain_adapt.report.comparison import Comparison, System
from domain_adapt.report.comparison_facts import Cells
from domain_adapt.report.model_card import flatten
from domain_adapt.report.subject import sources_of

# What of stage 1 decides how much is learnt and how much forgotten -> the value at which it does nothing.
_SETTINGS: dict[str, Any] = {
    "base": None,
    "budget.epochs": None,
    "budget.tokens": None,
    "mlm.learning_rate": None,
    "mlm.batch_size": None,
    "mlm.schedule": None,
    "mlm.masking": None,
    "mlm.probability": None,
    "corpus.block_size": None,
    "mlm.layer_decay": 1.0,
    "mlm.freeze.embeddings": False,
    "mlm.freeze.layers": 0,
    "mlm.lora.rank": 0,
    "mlm.head_learning_rate_scale": 1.0,
    "mlm.head_warmup_ratio": 0.0,
    "mlm.distill_weight": 0.0,
    "mlm.l2sp_weight": 0.0,
    "mlm.interpolation": 1.0,
    "corpus.replay": 0.0,
    "corpus.select.by": "none",
    "vocabulary.add": 0,
    "seed": None,
    "operands": None,  # of averaged weights
    "weights": None,
}
_DROPPED = "dropped: "
# In what order figures of a corpus are shown; others follow.
_FIGURES = {
    "documents_read": "documents read",
    "documents_train": "documents to train on",
    "documents_heldout": "documents held out",
    "tokens_train": "tokens to train on",
    "tokens_heldout": "tokens held out",
}
_PACKAGES = ("domain-adapt", "torch", "transformers", "tokenizers", "datasets", "accelerate", "numpy", "scipy")


class CorpusFacts(NamedTuple):
    """The text that one or several systems were adapted to: their labels, and tables that may have no rows."""

    labels: list[str]
    sources: Cells
    figures: Cells
    dropped: Cells


def system_table(comparison: Comparison) -> Cells:
    """Returns what each system is and what it came from."""
    heads = ["start", "what it is", "made by", "from", "domain", "SHA-256 begins"]
    rows = []
    for system in comparison.systems:
        manifest = system.manifest or {}
        rows.append(
            [
                system.label,
                system.name,
                str(manifest.get("stage") or "not made here"),
                " \u2190 ".join(lineage(system)) or "",
                str(manifest.get("domain") or ""),
                system.sha256[:16],
            ]
        )
    return heads, rows


def lineage(system: System) -> list[str]:
    """Returns names from the parent back to the base; what was averaged has all its parents in one step."""
    manifest = system.manifest or {}
    names = [str(one.get("name", "?")) for one in manifest.get("lineage") or []]
    parents = [str(one.get("name", "?")) for one in manifest.get("parents") or []]
    if len(parents) > 1:
        return [" + ".join(parents), *(name for name in names if name not in parents)]
    return names


def hash_table(comparison: Comparison) -> Cells:
    """Returns the whole hash of every system and of what it came from."""
    rows = []
    for system in comparison.systems:
        rows.append([system.label, system.name, system.sha256])
        ancestors = (system.manifest or {}).get("lineage") or []
        rows += [["", str(one.get("name", "?")), str(one.get("sha256", ""))] for one in ancestors]
    return ["start", "weights", "SHA-256"], rows


def setting_table(comparison: Comparison) -> Cells:
    """Returns the settings of stage 1, a column for each checkpoint; what none of them uses is left out."""
    made = [system for system in comparison.systems if (system.manifest or {}).get("recipe")]
    recipes = [dict(flatten((system.manifest or {})["recipe"])) for system in made]
    rows = []
    for key, idle in _SETTINGS.items():
        values = [recipe.get(key) for recipe in recipes]
        if any(value is not None and value != idle for value in values):
            rows.append([key, *(_value(value) for value in values)])
    spent = [((system.manifest or {}).get("metrics") or {}).get("train/tokens") for system in made]
    if any(spent):
        rows.append(["tokens trained on", *(f"{value:,.0f}" if value else "" for value in spent)])
    return ["setting", *(f"#{system.label}" for system in made)], rows


def corpora(comparison: Comparison) -> list[CorpusFacts]:
    """Returns the texts that systems were adapted to; those with the same text stand together."""
    groups: list[tuple[Mapping[str, Any], list[str]]] = []
    for system in comparison.systems:
        corpus = (system.manifest or {}).get("corpus")
        if isinstance(corpus, Mapping) and sources_of(corpus):
            known = next((labels for other, labels in groups if other == corpus), None)
            if known is None:
                groups.append((corpus, [system.label]))
            else:
                known.append(system.label)
    return [_corpus(corpus, labels) for corpus, labels in groups]


def _corpus(corpus: Mapping[str, Any], labels: list[str]) -> CorpusFacts:
    heads = ["source", "kind", "licence", "#documents read", "#kept", "#tokens"]
    rows = []
    for source in sources_of(corpus):
        name = str(source.get("name") or source.get("kind") or "unnamed")
        counts = [_count(source.get(key)) for key in ("documents_read", "documents", "tokens")]
        rows.append([name, str(source.get("kind", "")), str(source.get("licence") or "unknown"), *counts])
    found = corpus.get("statistics")
    statistics = found if isinstance(found, Mapping) else {}
    names = [key for key in _FIGURES if key in statistics]
    figures = [[_FIGURES[key], _count(statistics[key])] for key in names]
    read = statistics.get("documents_read") or 0
    dropped = sorted(
        (-int(count), key.removeprefix(_DROPPED)) for key, count in statistics.items() if key.startswith(_DROPPED)
    )
    shares = [[reason, f"{-less:,}", f"{-less / read:.2%}" if read else ""] for less, reason in dropped]
    return CorpusFacts(
        labels,
        (heads, rows),
        (["figure", "#value"], figures),
        (["dropped for", "#documents", "#of those read"], shares),
    )


def recipes(comparison: Comparison) -> list[tuple[str, str]]:
    """Returns headings and TOML: the recipe of every task, then that of every checkpoint."""
    found = [(f"Recipe of the task {task}", to_toml(recipe)) for task, recipe in comparison.recipes.items()]
    for system in comparison.systems:
        recipe = (system.manifest or {}).get("recipe")
        if recipe:
            found.append((f"Recipe that {system.label} was made by", to_toml(recipe)))
    return found


def to_toml(values: Mapping[str, Any]) -> str:
    """Returns a recipe as TOML; what is not set is left out."""
    import tomlkit

    return tomlkit.dumps(_ordered(values))


def _ordered(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns it without None, plain keys before tables, as TOML wants it."""
    found = {str(key): _without_none(value) for key, value in values.items() if value is not None}
    return dict(sorted(found.items(), key=lambda item: _is_table(item[1])))  # the sort keeps the order otherwise


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _ordered(value)
    if isinstance(value, list | tuple):
        return [_without_none(one) for one in value if one is not None]
    return value


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict) for one in value))


def commands(comparison: Comparison) -> list[str]:
    """Returns what to type, one after the other: the checkpoints' commands, then the comparison's."""
    made = [str((system.manifest or {}).get("command") or "") for system in comparison.systems]
    return list(dict.fromkeys(command for command in [*made, comparison.command] if command))


def version_table(comparison: Comparison) -> Cells:
    """Returns the versions here, and those each checkpoint was made with."""
    made = [system for system in comparison.systems if system.manifest]
    packages = [(system.manifest or {}).get("packages") or {} for system in made]
    environments = [(system.manifest or {}).get("environment") or {} for system in made]
    names = dict.fromkeys([*_PACKAGES, *(name for one in packages for name in one)])
    rows = [[name, _installed(name), *(str(one.get(name, "")) for one in packages)] for name in names]
    for key in dict.fromkeys(key for one in environments for key in one):
        rows.append([key, "", *(_value(one.get(key)) for one in environments)])
    return ["package", "#this report", *(f"#{system.label}" for system in made)], rows


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_value(one) for one in value)
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else ""
