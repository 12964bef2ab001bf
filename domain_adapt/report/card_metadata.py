"""The front matter of a model card: what the Hub reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain_adapt.checkpoints import Manifest
from domain_adapt.report.subject import METRICS, is_encoder, is_mini, pipeline, sources_of, task_text

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

_HUB = "https://huggingface.co/"
_HUB_DATASETS = f"{_HUB}datasets/"

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

_PARTS = {
    "heldout": "held-out part of the text",
    "dev": "dev part of the labelled data",
    "test": "test part of the labelled data",
}


def card_metadata(manifest: Manifest) -> ModelCardData:
    """Returns the metadata of a checkpoint, measured figures included."""
    from huggingface_hub import ModelCardData

    parent, task = manifest.parent, pipeline(manifest)
    licence = (parent.licence or "").lower()
    urls = [str(source.get("url")) for source in sources_of(manifest.corpus)]
    datasets = [url.removeprefix(_HUB_DATASETS).strip("/") for url in urls if url.startswith(_HUB_DATASETS)]
    language = manifest.corpus.get("language") or ("en" if is_mini(manifest) else None)
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

    if is_encoder(manifest):  # its figures are those of the models with a head
        return []
    return [
        EvalResult(
            task_type=task,
            task_name="Masked language modelling" if task == "fill-mask" else task_text(manifest).called,
            dataset_type=f"domain-adapt/{manifest.domain or manifest.name}",
            dataset_name=f"{manifest.domain or manifest.name}, {_PARTS[name.split('/')[0]]}",
            metric_type=kind,
            metric_name=label,
            metric_value=manifest.metrics[name],
        )
        for name, (label, kind, _, _) in METRICS.items()
        if kind is not None and name in manifest.metrics
    ]


def _hub_id(manifest: Manifest) -> str | None:
    url = manifest.parent.url or ""
    return url.removeprefix(_HUB).strip("/") if url.startswith(_HUB) else None
