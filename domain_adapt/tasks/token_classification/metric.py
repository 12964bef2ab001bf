"""Precision, recall and F1 of entities, without a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from domain_adapt.tasks.metrics import WithoutNetwork


class EntityMetric(WithoutNetwork, evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """``precision``, ``recall`` and ``f1`` in percent over all entities (micro), and ``macro_f1`` over their labels.

    An entity is right if start, end and label are (as in CoNLL-2003, Tjong Kim Sang and De Meulder). Where nothing is
    predicted, or nothing is there, the value is 0. Predictions and references are lists of JSON-like dicts with
    ``start``, ``end`` and ``label`` a text.
    """

    def _info(self) -> evaluate.MetricInfo:
        entities = datasets.List(
            {"start": datasets.Value("int64"), "end": datasets.Value("int64"), "label": datasets.Value("string")}
        )
        return evaluate.MetricInfo(
            description="Precision, recall and F1 of exact entities.",
            citation="Tjong Kim Sang and De Meulder 2003, arXiv:cs/0306050",
            inputs_description="predictions, references: for each text the list of its entities",
            features=datasets.Features({"predictions": entities, "references": entities}),
        )

    def _compute(
        self, predictions: Sequence[Sequence[dict[str, Any]]], references: Sequence[Sequence[dict[str, Any]]]
    ) -> dict[str, float]:
        predicted, expected = (_spans(side) for side in (predictions, references))
        labels = sorted({span[3] for span in predicted | expected})
        by_label = [
            _f1(*({span for span in side if span[3] == label} for side in (predicted, expected))) for label in labels
        ]
        hits = len(predicted & expected)
        values = {
            "precision": hits / len(predicted) if predicted else 0.0,
            "recall": hits / len(expected) if expected else 0.0,
            "f1": _f1(predicted, expected),
            "macro_f1": sum(by_label) / len(by_label) if by_label else 0.0,
        }
        return {name: 100 * value for name, value in values.items()}


def _spans(texts: Sequence[Sequence[dict[str, Any]]]) -> set[tuple[int, int, int, str]]:
    return {
        (number, entity["start"], entity["end"], entity["label"])
        for number, entities in enumerate(texts)
        for entity in entities
    }


def _f1(predicted: set[Any], expected: set[Any]) -> float:
    total = len(predicted) + len(expected)
    return 2 * len(predicted & expected) / total if total else 0.0
