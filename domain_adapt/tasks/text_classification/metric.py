"""Accuracy, macro F1 and the correlation coefficient of Matthews, without a network."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import datasets
import evaluate

from domain_adapt.tasks.metrics import WithoutNetwork


class ClassificationMetric(WithoutNetwork, evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """``accuracy``, ``macro_f1`` and ``mcc`` in percent, of one label a text.

    Macro F1 is the mean over the labels that occur among references or predictions, each with F1 0 where it is never
    hit. The coefficient of Matthews (1975) is the one for several classes (Gorodkin 2004), 0 where it is not defined.

    >>> ClassificationMetric().compute(predictions=["a", "b"], references=["a", "b"])
    {'accuracy': 100.0, 'macro_f1': 100.0, 'mcc': 100.0}
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Accuracy, macro F1 and Matthews' correlation coefficient of single-label classification.",
            citation="Matthews 1975, doi:10.1016/0005-2795(75)90109-9; Gorodkin 2004",
            inputs_description="predictions, references: labels as text",
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
        )

    def _compute(self, predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        predicted, expected = Counter(predictions), Counter(references)
        hits = Counter(answer for answer, right in zip(predictions, references, strict=True) if answer == right)
        total, right = len(references), hits.total()
        labels = sorted({*predicted, *expected})
        scores = [2 * hits[label] / (predicted[label] + expected[label]) for label in labels]
        covariance = right * total - sum(predicted[label] * expected[label] for label in labels)
        spread = [total**2 - sum(count**2 for count in side.values()) for side in (predicted, expected)]
        mcc = covariance / math.sqrt(spread[0] * spread[1]) if all(spread) else 0.0
        values = {"accuracy": right / total, "macro_f1": sum(scores) / len(scores), "mcc": mcc}
        return {name: 100 * value for name, value in values.items()}
