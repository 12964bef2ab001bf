"""What a manifest is about, as the parts of a model card need it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain_adapt.checkpoints import Manifest
from domain_adapt.report.task_texts import TASKS, TaskText

# Metric name in a manifest -> (what people call it, metric type on the Hub, digits, unit).
METRICS = {
    "heldout/mlm_loss": ("masked-LM loss, held-out text", "loss", 4, "nats"),
    "heldout/perplexity": ("perplexity, held-out text", "perplexity", 2, ""),
    **{
        f"{part}/{key}": (f"{name}, {part} part", kind, 2, "" if key == "rmse" else "%")
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
            ("micro_f1", "micro F1", "f1"),
            ("spearman", "Spearman's correlation", "spearmanr"),
            ("pearson", "Pearson's correlation", "pearsonr"),
            ("r2", "explained variance (R²)", "r_squared"),
            ("rmse", "root mean squared error (lower is better)", "rmse"),
            ("has_answer_exact_match", "exact match, answerable questions", "exact_match"),
            ("has_answer_f1", "F1, answerable questions", "f1"),
            ("no_answer_accuracy", "accuracy, unanswerable questions", "accuracy"),
        )
    },
    "train/tokens": ("training tokens", None, 0, ""),
    "train/tokens_per_second": ("throughput", None, 0, "tokens/s"),
    "train/flops": ("training FLOP, estimated", None, 0, ""),
    "train/energy_joules": ("energy of the CPUs", None, 0, "J"),
}


def pipeline(manifest: Manifest) -> str:
    """Returns what the Hub calls the kind of model."""
    if manifest.stage == "merge":
        return str(manifest.recipe["type"])
    if manifest.stage == "adapt":
        return "fill-mask"
    return "feature-extraction" if is_encoder(manifest) else str(manifest.recipe.get("type", "question-answering"))


def is_encoder(manifest: Manifest) -> bool:
    """Tells whether it is the encoder that several tasks have shared, without a head."""
    if manifest.stage == "merge":
        return pipeline(manifest) == "feature-extraction"
    return manifest.stage == "finetune" and manifest.task is None


def task_text(manifest: Manifest) -> TaskText:
    """Returns what is said about the task of a fine-tuned model."""
    return TASKS[pipeline(manifest)]


def is_mini(manifest: Manifest) -> bool:
    """Tells whether it came from the embedded base."""
    return manifest.lineage[-1].name == "mini"


def sources_of(corpus: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the sources that the corpus entry of a manifest names."""
    sources = corpus.get("sources")
    return [source for source in sources if isinstance(source, Mapping)] if isinstance(sources, list) else []
