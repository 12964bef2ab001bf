import numpy as np
import pytest
from scipy import stats

from domain_adapt.comparing.statistics import paired_difference
from domain_adapt.tasks.counting import mean_points, micro_points


def counts(scores):
    return np.stack([scores, np.ones_like(scores)], axis=-1)


def alone(examples):
    return np.arange(examples)


def test_the_same_system_twice_differs_by_nothing():
    scores = np.random.default_rng(0).random((3, 40))
    found = paired_difference(counts(scores), counts(scores), mean_points, alone(40))
    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_one_seed_is_a_paired_t_test_over_the_examples():
    generator = np.random.default_rng(1)
    reference, system = generator.random((2, 1, 200))
    found = paired_difference(counts(reference), counts(system), mean_points, alone(200), resamples=20_000)
    expected = stats.ttest_rel(system[0], reference[0])
    low, high = expected.confidence_interval()
    assert found.value == pytest.approx(100 * (system - reference).mean())
    assert (found.low, found.high) == pytest.approx((100 * low, 100 * high), abs=0.15)
    assert found.p == pytest.approx(expected.pvalue, abs=0.02)


def test_where_only_seeds_vary_it_is_a_paired_t_test_over_the_seeds():
    shift = np.array([0.10, 0.02, 0.06, -0.01, 0.05])
    reference = np.full((5, 30), 0.5)
    found = paired_difference(counts(reference), counts(reference + shift[:, None]), mean_points, alone(30))
    expected = stats.ttest_1samp(shift, 0.0)
    low, high = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((100 * low, 100 * high), abs=1e-9)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.detectable == pytest.approx(100 * (high - low) / 2)


def test_questions_on_one_passage_are_not_many():
    generator = np.random.default_rng(2)
    by_passage = np.repeat(generator.random((1, 20)), 10, axis=1)
    reference, system = counts(np.full((1, 200), 0.5)), counts(by_passage)
    together, apart = (
        paired_difference(reference, system, mean_points, groups)
        for groups in (np.repeat(np.arange(20), 10), alone(200))
    )
    assert together.value == pytest.approx(apart.value)
    assert together.detectable > 2 * apart.detectable


def test_a_metric_of_the_whole_set_is_computed_anew_for_every_resample():
    # Hits and named entities: the difference is one of F1 over all, not a mean of the texts' F1.
    reference = np.array([[[1.0, 4.0], [0.0, 2.0], [3.0, 6.0]]])
    system = np.array([[[2.0, 4.0], [0.0, 2.0], [3.0, 6.0]]])
    found = paired_difference(reference, system, micro_points, alone(3))
    assert found.value == pytest.approx(100 * (2 * 5 / 12 - 2 * 4 / 12))


def test_it_is_the_same_every_time():
    generator = np.random.default_rng(3)
    sides = [counts(generator.random((3, 50))) for _ in range(2)]
    first, again = (paired_difference(*sides, mean_points, alone(50)) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("seeds", [3, 5])
def test_two_copies_of_one_system_are_told_apart_about_once_in_twenty(seeds):
    generator = np.random.default_rng(4)
    rejected = 0
    for number in range(200):
        ease = generator.normal(0, 1, 100)
        sides = []
        for _ in range(2):
            luck = generator.normal(0, 0.15, (seeds, 1)) + generator.normal(0, 0.7, (seeds, 100))
            sides.append(counts(1 / (1 + np.exp(-ease - luck))))
        rejected += paired_difference(*sides, mean_points, alone(100), seed=number, resamples=200).p < 0.05
    # 10 of 200 are expected; by the binomial distribution fewer than 2 or more than 21 come once in a thousand times.
    assert 2 <= rejected <= 21
