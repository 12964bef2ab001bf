"""Accuracy, without a network."""

from __future__ import annotations

from collections.abc import Sequence

import datasets
import evaluate

from domain_adapt.tasks.metrics import WithoutNetwork


class ChoiceMetric(WithoutNetwork, evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """``accuracy`` in percent: the share of questions whose right choice was chosen.

    >>> ChoiceMetric().compute(predictions=[0, 3], references=[0, 1])
    {'accuracy': 50.0}
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Accuracy of multiple choice.",
            citation="",
            inputs_description="predictions, references: 0-based indices of choices",
            features=datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}),
        )

    def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        hits = sum(found == right for found, right in zip(predictions, references, strict=True))
        return {"accuracy": 100 * hits / len(references)}
