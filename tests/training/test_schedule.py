import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.training.schedule import learning_rate_factor


def factors(schedule, steps=10, warmup_ratio=0.2):
    return [
        learning_rate_factor(step, steps=steps, warmup_ratio=warmup_ratio, schedule=schedule) for step in range(steps)
    ]


def test_linear_rises_through_warm_up_and_goes_down_to_zero_after_the_last_step():
    assert factors("linear") == pytest.approx([1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])


def test_constant_stays():
    assert factors("constant")[2:] == [1.0] * 8


def test_cosine_is_half_in_the_middle():
    assert learning_rate_factor(6, steps=10, warmup_ratio=0.2, schedule="cosine") == pytest.approx(0.5)


@given(st.integers(1, 500), st.floats(0, 1), st.sampled_from(["linear", "cosine", "constant"]))
def test_every_step_learns_and_none_above_the_peak(steps, warmup_ratio, schedule):
    for step in {0, steps // 2, steps - 1}:
        factor = learning_rate_factor(step, steps=steps, warmup_ratio=warmup_ratio, schedule=schedule)
        assert 0 < factor <= 1
