"""Which rows make up which optimizer step: a pure function of the seed, so that a resumed run sees the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from domain_adapt.randomness import permutation
from domain_adapt.recipes import Budget
from domain_adapt.recipes.schema import OptimizerSettings

# Rows are sorted by length within groups of so many batches: long enough to save padding, short enough to stay random.
GROUPED_BATCHES = 32


@dataclass(frozen=True)
class Plan:
    """The order of a training run.

    Attributes:
        lengths: ``(rows,)`` int64, tokens in each training row.
        batch_size: Rows per optimizer step over all ranks, once the batch has grown.
        seed: Decides the order.
        starts: ``(steps + 1,)`` int64, rows consumed before each step, counted on over the epochs; no step reaches from
            one epoch into the next.
        group_by_length: Batches hold rows of similar length (for dynamic padding).
    """

    lengths: np.ndarray
    batch_size: int
    seed: int
    starts: np.ndarray
    group_by_length: bool = False

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return len(self.starts) - 1

    @property
    def passes(self) -> float:
        """Passes over the data, the last of which may be partial."""
        return float(self.starts[-1] / self.rows_per_epoch)

    @property
    def rows_per_epoch(self) -> int:
        """Rows that an epoch takes."""
        return len(self.lengths)

    def epoch_of(self, step: int) -> int:
        """Returns the 0-based pass over the data that ``step`` (0-based) belongs to."""
        return int(self.starts[step]) // self.rows_per_epoch

    def ends_epoch(self, step: int) -> bool:
        """Tells whether ``step`` is the last one of its epoch."""
        return int(self.starts[step + 1]) % self.rows_per_epoch == 0

    def rows(self, step: int, order: np.ndarray) -> np.ndarray:
        """Returns the row indices ((<= batch_size,) int64) of ``step``, given the :meth:`order` of its epoch."""
        first, end = (int(value) for value in self.starts[step : step + 2])
        offset = first % len(order)
        return order[offset : offset + end - first]

    def order(self, epoch: int) -> np.ndarray:
        """Returns the order of all rows in ``epoch``, ``(rows,)`` int64."""
        order = permutation(self.seed, "order", epoch, len(self.lengths))
        if not self.group_by_length:
            return order
        batches = batches_of_like_length(order, self.lengths, self.batch_size)
        # The one batch that may be short stays last: every step is a whole batch of this list.
        shuffled = [batches[index] for index in permutation(self.seed, "batches", epoch, len(batches) - 1)]
        return np.concatenate([*shuffled, batches[-1]])


def batches_of_like_length(order: np.ndarray, lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Returns ``order`` in batches of rows of similar length; only the last batch may be short.

    Args:
        order: Row numbers, (rows,) int64.
        lengths: Tokens of every row, by its number.
        batch_size: Rows of a batch.
    """
    batches: list[np.ndarray] = []
    for start in range(0, len(order), batch_size * GROUPED_BATCHES):
        rows = order[start : start + batch_size * GROUPED_BATCHES]
        rows = rows[np.argsort(-lengths[rows], kind="stable")]
        batches += [rows[first : first + batch_size] for first in range(0, len(rows), batch_size)]
    return batches


def make_plan(
    lengths: np.ndarray, settings: OptimizerSettings, *, budget: Budget, seed: int, group_by_length: bool = False
) -> Plan:
    """Returns the plan that spends ``budget`` on rows of ``lengths`` tokens ((rows,) int64).

    A budget in tokens becomes the nearest number of steps, at least one. With ``batch_size_start`` the batch grows
    linearly with the rows consumed (Brown et al. 2020, arXiv 2005.14165, grow it so; McCandlish et al. 2018, arXiv
    1812.06162, say why small batches are enough early on).

    Args:
        lengths: Tokens in each training row.
        settings: ``batch_size``, ``batch_size_start`` and ``batch_warmup_ratio``.
        budget: Epochs or tokens.
        seed: Decides the order.
        group_by_length: Batches hold rows of similar length.
    """
    rows, batch_size, first = len(lengths), settings.batch_size, settings.batch_size_start
    epochs = budget.epochs if budget.epochs is not None else (budget.tokens or 0) / max(int(lengths.sum()), 1)
    if first is None:
        steps_per_epoch = math.ceil(rows / batch_size)
        numbers = np.arange(max(1, round(epochs * steps_per_epoch)) + 1, dtype=np.int64)
        starts = numbers // steps_per_epoch * rows + numbers % steps_per_epoch * batch_size
    else:
        starts = _growing(rows, epochs * rows, first, batch_size, settings.batch_warmup_ratio)
    return Plan(lengths, batch_size, seed, starts, group_by_length)


def _growing(rows: int, total: float, first: int, last: int, ratio: float) -> np.ndarray:
    """Returns the starts of steps whose size goes from ``first`` to ``last`` over ``ratio * total`` rows."""
    starts = [0]
    while len(starts) == 1 or starts[-1] < total:
        consumed = starts[-1]
        size = round(first + (last - first) * min(1.0, consumed / (ratio * total)))
        size = min(size, rows - consumed % rows)
        if len(starts) > 1 and consumed + size / 2 > total:
            break
        starts.append(consumed + size)
    return np.array(starts, dtype=np.int64)
