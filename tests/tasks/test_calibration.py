import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.tasks.calibration import expected_calibration_error, reliability


def test_values_by_hand():
    confidence, correct = [0.1, 0.3, 0.7, 0.8, 0.9, 0.95], [False, True, True, False, True, True]
    # Two bins. Up to 0.5: confidence 0.2, accuracy 1/2. Above: confidence 3.35/4, accuracy 3/4.
    found = reliability(confidence, correct, bins=2)
    assert found.edges.tolist() == [0.0, 0.5, 1.0] and found.counts.tolist() == [2, 4]
    assert found.confidence == pytest.approx([0.2, 0.8375]) and found.accuracy == pytest.approx([0.5, 0.75])
    assert found.error == pytest.approx(100 * (2 * 0.3 + 4 * 0.0875) / 6)
    assert expected_calibration_error(confidence, correct, bins=2) == found.error
    # One bin: confidence 3.75/6, accuracy 4/6.
    assert expected_calibration_error(confidence, correct, bins=1) == pytest.approx(100 * 0.25 / 6)


def test_a_bin_holds_its_upper_edge_and_the_first_one_zero():
    assert reliability([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [True] * 6, bins=5).counts.tolist() == [2, 1, 1, 1, 1]
    fifteenths = reliability([k / 15 for k in range(16)], [True] * 16).counts.tolist()  # rounding moves none of them
    assert fifteenths == [2] + [1] * 14


def test_certainty():
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0.0
    assert expected_calibration_error([1.0, 1.0], [False, False]) == 100.0
    assert expected_calibration_error([0.0, 0.0], [False, False]) == 0.0
    assert expected_calibration_error([0.0, 1.0], [True, False]) == 100.0
    assert expected_calibration_error(np.float32([0.5]), np.array([True])) == 50.0


def test_empty_bins_are_not_numbers_and_weigh_nothing():
    found = reliability([0.9], [True], bins=3)
    assert found.counts.tolist() == [0, 0, 1] and np.isnan(found.accuracy).tolist() == [True, True, False]
    assert found.error == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("confidence", "correct", "bins"),
    [
        ([], [], 15),
        ([0.5], [True, False], 15),
        ([0.5], [True], 0),
        ([1.5], [True], 15),
        ([-0.1], [True], 15),
        ([math.nan], [True], 15),
        ([[0.5]], [[True]], 15),
    ],
)
def test_what_is_no_confidence_is_refused(confidence, correct, bins):
    with pytest.raises(ValueError, match="expected"):
        reliability(confidence, correct, bins)


@settings(deadline=None)
@given(st.lists(st.integers(1, 20).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), min_size=1), st.data())
def test_predictions_as_often_right_as_they_are_sure_have_no_error(groups, data):
    confidence = [right / size for right, size in groups for _ in range(size)]
    correct = [number < right for right, size in groups for number in range(size)]
    order = data.draw(st.permutations(range(len(correct))))
    bins = data.draw(st.integers(1, 30))
    shuffled = [confidence[at] for at in order], [correct[at] for at in order]
    assert expected_calibration_error(*shuffled, bins=bins) == pytest.approx(0, abs=1e-9)


predictions = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


@settings(deadline=None)
@given(predictions, st.integers(1, 30))
def test_agrees_with_the_definition_and_stays_within_bounds(found, bins):
    confidence, correct = zip(*found, strict=True)
    total = 0.0
    for number in range(bins):
        low, high = number / bins, (number + 1) / bins
        inside = [(sure, right) for sure, right in found if low < sure <= high or (sure == 0 and number == 0)]
        if inside:
            mean, accuracy = (sum(one[side] for one in inside) / len(inside) for side in (0, 1))
            total += len(inside) / len(found) * abs(accuracy - mean)
    error = expected_calibration_error(confidence, correct, bins)
    assert error == pytest.approx(100 * total, abs=1e-9) and 0 <= error <= 100 + 1e-9
