"""From logits to labels or numbers, and from these to metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain_adapt.report.reliability import Reliability, reliability_plot
from domain_adapt.tasks.calibration import reliability
from domain_adapt.tasks.counting import Counts, label_counts, squares_counts
from domain_adapt.tasks.text_classification.data import Example
from domain_adapt.tasks.text_classification.features import Settings
from domain_adapt.tasks.text_classification.metric import ClassificationMetric, MultiLabelMetric, RegressionMetric
from domain_adapt.tasks.text_classification.reading import Label, labels_of


@dataclass(frozen=True)
class OneLabel:
    """A label and its probability in (0, 1]."""

    label: str
    score: float


@dataclass(frozen=True)
class SeveralLabels:
    """The labels whose probability is at least a half, and the probability of every label, in (0, 1)."""

    labels: tuple[str, ...]
    scores: dict[str, float]


@dataclass(frozen=True)
class Number:
    """What a regression says, in the unit of the training labels."""

    value: float


Prediction = OneLabel | SeveralLabels | Number


def decode(logits: np.ndarray, settings: Settings) -> list[Prediction]:
    """Returns what (texts, outputs) float32 logits say of each text."""
    if settings.problem == "regression":
        return [Number(float(row[0])) for row in logits]
    if settings.problem == "multi-label":
        chances = 1 / (1 + np.exp(-logits.astype(np.float64)))
        return [_several(dict(zip(settings.labels, row.tolist(), strict=True))) for row in chances]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances = powers / powers.sum(axis=1, keepdims=True)
    best = chances.argmax(axis=1)
    return [OneLabel(settings.labels[index], float(row[index])) for index, row in zip(best, chances, strict=True)]


def score(examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, float]:
    """Returns the figures of :class:`ClassificationMetric`, :class:`MultiLabelMetric` or :class:`RegressionMetric`.

    One label a text has ``ece`` besides, the calibration error, of which lower is better.
    """
    found: dict[str, float]
    if isinstance(predictions[0], Number):
        found = RegressionMetric().compute(
            predictions=[one.value for one in predictions if isinstance(one, Number)],
            references=[example.label for example in examples],
        )
    elif isinstance(predictions[0], SeveralLabels):
        found = MultiLabelMetric().compute(
            predictions=[list(one.labels) for one in predictions if isinstance(one, SeveralLabels)],
            references=[labels_of(example.label) for example in examples],
        )
    else:
        found = ClassificationMetric().compute(
            predictions=[one.label for one in predictions if isinstance(one, OneLabel)],
            references=[example.label for example in examples],
        )
        found |= {"ece": _reliability(examples, predictions).error}
    return found


def predicted_label(prediction: Prediction) -> Label:
    """Returns what a prediction says in the form that labels have."""
    if isinstance(prediction, Number):
        return prediction.value
    return prediction.labels if isinstance(prediction, SeveralLabels) else prediction.label


def label_text(label: Label) -> str:
    """Returns a label as a reader sees it."""
    return f"{label:.4g}" if isinstance(label, float) else ", ".join(labels_of(label))


def count(examples: Sequence[Example], predictions: Sequence[Prediction], known: Sequence[Example]) -> Counts:
    """Returns what each text adds to macro F1, or for numbers to the share of variance explained."""
    found = [predicted_label(one) for one in predictions]
    numbers = [(one, example.label) for one, example in zip(found, examples, strict=True) if isinstance(one, float)]
    if numbers:
        sides = np.array(numbers, dtype=np.float64)
        return squares_counts(sides[:, 0], sides[:, 1])
    predicted, expected = [labels_of(one) for one in found], [labels_of(example.label) for example in examples]
    every = [*predicted, *expected, *(labels_of(example.label) for example in known)]
    return label_counts(predicted, expected, sorted({label for labels in every for label in labels}))


def draw_reliability(examples: Sequence[Example], predictions: Sequence[Prediction], title: str) -> bytes:
    """Returns the reliability diagram of one label a text, as PNG."""
    return reliability_plot(_reliability(examples, predictions), title)


def _reliability(examples: Sequence[Example], predictions: Sequence[Prediction]) -> Reliability:
    pairs = [(one, text) for one, text in zip(predictions, examples, strict=True) if isinstance(one, OneLabel)]
    return reliability([one.score for one, _ in pairs], [one.label == text.label for one, text in pairs])


def _several(scores: dict[str, float]) -> SeveralLabels:
    return SeveralLabels(tuple(label for label, chance in scores.items() if chance >= 0.5), scores)
