"""Exact match and token F1 as SQuAD defines them (Rajpurkar et al. 2016, arXiv:1606.05250), without a network."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

import datasets
import evaluate
import numpy as np

from domain_adapt.tasks.metrics import WithoutNetwork
from domain_adapt.tasks.question_answering.data import Example
from domain_adapt.tasks.question_answering.decoding import Prediction

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)  # ASCII only, as in the official script


def normalise(text: str) -> str:
    """Returns the text in lower case without ASCII punctuation and English articles, words one space apart."""
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def exact_match(prediction: str, answer: str) -> float:
    """Returns 1.0 if both are the same after :func:`normalise`, else 0.0."""
    return float(normalise(prediction) == normalise(answer))


def f1(prediction: str, answer: str) -> float:
    """Returns the harmonic mean of precision and recall over normalised words, in [0, 1].

    Where one side has no words left, 1.0 if the other has none either (as in the SQuAD 2.0 script).
    """
    predicted, expected = normalise(prediction).split(), normalise(answer).split()
    if not predicted or not expected:
        return float(predicted == expected)
    common = (Counter(predicted) & Counter(expected)).total()
    return 2 * common / (len(predicted) + len(expected))


class SquadMetric(WithoutNetwork, evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """``exact_match`` and ``f1`` in percent; on sets with unanswerable questions two more keys.

    As the SQuAD 2.0 script has it: the best of the accepted answers counts, but those of which nothing is left after
    :func:`normalise` do not; a question without accepted answers is right if nothing is left of the prediction. Where a
    set has such questions, ``no_answer_accuracy`` is over these, ``has_answer_exact_match`` and ``has_answer_f1`` over
    the others.

    >>> SquadMetric().compute(predictions=["the heart"], references=[["Heart", "a heart"]])
    {'exact_match': 100.0, 'f1': 100.0}
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Exact match and F1 of extractive question answering, SQuAD 1.1 and 2.0.",
            citation="Rajpurkar et al. 2016, arXiv:1606.05250; Rajpurkar et al. 2018, arXiv:1806.03822",
            inputs_description="predictions: texts; references: for each the list of accepted answers, empty for none",
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.List(datasets.Value("string"))}
            ),
        )

    def _compute(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
        exact, overlap = score_each(predictions, references)
        scores = {"exact_match": _percent(exact), "f1": _percent(overlap)}
        has_answer = np.array([bool(answers) for answers in references])
        if not has_answer.all():
            scores["no_answer_accuracy"] = _percent(exact[~has_answer])
            if has_answer.any():
                scores["has_answer_exact_match"] = _percent(exact[has_answer])
                scores["has_answer_f1"] = _percent(overlap[has_answer])
        return scores


def score_each(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Returns exact match and F1 of each prediction, (predictions,) float64 in [0, 1]; see :class:`SquadMetric`."""
    exact, overlap = np.zeros(len(predictions)), np.zeros(len(predictions))
    for number, (prediction, answers) in enumerate(zip(predictions, references, strict=True)):
        accepted = [answer for answer in answers if normalise(answer)] or [""]
        exact[number] = max(exact_match(prediction, answer) for answer in accepted)
        overlap[number] = max(f1(prediction, answer) for answer in accepted)
    return exact, overlap


def score_predictions(examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, float]:
    """Returns :class:`SquadMetric` of predictions that stand in the order of the examples.

    Raises:
        ValueError: If the two do not belong together.
    """
    if [example.id for example in examples] != [prediction.id for prediction in predictions]:
        raise ValueError("predictions and examples have different ids")
    scores: dict[str, float] = SquadMetric().compute(
        predictions=[prediction.text for prediction in predictions],
        references=[[answer.text for answer in example.answers] for example in examples],
    )
    return scores


def _percent(values: np.ndarray) -> float:
    return 100.0 * float(values.sum()) / len(values)
