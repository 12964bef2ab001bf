"""Which rows make up which optimizer step: a pure function of the seed, so that a resumed run sees the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from domain_adapt.randomness import permutation
from domain_adapt.recipes import Budget

# Rows are sorted by length within groups of so many batches: long enough to save padding, short enough to stay random.
GROUPED_BATCHES = 32


@dataclass(frozen=True)
class Plan:
    """The order of a training run.

    Attributes:
        lengths: ``(rows,)`` int64, tokens in each training row.
        batch_size: Rows per optimizer step over all ranks.
        seed: Decides the order.
        steps: Optimizer steps in all.
        group_by_length: Batches hold rows of similar length (for dynamic padding).
    """

    lengths: np.ndarray
    batch_size: int
    seed: int
    steps: int
    group_by_length: bool = False

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one pass; the last one may hold fewer rows."""
        return math.ceil(len(self.lengths) / self.batch_size)

    def epoch(self, epoch: int) -> list[np.ndarray]:
        """Returns the row indices ((<= batch_size,) int64) of every step of ``epoch``."""
        order = permutation(self.seed, "order", epoch, len(self.lengths))
        if not self.group_by_length:
            return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        group = self.batch_size * GROUPED_BATCHES
        batches: list[np.ndarray] = []
        for start in range(0, len(order), group):
            rows = order[start : start + group]
            rows = rows[np.argsort(-self.lengths[rows], kind="stable")]
            batches += [rows[first : first + self.batch_size] for first in range(0, len(rows), self.batch_size)]
        return [batches[index] for index in permutation(self.seed, "batches", epoch, len(batches))]


def make_plan(
    lengths: np.ndarray, *, batch_size: int, budget: Budget, seed: int, group_by_length: bool = False
) -> Plan:
    """Returns the plan that spends ``budget`` on rows of ``lengths`` tokens ((rows,) int64).

    A budget in tokens becomes the nearest number of steps, at least one.
    """
    steps_per_epoch = math.ceil(len(lengths) / batch_size)
    epochs = budget.epochs if budget.epochs is not None else (budget.tokens or 0) / max(int(lengths.sum()), 1)
    steps = max(1, round(epochs * steps_per_epoch))
    return Plan(lengths, batch_size, seed, steps, group_by_length)
