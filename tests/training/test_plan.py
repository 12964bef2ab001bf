import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.recipes import Budget
from domain_adapt.training.plan import make_plan


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 3), st.booleans())
@settings(deadline=None, max_examples=60)
def test_an_epoch_holds_every_row_once(rows, batch_size, epoch, group):
    lengths = np.arange(rows) % 37 + 1
    plan = make_plan(lengths, batch_size=batch_size, budget=Budget(epochs=1), seed=0, group_by_length=group)
    batches = plan.epoch(epoch)
    assert len(batches) == plan.steps_per_epoch == plan.steps
    assert sorted(np.concatenate(batches)) == list(range(rows))


def test_order_is_a_function_of_seed_and_epoch():
    lengths = np.full(100, 8)
    plan = make_plan(lengths, batch_size=10, budget=Budget(epochs=2), seed=0)
    again = make_plan(lengths, batch_size=10, budget=Budget(epochs=2), seed=0)
    other = make_plan(lengths, batch_size=10, budget=Budget(epochs=2), seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(plan.epoch(1), again.epoch(1), strict=True))
    assert not np.array_equal(plan.epoch(0)[0], plan.epoch(1)[0])
    assert not np.array_equal(plan.epoch(0)[0], other.epoch(0)[0])


def test_grouping_by_length_saves_padding():
    lengths = np.random.Generator(np.random.Philox(0)).integers(10, 300, 2000)

    def padded(group):
        plan = make_plan(lengths, batch_size=16, budget=Budget(epochs=1), seed=0, group_by_length=group)
        return sum(len(rows) * lengths[rows].max() for rows in plan.epoch(0))

    assert padded(True) < 1.1 * lengths.sum() < 1.5 * lengths.sum() < padded(False)


def test_a_token_budget_becomes_the_nearest_number_of_steps():
    lengths = np.full(100, 10)  # ten steps of 100 tokens
    for tokens, steps in ((1, 1), (240, 2), (260, 3), (2_500, 25)):
        assert make_plan(lengths, batch_size=10, budget=Budget(tokens=tokens), seed=0).steps == steps
    assert make_plan(lengths, batch_size=10, budget=Budget(epochs=2.5), seed=0).steps == 25
