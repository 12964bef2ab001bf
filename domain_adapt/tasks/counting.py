"""Metrics as functions of sums over examples: what resampling needs to compute one ten thousand times."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """What each example adds to a metric.

    Attributes:
        values: (examples, k) float64; their sum over any examples is all that ``points`` needs of them.
        points: Which of :data:`POINTS` makes the metric out of sums.
        scores: (examples,) float64 in [0, 1]: how well each example was done by itself, 1 is right.
    """

    values: Floats
    points: str
    scores: Floats

    def metric(self) -> float:
        """Returns the metric over all examples, in percent."""
        return float(POINTS[self.points](self.values.sum(axis=0)))


@dataclass(frozen=True)
class Shown:
    """An example and a prediction of it, for a reader.

    Attributes:
        text: What is asked, or the text that is labelled.
        context: The passage that it is about, if there is one.
        right: What is expected.
        answer: What was predicted.
    """

    text: str
    context: str
    right: str
    answer: str


def mean_counts(scores: Floats) -> Counts:
    """Returns the counts of a metric that is the mean of ``scores``, (examples,) in [0, 1]."""
    return Counts(np.stack([scores, np.ones_like(scores)], axis=1), "mean", scores)


def mean_points(sums: Floats) -> Floats:
    """Returns the mean in percent out of sums of scores and of ones."""
    return 100 * _ratio(sums[..., 0], sums[..., 1])


def overlap_counts(hits: Floats, named: Floats) -> Counts:
    """Returns the counts of a micro F1.

    Args:
        hits: (examples,), what was predicted and expected.
        named: (examples,), what was predicted plus what was expected; where both are none the example is right.
    """
    return Counts(np.stack([hits, named], axis=1), "micro", np.where(named > 0, _ratio(2 * hits, named), 1.0))


def micro_points(sums: Floats) -> Floats:
    """Returns micro F1 in percent out of sums of hits and of what was named on both sides."""
    return 100 * _ratio(2 * sums[..., 0], sums[..., 1])


def label_counts(
    predicted: Sequence[Collection[str]], expected: Sequence[Collection[str]], labels: Sequence[str]
) -> Counts:
    """Returns the counts of a macro F1 over the labels that occur on either side.

    Args:
        predicted: Labels of each example.
        expected: The same, as they should be.
        labels: All that there are, in the order of the counts.
    """
    column = {label: number for number, label in enumerate(labels)}
    values = np.zeros((len(expected), 2, len(labels)))
    for row, (found, right) in enumerate(zip(predicted, expected, strict=True)):
        for label in set(found) & set(right):
            values[row, 0, column[label]] += 1
        for label in [*set(found), *set(right)]:
            values[row, 1, column[label]] += 1
    hits, named = values[:, 0].sum(axis=1), values[:, 1].sum(axis=1)
    scores = np.where(named > 0, _ratio(2 * hits, named), 1.0)
    return Counts(values.reshape(len(expected), -1), "macro", scores)


def macro_points(sums: Floats) -> Floats:
    """Returns macro F1 in percent out of hits and of what was named, for one label after the other."""
    hits, named = np.split(sums, 2, axis=-1)
    return 100 * _ratio(_ratio(2 * hits, named).sum(axis=-1), (named > 0).sum(axis=-1).astype(np.float64))


def squares_counts(predicted: Floats, expected: Floats) -> Counts:
    """Returns the counts of the share of variance explained, (examples,) numbers on both sides."""
    errors = (predicted - expected) ** 2
    values = np.stack([errors, expected, expected**2, np.ones_like(expected)], axis=1)
    return Counts(values, "explained", 1 / (1 + _ratio(errors, np.full_like(errors, expected.var()))))


def explained_points(sums: Floats) -> Floats:
    """Returns 100 r2 out of sums of squared errors, labels, squared labels and ones; 0 where labels do not vary."""
    errors, total, squares, count = (sums[..., number] for number in range(4))
    spread = squares - _ratio(total**2, count)
    return np.where(spread > 0, 100 * (1 - _ratio(errors, spread)), 0.0)


# From sums (..., k) to a metric in percent (...).
POINTS: dict[str, Callable[[Floats], Floats]] = {
    "mean": mean_points,
    "micro": micro_points,
    "macro": macro_points,
    "explained": explained_points,
}


def _ratio(upper: Floats, lower: Floats) -> Floats:
    return np.divide(upper, lower, out=np.zeros(np.broadcast(upper, lower).shape), where=lower != 0)
