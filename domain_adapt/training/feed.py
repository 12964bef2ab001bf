"""Builds the batches of coming steps in threads, so that a step never waits for its data."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from domain_adapt.training.objective import MicroBatch, Objective
from domain_adapt.training.plan import Plan

# Steps built ahead by each thread: one in the making and one in hand.
_AHEAD = 2


@dataclass(frozen=True)
class StepData:
    """One rank's share of one optimizer step.

    Attributes:
        step: 0-based.
        epoch: 0-based.
        batches: Micro-batches, as many on every rank.
        stand_ins: So many of them, the last ones, are there for the gradient exchange only and must count as nothing.
    """

    step: int
    epoch: int
    batches: list[MicroBatch]
    stand_ins: int


@dataclass(frozen=True)
class Feed:
    """Where one rank's batches come from.

    Attributes:
        plan: Which rows make up which step.
        objective: Builds a micro-batch; called from several threads at once.
        rows: Rows in one micro-batch.
        rank: Of this process.
        ranks: Number of processes.
        workers: Threads; 0 builds in the calling thread, one step at a time.
        pin: Put the tensors into page-locked memory, from which a GPU copies without the CPU waiting.
    """

    plan: Plan
    objective: Objective
    rows: int
    rank: int = 0
    ranks: int = 1
    workers: int = 0
    pin: bool = False

    def steps(self, first: int) -> Iterator[StepData]:
        """Yields the data of every step from ``first`` (0-based) to the last."""
        coming = self._orders(first)
        if self.workers == 0:
            yield from (self._build(*arguments) for arguments in coming)
            return
        with ThreadPoolExecutor(self.workers, thread_name_prefix="feed") as pool:
            queue: deque[Future[StepData]] = deque()
            try:
                for arguments in coming:
                    queue.append(pool.submit(self._build, *arguments))
                    if len(queue) > self.workers * _AHEAD:
                        yield queue.popleft().result()
                while queue:
                    yield queue.popleft().result()
            finally:
                for waiting in queue:
                    waiting.cancel()

    def _orders(self, first: int) -> Iterator[tuple[int, int, np.ndarray]]:
        """Yields step, epoch and row indices of all ranks; an epoch's order is drawn once."""
        epoch, order = -1, np.empty(0, dtype=np.int64)
        for step in range(first, self.plan.steps):
            if self.plan.epoch_of(step) != epoch:
                epoch = self.plan.epoch_of(step)
                order = self.plan.order(epoch)
            yield step, epoch, self.plan.rows(step, order)

    def _build(self, step: int, epoch: int, indices: np.ndarray) -> StepData:
        mine = np.array_split(indices, self.ranks)[self.rank]
        parts = [mine[start : start + self.rows] for start in range(0, len(mine), self.rows)]
        # A rank with fewer rows than the others, or none, still has to take part in every exchange with them.
        most = -(-len(indices) // self.ranks)
        stand_ins = -(-most // self.rows) - len(parts)
        parts += [indices[:1]] * stand_ins
        batches = [self.objective.batch(part, epoch, step / self.plan.steps) for part in parts]
        if self.pin:
            batches = [
                replace(batch, inputs={key: value.pin_memory() for key, value in batch.inputs.items()})
                for batch in batches
            ]
        return StepData(step, epoch, batches, stand_ins)
