import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.recipes import Budget
from domain_adapt.recipes.schema import OptimizerSettings
from domain_adapt.training.plan import make_plan


def batches_of(plan, epoch):
    """Row indices of every step of an epoch."""
    order = plan.order(epoch)
    return [plan.rows(step, order) for step in range(plan.steps) if plan.epoch_of(step) == epoch]


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 3), st.booleans())
@settings(deadline=None, max_examples=60)
def test_an_epoch_holds_every_row_once(rows, batch_size, epoch, group):
    lengths = np.arange(rows) % 37 + 1
    settings = OptimizerSettings(batch_size=batch_size)
    plan = make_plan(lengths, settings, budget=Budget(epochs=4), seed=0, group_by_length=group)
    batches = batches_of(plan, epoch)
    assert len(batches) == plan.steps / 4
    assert [plan.ends_epoch(step) for step in range(plan.steps)] == ([False] * (len(batches) - 1) + [True]) * 4
    assert sorted(np.concatenate(batches)) == list(range(rows))


def test_order_is_a_function_of_seed_and_epoch():
    lengths = np.full(100, 8)
    plan = make_plan(lengths, OptimizerSettings(batch_size=10), budget=Budget(epochs=2), seed=0)
    again = make_plan(lengths, OptimizerSettings(batch_size=10), budget=Budget(epochs=2), seed=0)
    other = make_plan(lengths, OptimizerSettings(batch_size=10), budget=Budget(epochs=2), seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(batches_of(plan, 1), batches_of(again, 1), strict=True))
    assert not np.array_equal(batches_of(plan, 0)[0], batches_of(plan, 1)[0])
    assert not np.array_equal(batches_of(plan, 0)[0], batches_of(other, 0)[0])


def test_grouping_by_length_saves_padding():
    lengths = np.random.Generator(np.random.Philox(0)).integers(10, 300, 2000)

    def padded(group):
        plan = make_plan(
            lengths, OptimizerSettings(batch_size=16), budget=Budget(epochs=1), seed=0, group_by_length=group
        )
        return sum(len(rows) * lengths[rows].max() for rows in batches_of(plan, 0))

    assert padded(True) < 1.1 * lengths.sum() < 1.5 * lengths.sum() < padded(False)


def test_a_token_budget_becomes_the_nearest_number_of_steps():
    lengths = np.full(100, 10)  # ten steps of 100 tokens
    for tokens, steps in ((1, 1), (240, 2), (260, 3), (2_500, 25)):
        assert make_plan(lengths, OptimizerSettings(batch_size=10), budget=Budget(tokens=tokens), seed=0).steps == steps
    assert make_plan(lengths, OptimizerSettings(batch_size=10), budget=Budget(epochs=2.5), seed=0).steps == 25


@given(
    st.integers(1, 300), st.integers(1, 20), st.integers(0, 40), st.floats(0.01, 1), st.floats(0.1, 4), st.booleans()
)
@settings(deadline=None, max_examples=60)
def test_a_growing_batch_goes_from_its_start_to_its_end_and_spends_the_budget(rows, first, more, ratio, epochs, group):
    wanted = OptimizerSettings(batch_size=first + more, batch_size_start=first, batch_warmup_ratio=ratio)
    plan = make_plan(np.full(rows, 8), wanted, budget=Budget(epochs=epochs), seed=0, group_by_length=group)
    sizes = np.diff(plan.starts)
    whole = [size for step, size in enumerate(sizes) if not plan.ends_epoch(step)]
    assert whole == sorted(whole) and all(first <= size <= first + more for size in whole)
    assert sizes.min() >= 1
    assert plan.steps == 1 or abs(plan.starts[-1] - epochs * rows) <= (first + more) / 2
    if plan.starts[-1] >= rows:
        assert sorted(np.concatenate(batches_of(plan, 0))) == list(range(rows))


def test_a_growing_batch_by_hand():
    wanted = OptimizerSettings(batch_size=8, batch_size_start=2, batch_warmup_ratio=0.5)
    plan = make_plan(np.full(48, 8), wanted, budget=Budget(epochs=1), seed=0)
    assert list(np.diff(plan.starts)) == [2, 2, 3, 4, 5, 6, 8, 8, 8, 2]
