"""Which rows of several tasks make up which optimizer step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain_adapt.randomness import permutation
from domain_adapt.recipes import Budget
from domain_adapt.training.plan import Plan, batches_of_like_length


@dataclass(frozen=True)
class MixturePlan(Plan):
    """The order of a training run on several parts, whose rows are numbered on from one part to the next.

    All rows of a step belong to one part. An epoch has as many rows as the parts have together, up to a batch; a part
    that has fewer rows than its share of them goes round, in a new order each time.

    Attributes:
        sizes: Rows of each part.
        shares: Steps of each part in an epoch.
    """

    sizes: tuple[int, ...] = ()
    shares: tuple[int, ...] = ()

    @property
    def rows_per_epoch(self) -> int:
        """See :class:`Plan`."""
        return sum(self.shares) * self.batch_size

    def order(self, epoch: int) -> np.ndarray:
        """Returns the rows of all steps of ``epoch``, one after the other, ``(rows_per_epoch,)`` int64."""
        batches: list[np.ndarray] = []
        for number, steps in enumerate(self.shares):
            rows = self._next_rows(number, epoch * steps * self.batch_size, steps * self.batch_size)
            batches += batches_of_like_length(rows, self.lengths, self.batch_size)
        return np.concatenate([batches[index] for index in permutation(self.seed, "batches", epoch, len(batches))])

    def _next_rows(self, number: int, first: int, count: int) -> np.ndarray:
        """Returns ``count`` rows of a part from the ``first`` on, counted over all its rounds."""
        size = self.sizes[number]
        rounds = range(first // size, (first + count - 1) // size + 1)
        orders = [permutation(self.seed, f"order/{number}", turn, size) for turn in rounds]
        start = first - rounds[0] * size
        return np.concatenate(orders)[start : start + count] + sum(self.sizes[:number])


def make_mixture_plan(
    lengths: Sequence[np.ndarray], *, batch_size: int, exponent: float, budget: Budget, seed: int
) -> MixturePlan:
    """Returns the plan that spends ``budget`` on parts in proportion to their numbers of rows to the ``exponent``.

    1 takes every row equally often, 0 every part; between them small parts are not drowned by large ones and not
    learnt by heart either (Conneau and Lample 2019, arXiv:1901.07291, sample languages so). Every part has at least
    one step in an epoch.

    Args:
        lengths: Of each part, tokens in each row, ``(rows,)`` int64.
        batch_size: Rows of one step over all ranks.
        exponent: In [0, 1].
        budget: Epochs or tokens.
        seed: Decides the order.
    """
    sizes = [len(part) for part in lengths]
    steps = max(len(sizes), round(sum(sizes) / batch_size))
    shares = _apportion(steps, np.array(sizes, dtype=np.float64) ** exponent)
    per_epoch = int(shares.sum())
    epochs = budget.epochs
    if epochs is None:
        tokens = sum(share * batch_size * float(part.mean()) for share, part in zip(shares, lengths, strict=True))
        epochs = (budget.tokens or 0) / tokens
    starts = np.arange(max(1, round(epochs * per_epoch)) + 1, dtype=np.int64) * batch_size
    return MixturePlan(
        lengths=np.concatenate(lengths),
        batch_size=batch_size,
        seed=seed,
        starts=starts,
        group_by_length=True,
        sizes=tuple(sizes),
        shares=tuple(int(share) for share in shares),
    )


def _apportion(seats: int, weights: np.ndarray) -> np.ndarray:
    """Returns whole numbers in proportion to ``weights``, at least 1 each, by the largest remainders.

    They sum to ``seats``, or a little more where many of them would have got none.
    """
    exact = seats * weights / weights.sum()
    found: np.ndarray = np.maximum(np.floor(exact), 1).astype(np.int64)
    missing = max(0, seats - int(found.sum()))
    found[np.argsort(-(exact - found), kind="stable")[:missing]] += 1
    return found
