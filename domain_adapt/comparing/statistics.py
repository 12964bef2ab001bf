"""Whether two systems differ by more than chance: paired over test examples and over seeds.

Two things are luck: which examples are in the test set, and the seed of the fine-tuning. The variance of a mean
difference over S seeds is taken apart as in a two-way random-effects model (Owen 2007, doi:10.1214/07-AOAS122):

- examples: a bootstrap (Efron 1979) draws groups of examples that belong together, the same for every seed and both
  systems, and computes the metric of the whole set anew, so that it works for F1 of sets, too;
- seeds: the variance of the difference over the seeds, divided by S;
- what both of them contain, the luck of a seed on single examples, is taken off once.

The interval is that of Student's t with the degrees of freedom of Welch and Satterthwaite: with three or five seeds a
bootstrap over the seeds themselves would be far too sure (Bouthillier et al. 2021, arXiv:2103.03098, on what seeds do).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from domain_adapt.randomness import integer_seed

Floats = npt.NDArray[np.float64]

RESAMPLES = 2000  # the standard deviation of a bootstrap's standard error is then below 2 % of it
CONFIDENCE = 0.95
_CHUNK = 200  # resamples at a time, for memory


@dataclass(frozen=True)
class Difference:
    """A paired difference of two means, in points of the metric.

    Attributes:
        value: System minus reference.
        low: Lower end of the 95 % interval.
        high: Upper end.
        p: Two-sided p of no difference.
        detectable: The difference from which on the interval would not have held zero.
    """

    value: float
    low: float
    high: float
    p: float
    detectable: float


def paired_difference(
    reference: Floats,
    system: Floats,
    points: Callable[[Floats], Floats],
    clusters: npt.NDArray[np.int64],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Difference:
    """Returns how much a system is better than the reference, and how sure that is.

    With one seed nothing is known of the luck of seeds, and the interval leaves it out.

    Args:
        reference: (seeds, examples, k) what each example adds to the metric (see ``domain_adapt.tasks.counting``).
        system: The same of the other system, with the same seeds and examples in the same order.
        points: From sums (..., k) to the metric (...).
        clusters: (examples,) from 0 on: examples of one cluster, such as questions on one passage, are drawn together.
        seed: Of the bootstrap.
        resamples: Of the bootstrap.
    """
    from scipy import stats

    sides = [_by_cluster(side, clusters) for side in (reference, system)]
    by_seed = points(sides[1].sum(axis=1)) - points(sides[0].sum(axis=1))
    value, seeds, groups = float(by_seed.mean()), len(by_seed), sides[0].shape[1]
    resampled = _resample(sides, points, np.random.default_rng(integer_seed(seed, "bootstrap")), resamples)
    of_examples = float(resampled.mean(axis=1).var(ddof=1)) if groups > 1 else 0.0
    of_seeds = both = 0.0
    if seeds > 1:
        of_seeds = float(by_seed.var(ddof=1)) / seeds
        both = float((resampled - by_seed).var(axis=1, ddof=1).mean()) / seeds
    # Where a seed's luck looks smaller than that on single examples the two are estimates of the same thing.
    variance = of_examples + max(of_seeds - both, 0.0)
    if variance == 0.0:
        return Difference(value, value, value, 1.0 if value == 0.0 else 0.0, 0.0)
    freedom = variance**2 / (of_examples**2 / max(groups - 1, 1) + of_seeds**2 / max(seeds - 1, 1))
    error = variance**0.5
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(value) / error, freedom))
    return Difference(value, value - half, value + half, p, half)


def _by_cluster(values: Floats, clusters: npt.NDArray[np.int64]) -> Floats:
    """Returns (seeds, clusters, k) sums over the examples of each cluster."""
    sums = np.zeros((int(clusters.max()) + 1, values.shape[0], values.shape[2]))
    np.add.at(sums, clusters, values.swapaxes(0, 1))
    return sums.swapaxes(0, 1)


def _resample(
    sides: list[Floats], points: Callable[[Floats], Floats], generator: np.random.Generator, resamples: int
) -> Floats:
    """Returns (resamples, seeds) differences, every row of them on other examples."""
    groups = sides[0].shape[1]
    rows = []
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        weights = generator.multinomial(groups, np.full(groups, 1 / groups), size=size).astype(np.float64)
        low, high = (points(np.einsum("rg,sgk->rsk", weights, side, optimize=True)) for side in sides)
        rows.append(high - low)
    return np.concatenate(rows)
