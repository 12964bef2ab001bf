import math
import warnings

import pytest

from domain_adapt.tasks.text_classification.metric import MultiLabelMetric, RegressionMetric


def test_several_labels_by_hand():
    found = MultiLabelMetric().compute(
        predictions=[["a", "b"], ["a"], [], ["c"]], references=[["a"], ["a", "b"], [], ["b"]]
    )
    # Hits: a twice. Named: a 2 + 2, b 1 + 2, c 1 + 0. F1: a 1, b 0, c 0; micro 2 * 2 / 8; only the third text is right.
    assert found == pytest.approx({"micro_f1": 50.0, "macro_f1": 100 / 3, "exact_match": 25.0})


def test_order_and_repetition_of_labels_do_not_matter():
    found = MultiLabelMetric().compute(predictions=[["b", "a", "b"]], references=[["a", "b"]])
    assert found == {"micro_f1": 100.0, "macro_f1": 100.0, "exact_match": 100.0}


def test_no_label_anywhere():
    found = MultiLabelMetric().compute(predictions=[[], []], references=[[], []])
    assert found == {"micro_f1": 0.0, "macro_f1": 0.0, "exact_match": 100.0}


def test_numbers_by_hand():
    found = RegressionMetric().compute(predictions=[1, 2, 3, 10], references=[1.0, 2.0, 4.0, 3.0])
    # Ranks 1 2 3 4 and 1 2 4 3: 1 - 6 * 2 / (4 * 15). Deviations -3 -2 -1 6 and -1.5 -.5 1.5 .5: 7 / sqrt(50 * 5).
    # Squared errors 0 0 1 49, mean 12.5; the references vary by 1.25: 1 - 12.5 / 1.25.
    assert found == pytest.approx({"spearman": 80.0, "pearson": 700 / 250**0.5, "r2": -900.0, "rmse": 50**0.5 / 2})
    reversed_ = RegressionMetric().compute(predictions=[3.0, 2.0], references=[0.5, 1.5])
    assert reversed_ == pytest.approx({"spearman": -100.0, "pearson": -100.0, "r2": -1200.0, "rmse": 3.25**0.5})


def test_equal_numbers_share_a_rank():
    found = RegressionMetric().compute(predictions=[1.0, 1.0, 2.0], references=[1.0, 2.0, 3.0])
    # Ranks 1.5 1.5 3 and 1 2 3: deviations -.5 -.5 1 and -1 0 1, so 1.5 / sqrt(1.5 * 2).
    assert found["spearman"] == pytest.approx(150 / 3**0.5)


@pytest.mark.parametrize(
    ("predictions", "references"),
    [([2.0, 2.0, 2.0], [1.0, 2.0, 3.0]), ([1.0, 2.0], [0.1, 0.1]), ([1.0], [1.0]), ([0.3] * 9, [0.3] * 9)],
)
def test_a_constant_side_correlates_with_nothing_and_nothing_is_warned_of(predictions, references):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = RegressionMetric()._compute(predictions, references)
    assert found["spearman"] == found["pearson"] == 0.0 and math.isfinite(found["rmse"])


def test_a_side_that_hardly_varies_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = RegressionMetric()._compute([1e16, 1e16 + 2, 1e16], [1.0, 2.0, 3.0])
    assert found["pearson"] == found["spearman"] == pytest.approx(0.0, abs=1e-9)
