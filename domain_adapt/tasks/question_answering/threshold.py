"""When to say that there is no answer: the threshold that is best on a dev part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from domain_adapt.tasks.question_answering.data import Example
from domain_adapt.tasks.question_answering.decoding import Prediction
from domain_adapt.tasks.question_answering.metric import score_each


def best_threshold(examples: Sequence[Example], predictions: Sequence[Prediction]) -> float:
    """Returns the threshold on :attr:`Prediction.margin` with the best mean F1; what is below it is not answered.

    The sweep of the SQuAD 2.0 script (Rajpurkar et al. 2018, arXiv:1806.03822): every question is answered down to some
    margin and none below. Between two margins the middle is taken; of equally good thresholds the one nearest to 0.

    Args:
        examples: At least one.
        predictions: The best span of each, "no answer" not allowed.
    """
    references = [[answer.text for answer in example.answers] for example in examples]
    answered = score_each([prediction.text for prediction in predictions], references)[1]
    silent = score_each([""] * len(examples), references)[1]
    margins = np.array([prediction.margin for prediction in predictions], dtype=np.float64)
    order = np.argsort(-margins, kind="stable")
    falling = margins[order]
    totals = silent.sum() + np.concatenate([[0.0], np.cumsum((answered - silent)[order])])
    # Behind how many questions a threshold can lie: not between two of the same margin.
    possible = np.concatenate([[True], falling[1:] != falling[:-1], [True]])
    edges = np.concatenate([[falling[0] + 1], (falling[1:] + falling[:-1]) / 2, [falling[-1] - 1]])
    best = totals[possible].max()
    candidates = edges[possible & (totals >= best - 1e-9)]
    return float(candidates[np.abs(candidates).argmin()])
