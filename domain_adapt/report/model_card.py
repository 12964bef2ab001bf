"""The README.md of a checkpoint: Hub metadata in front, then what it is, how it was made and how to load it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from domain_adapt.checkpoints import Manifest
from domain_adapt.report.reliability import plot_text
from domain_adapt.report.task_texts import TASKS, TaskText
from domain_adapt.report.trials import STUDY

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

_HUB = "https://huggingface.co/"
_HUB_DATASETS = f"{_HUB}datasets/"
_BEFORE = "_before"

# Identifiers that the Hub accepts in "license"; other words would make it refuse the card.
_HUB_LICENCES = frozenset(
    {
        "apache-2.0",
        "mit",
        "bsd-2-clause",
        "bsd-3-clause",
        "cc0-1.0",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc-by-nc-4.0",
        "cc-by-nc-sa-4.0",
        "cc-by-nc-nd-4.0",
        "gpl-3.0",
        "lgpl-3.0",
        "agpl-3.0",
        "mpl-2.0",
        "openrail",
        "odc-by",
        "odbl",
        "pddl",
        "unlicense",
    }
)

# Metric name in a manifest -> (what people call it, metric type on the Hub, digits, unit).
_METRICS = {
    "heldout/mlm_loss": ("masked-LM loss, held-out text", "loss", 4, "nats"),
    "heldout/perplexity": ("perplexity, held-out text", "perplexity", 2, ""),
    **{
        f"{part}/{key}": (f"{name}, {part} part", kind, 2, "%")
        for part in ("dev", "test")
        for key, name, kind in (
            ("exact_match", "exact match", "exact_match"),
            ("f1", "F1", "f1"),
            ("accuracy", "accuracy", "accuracy"),
            ("macro_f1", "macro F1", "f1"),
            ("mcc", "Matthews' correlation coefficient", "matthews_correlation"),
            ("ece", "expected calibration error (lower is better)", None),  # the Hub has no such metric
            ("precision", "precision", "precision"),
            ("recall", "recall", "recall"),
        )
    },
    "train/tokens": ("training tokens", None, 0, ""),
    "train/tokens_per_second": ("throughput", None, 0, "tokens/s"),
}

_PARTS = {
    "heldout": "held-out part of the text",
    "dev": "dev part of the labelled data",
    "test": "test part of the labelled data",
}


def render_card(manifest: Manifest) -> str:
    """Returns the model card of a checkpoint: YAML front matter for the Hub, then Markdown."""
    sections = [
        f"---\n{_metadata(manifest).to_yaml()}\n---",
        f"# {manifest.name} v{manifest.version}",
        _what(manifest),
        "## How to load it\n\n" + _usage(manifest),
        "## Measured\n\n" + _metrics(manifest),
        "## Text\n\n" + _corpus(manifest.corpus),
        "## How it was made\n\n" + _making(manifest),
        "## Limits\n\n" + _limits(manifest),
    ]
    return "\n\n".join(sections) + "\n"


def _metadata(manifest: Manifest) -> ModelCardData:
    from huggingface_hub import ModelCardData

    parent, task = manifest.parent, _pipeline(manifest)
    licence = (parent.licence or "").lower()
    urls = [str(source.get("url")) for source in _sources(manifest.corpus)]
    datasets = [url.removeprefix(_HUB_DATASETS).strip("/") for url in urls if url.startswith(_HUB_DATASETS)]
    language = manifest.corpus.get("language") or ("en" if _is_mini(manifest) else None)
    return ModelCardData(
        base_model=_hub_id(manifest),
        datasets=datasets or None,
        eval_results=_eval_results(manifest, task) or None,
        language=language,
        library_name="transformers",
        license=licence if licence in _HUB_LICENCES else None,
        model_name=f"{manifest.name} v{manifest.version}",
        pipeline_tag=task,
        tags=["domain-adaptation", *([manifest.domain] if manifest.domain else [])],
        ignore_metadata_errors=False,
    )


def _eval_results(manifest: Manifest, task: str) -> list[EvalResult]:
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type=task,
            task_name="Masked language modelling" if task == "fill-mask" else _task(manifest).called,
            dataset_type=f"domain-adapt/{manifest.domain or manifest.name}",
            dataset_name=f"{manifest.domain or manifest.name}, {_PARTS[name.split('/')[0]]}",
            metric_type=kind,
            metric_name=label,
            metric_value=manifest.metrics[name],
        )
        for name, (label, kind, _, _) in _METRICS.items()
        if kind is not None and name in manifest.metrics
    ]


def _what(manifest: Manifest) -> str:
    parent = manifest.parent
    origin = f"[{parent.name}]({parent.url})" if parent.url and parent.kind == "base" else f"`{parent.name}`"
    about = f" on {manifest.domain} text" if manifest.domain else ""
    if manifest.stage == "adapt":
        return (
            f"A masked language model: {origin}, trained further{about} with masked-language modelling. "
            "It is a starting point for fine-tuning and finds words for masks; it answers no questions by itself."
        )
    return f"{_task(manifest).is_a}: {origin}, fine-tuned{about} for the task `{manifest.task}`. {_task(manifest).does}"


def _usage(manifest: Manifest) -> str:
    folder = f"checkpoints/{manifest.name}/v{manifest.version}"
    if manifest.stage == "adapt":
        code = [
            "from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline",
            "",
            f'folder = "{folder}"  # or the id of this repository',
            "tokenizer = AutoTokenizer.from_pretrained(folder)",
            "model = AutoModelForMaskedLM.from_pretrained(folder)",
            'fill = pipeline("fill-mask", model=model, tokenizer=tokenizer)',
            'print(fill(f"The report describes the {tokenizer.mask_token} in detail."))',
        ]
    else:
        code = [
            f"from domain_adapt import {_task(manifest).ours}",
            "",
            f'folder = "{folder}"',
            f"predict = {_task(manifest).ours}(folder)",
            f"print(predict({_task(manifest).example}))",
        ]
        plain = [
            f"from transformers import {_task(manifest).stock}, AutoTokenizer",
            "",
            f'folder = "{folder}"  # or the id of this repository',
            "tokenizer = AutoTokenizer.from_pretrained(folder)",
            f"model = {_task(manifest).stock}.from_pretrained(folder)",
        ]
        return _code(code) + "\n\nor, without this package, as any model of its type:\n\n" + _code(plain)
    return _code(code)


def _metrics(manifest: Manifest) -> str:
    values = manifest.metrics
    if not values:
        return "Nothing was measured."
    names = [name for name in values if not (name.endswith(_BEFORE) and name.removesuffix(_BEFORE) in values)]
    names.sort(key=lambda name: (list(_METRICS).index(name) if name in _METRICS else len(_METRICS), name))
    rows = [(_label(name), _number(values.get(name + _BEFORE), name), _number(values[name], name)) for name in names]
    table = _table(("measure", "before", "after"), rows)
    if manifest.stage == "adapt" and not manifest.parent.has_lm_head:
        table += (
            f'\n\nThere is no masked-LM loss "before": `{manifest.parent.name}` has no trained LM head, so its first '
            "predictions say nothing about what it knows."
        )
    return "\n\n".join([table, *plot_text(manifest.files)])


def _corpus(corpus: Mapping[str, Any]) -> str:
    parts = []
    sources = _sources(corpus)
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
        parts.append(_table(("source", "kind", "licence", "revision", "documents"), rows))
    others = {key: value for key, value in corpus.items() if key not in ("sources", "language")}
    figures = [(key, _count(value)) for key, value in _flatten(others) if value is not None]
    if figures:
        parts.append(_table(("figure", "value"), figures))
    return "\n\n".join(parts) or "Nothing was recorded about the text."


def _making(manifest: Manifest) -> str:
    lineage = " ← ".join([f"`{manifest.name}@v{manifest.version}`", *(f"`{one.name}`" for one in manifest.lineage)])
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
        *((key, str(value)) for key, value in _flatten(manifest.environment)),
        *((f"package {name}", version) for name, version in sorted(manifest.packages.items())),
    ]
    hidden = ("sources", "data", "runtime", "description")
    recipe = [(f"`{key}`", f"`{value}`") for key, value in _flatten(manifest.recipe) if key.split(".")[0] not in hidden]
    return _table(("fact", "value"), facts) + "\n\nThe recipe:\n\n" + _table(("key", "value"), recipe)


def _limits(manifest: Manifest) -> str:
    lines = [
        "It repeats the errors and the slant of its text and of the model it came from.",
        "Its output is no advice: in medicine, finance or law, a person who knows the field has to check it.",
    ]
    if manifest.stage == "adapt":
        lines.append("The figures are on held-out text of the same sources; other text of the field may be harder.")
    else:
        lines.append(_task(manifest).limit)
    if _is_mini(manifest):
        lines.append(
            "The base is small (six layers, 384 wide) and lower-cases everything: it is meant for quick trials."
        )
    return "\n".join(f"- {line}" for line in lines)


def _pipeline(manifest: Manifest) -> str:
    return "fill-mask" if manifest.stage == "adapt" else str(manifest.recipe.get("type", "question-answering"))


def _task(manifest: Manifest) -> TaskText:
    return TASKS[_pipeline(manifest)]


def _hub_id(manifest: Manifest) -> str | None:
    url = manifest.parent.url or ""
    return url.removeprefix(_HUB).strip("/") if url.startswith(_HUB) else None


def _is_mini(manifest: Manifest) -> bool:
    return manifest.lineage[-1].name == "mini"


def _sources(corpus: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    sources = corpus.get("sources")
    return [source for source in sources if isinstance(source, Mapping)] if isinstance(sources, list) else []


def _source_name(source: Mapping[str, Any]) -> str:
    return str(source.get("name") or source.get("kind") or "unnamed")


def _label(name: str) -> str:
    unit = _METRICS[name][3] if name in _METRICS else ""
    return f"{_METRICS[name][0] if name in _METRICS else name}{f' ({unit})' if unit else ''}"


def _number(value: float | None, name: str) -> str:
    if value is None:
        return ""
    return f"{value:,.{_METRICS[name][2] if name in _METRICS else 4}f}"


def _count(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yields ``("mlm.learning_rate", 1e-4)`` for nested tables."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(lines: Iterable[str]) -> str:
    return "\n".join(["```python", *lines, "```"])
