import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.recipes import Budget, MlmSettings
from domain_adapt.training.feed import Feed
from domain_adapt.training.objective import MicroBatch
from domain_adapt.training.plan import make_plan


class Rows:
    """An objective whose batch is the rows themselves."""

    def batch(self, indices, epoch, progress):
        return MicroBatch({}, {"rows": [int(index) for index in indices]}, len(indices))


@settings(deadline=None, max_examples=60)
@given(rows=st.integers(1, 60), batch=st.integers(1, 20), ranks=st.integers(1, 7), micro=st.integers(1, 9))
def test_ranks_share_each_row_once_in_as_many_micro_batches(rows, batch, ranks, micro):
    """Sharded parameters are gathered in every pass, so a rank with one pass more would wait for ever."""
    plan = make_plan(np.ones(rows, dtype=np.int64), MlmSettings(batch_size=batch), budget=Budget(epochs=2), seed=0)
    shares = [list(Feed(plan, Rows(), micro, rank=rank, ranks=ranks).steps(0)) for rank in range(ranks)]
    for step in range(plan.steps):
        data = [share[step] for share in shares]
        assert len({len(one.batches) for one in data}) == 1
        real = [part for one in data for part in one.batches[: len(one.batches) - one.stand_ins]]
        expected = plan.rows(step, plan.order(plan.epoch_of(step)))
        assert [row for part in real for row in part.targets["rows"]] == expected.tolist()
        assert all(1 <= part.tokens <= micro for one in data for part in one.batches)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_one_rank_has_no_stand_ins_and_threads_change_nothing(workers):
    plan = make_plan(np.ones(10, dtype=np.int64), MlmSettings(batch_size=4), budget=Budget(epochs=2), seed=0)
    found = [
        (one.step, one.epoch, [part.targets["rows"] for part in one.batches], one.stand_ins)
        for one in Feed(plan, Rows(), 3, workers=workers).steps(1)
    ]
    orders = [plan.rows(step, plan.order(plan.epoch_of(step))).tolist() for step in range(plan.steps)]
    assert found == [
        (step, step // 3, [part for part in (orders[step][:3], orders[step][3:]) if part], 0) for step in range(1, 6)
    ]
