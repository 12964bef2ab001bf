import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.recipes.schema import OptimizerSettings
from domain_adapt.training.schedule import learning_rate_factor


def factors(schedule, steps=10, warmup_ratio=0.2, decay_ratio=0.5):
    settings = OptimizerSettings(schedule=schedule, warmup_ratio=warmup_ratio, decay_ratio=decay_ratio)
    return [learning_rate_factor(step, steps, settings) for step in range(steps)]


def test_linear_rises_through_warm_up_and_goes_down_to_zero_after_the_last_step():
    assert factors("linear") == pytest.approx([1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])


def test_constant_stays():
    assert factors("constant")[2:] == [1.0] * 8


def test_cosine_is_half_in_the_middle():
    assert factors("cosine")[6] == pytest.approx(0.5)


def test_warm_up_stable_decay_falls_only_at_the_end():
    assert factors("wsd") == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])


@given(
    st.integers(1, 500), st.floats(0, 1), st.floats(0.001, 1), st.sampled_from(["linear", "cosine", "constant", "wsd"])
)
def test_every_step_learns_and_none_above_the_peak(steps, warmup_ratio, decay_ratio, schedule):
    assert all(0 < factor <= 1 for factor in factors(schedule, steps, warmup_ratio, decay_ratio))
