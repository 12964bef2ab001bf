"""Whether a model is right as often as it says it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from domain_adapt.report.reliability import Reliability

_BINS = 15  # as in Guo et al. 2017


def expected_calibration_error(
    confidence: Sequence[float] | np.ndarray, correct: Sequence[bool] | np.ndarray, bins: int = _BINS
) -> float:
    """Returns how far confidence and accuracy lie apart on average, in percent; 0 is best, lower is better.

    The expected calibration error of Guo et al. 2017 (arXiv:1706.04599): predictions are put into bins of equal width
    by their confidence, and the distances between mean confidence and accuracy are averaged over the bins that are not
    empty, each weighted with its share of the predictions. On few predictions it is too high even for a model that is
    calibrated: accuracy in a bin of a handful of them is mostly luck.

    Args:
        confidence: (predictions,) probability of each prediction, in [0, 1].
        correct: (predictions,) whether it is right.
        bins: How many bins; 0 to 1 is divided among them.

    Raises:
        ValueError: For the reasons of :func:`reliability`.
    """
    return reliability(confidence, correct, bins).error


def reliability(
    confidence: Sequence[float] | np.ndarray, correct: Sequence[bool] | np.ndarray, bins: int = _BINS
) -> Reliability:
    """Returns accuracy by confidence; arguments as for :func:`expected_calibration_error`.

    A bin holds its upper edge and not its lower one, but 0 belongs to the first.

    Raises:
        ValueError: If there are no predictions, the two are not equally long, or a confidence is no probability.
    """
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if sure.ndim != 1 or sure.shape != right.shape or not len(sure) or bins < 1:
        raise ValueError(f"expected as many confidences as answers, and a bin: {sure.shape}, {right.shape}, {bins}")
    if not ((sure >= 0) & (sure <= 1)).all():  # NaN is caught as well
        raise ValueError("expected every confidence between 0 and 1")
    edges = np.arange(bins + 1) / bins  # each the double nearest to its fraction, as a confidence of 0.2 is
    places = np.maximum(np.searchsorted(edges, sure, side="left") - 1, 0)
    counts = np.bincount(places, minlength=bins)
    filled = counts > 0
    means = [np.full(bins, np.nan) for _ in range(2)]
    for mean, values in zip(means, (sure, right), strict=True):
        mean[filled] = np.bincount(places, weights=values, minlength=bins)[filled] / counts[filled]
    return Reliability(edges, counts, *means)
