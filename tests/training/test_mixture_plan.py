import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.recipes import Budget
from domain_adapt.training.mixture_plan import make_mixture_plan


def plan_of(sizes, *, batch_size=4, exponent=0.5, budget=Budget(epochs=2), seed=0):
    lengths = [np.arange(size) % 37 + 1 for size in sizes]
    return make_mixture_plan(lengths, batch_size=batch_size, exponent=exponent, budget=budget, seed=seed)


def steps_of(plan, epoch):
    order = plan.order(epoch)
    return [plan.rows(step, order) for step in range(plan.steps) if plan.epoch_of(step) == epoch]


@given(st.lists(st.integers(1, 200), min_size=1, max_size=4), st.integers(1, 20), st.floats(0, 1))
@settings(deadline=None, max_examples=80)
def test_every_step_is_a_whole_batch_of_one_part(sizes, batch_size, exponent):
    plan = plan_of(sizes, batch_size=batch_size, exponent=exponent)
    ends = np.cumsum(sizes)
    assert plan.steps == 2 * sum(plan.shares) and plan.passes == 2
    assert max(1, round(sum(sizes) / batch_size)) <= sum(plan.shares) <= len(sizes) + sum(sizes) / batch_size + 1
    for epoch in range(2):
        steps = steps_of(plan, epoch)
        parts = [set(np.searchsorted(ends, rows, side="right")) for rows in steps]
        assert all(len(rows) == batch_size for rows in steps) and all(len(found) == 1 for found in parts)
        counts = np.bincount([found.pop() for found in parts], minlength=len(sizes))
        assert tuple(counts) == plan.shares and counts.min() >= 1
    assert [step for step in range(plan.steps) if plan.ends_epoch(step)] == [plan.steps // 2 - 1, plan.steps - 1]


@pytest.mark.parametrize(("exponent", "shares"), [(1.0, (90, 10)), (0.5, (75, 25)), (0.0, (50, 50))])
def test_shares_by_hand(exponent, shares):
    assert plan_of([360, 40], exponent=exponent).shares == shares


def test_a_part_goes_round_and_takes_every_row_before_any_again():
    # 25 steps an epoch for 40 rows in batches of 4: two rounds and a half.
    plan = plan_of([360, 40], budget=Budget(epochs=3))
    small = [rows - 360 for epoch in range(3) for rows in steps_of(plan, epoch) if rows[0] >= 360]
    counts = np.bincount(np.concatenate(small), minlength=40)
    assert counts.sum() == 300 and set(counts) <= {7, 8}
    large = np.concatenate([rows for epoch in range(3) for rows in steps_of(plan, epoch) if rows[0] < 360])
    assert set(np.bincount(large, minlength=360)) == {2, 3}  # 900 rows


def test_order_is_a_function_of_seed_and_epoch():
    plan, again, other = plan_of([50, 20]), plan_of([50, 20]), plan_of([50, 20], seed=1)
    assert np.array_equal(plan.order(1), again.order(1))
    assert not np.array_equal(plan.order(0), plan.order(1)) and not np.array_equal(plan.order(0), other.order(0))


def test_rows_of_a_step_are_of_like_length_and_parts_are_mixed():
    rng = np.random.Generator(np.random.Philox(0))
    lengths = [rng.integers(10, 300, 1000), rng.integers(10, 300, 1000)]
    plan = make_mixture_plan(lengths, batch_size=16, exponent=0.5, budget=Budget(epochs=1), seed=0)
    steps = steps_of(plan, 0)
    padded = sum(len(rows) * plan.lengths[rows].max() for rows in steps)
    assert padded < 1.1 * sum(plan.lengths[rows].sum() for rows in steps)
    longest_run = max(len(list(run)) for _, run in itertools.groupby(rows[0] >= 1000 for rows in steps))
    assert longest_run < 20


def test_a_token_budget():
    lengths = [np.full(80, 10), np.full(20, 30)]  # exponent 1: 8 and 2 steps of 10 rows, 800 and 600 tokens an epoch
    for tokens, steps in ((1, 1), (1_400, 10), (2_800, 20), (700, 5)):
        plan = make_mixture_plan(lengths, batch_size=10, exponent=1.0, budget=Budget(tokens=tokens), seed=0)
        assert plan.shares == (8, 2) and plan.steps == steps
