"""Metrics of one label a text, of several and of a number, without a network."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Sequence

import datasets
import evaluate
import numpy as np

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


class MultiLabelMetric(WithoutNetwork, evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """``micro_f1``, ``macro_f1`` and ``exact_match`` in percent, of any number of labels a text.

    Micro F1 counts every (text, label) alike. Macro F1 is the mean over the labels that occur among references or
    predictions, each with F1 0 where it is never hit. Exact match is the share of texts with all labels right and none
    too many (subset accuracy). Where no text has a label on either side, both F1 are 0. A label that is named twice
    counts once.

    >>> MultiLabelMetric().compute(predictions=[["a", "b"], []], references=[["a"], []])
    {'micro_f1': 66.66666666666667, 'macro_f1': 50.0, 'exact_match': 50.0}
    """

    def _info(self) -> evaluate.MetricInfo:
        labels = datasets.List(datasets.Value("string"))
        return evaluate.MetricInfo(
            description="Micro F1, macro F1 and subset accuracy of multi-label classification.",
            citation="Tsoumakas and Katakis 2007, doi:10.4018/jdwm.2007070101",
            inputs_description="predictions, references: for each text the list of its labels",
            features=datasets.Features({"predictions": labels, "references": labels}),
        )

    def _compute(self, predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> dict[str, float]:
        pairs = [(set(answer), set(right)) for answer, right in zip(predictions, references, strict=True)]
        hits = Counter(label for answer, right in pairs for label in answer & right)
        named = Counter(label for pair in pairs for side in pair for label in side)
        scores = [2 * hits[label] / named[label] for label in sorted(named)]
        values = {
            "micro_f1": 2 * hits.total() / named.total() if named else 0.0,
            "macro_f1": sum(scores) / len(scores) if scores else 0.0,
            "exact_match": sum(answer == right for answer, right in pairs) / len(pairs),
        }
        return {name: 100 * value for name, value in values.items()}


class RegressionMetric(WithoutNetwork, evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """``spearman`` and ``pearson`` times 100, and ``rmse`` in the unit of the labels, not in percent: lower is better.

    The correlations of Spearman (1904; ties share their mean rank) and Pearson lie between -100 and 100, and are 0
    where they are not defined: where all predictions, or all references, are the same number. The root of the mean
    squared error is 0 where all is right, and has no upper bound.

    >>> RegressionMetric().compute(predictions=[1.0, 2.0, 5.0], references=[1.0, 2.0, 2.0])["rmse"]
    1.7320508075688772
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Rank correlation, linear correlation and root mean squared error of a number a text.",
            citation="Spearman 1904, doi:10.2307/1412159; Pearson 1895, doi:10.1098/rspl.1895.0041",
            inputs_description="predictions, references: numbers",
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("float64")}
            ),
        )

    def _compute(self, predictions: Sequence[float], references: Sequence[float]) -> dict[str, float]:
        from scipy import stats

        found, wanted = (np.asarray(side, dtype=np.float64) for side in (predictions, references))
        return {
            "spearman": 100 * _correlation(stats.rankdata(found), stats.rankdata(wanted)),
            "pearson": 100 * _correlation(found, wanted),
            "rmse": float(np.sqrt(np.mean((found - wanted) ** 2))),
        }


def _correlation(left: np.ndarray, right: np.ndarray) -> float:
    """Returns Pearson's coefficient in [-1, 1], 0 where one side is constant."""
    from scipy import stats

    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return 0.0
    with warnings.catch_warnings():
        # A side that hardly varies: the value is as good as its digits are, and a user cannot do anything about it.
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        return float(stats.pearsonr(left, right).statistic)
