"""What the training loop asks of a stage: batches out of row indices, and sums of losses out of batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn


@dataclass(frozen=True)
class MicroBatch:
    """One forward pass worth of rows.

    Attributes:
        inputs: Tensors on the CPU; the loop moves them to the device.
        targets: Loss term -> number of target items in these rows; known before the forward pass, so that a loss can
            be normalised over the whole accumulated, all-rank batch (a sum over terms divided by the total count).
        tokens: Non-padding tokens, for throughput and token budgets.
    """

    inputs: dict[str, torch.Tensor]
    targets: dict[str, int]
    tokens: int


class Objective(Protocol):
    """A stage's side of the training loop."""

    @property
    def weights(self) -> Mapping[str, float]:
        """Loss term -> its weight in the total loss."""

    def batch(self, indices: np.ndarray, epoch: int, progress: float = 0.0) -> MicroBatch:
        """Builds the micro-batch of rows ``indices`` ((rows,) int64); a pure function, called from several threads.

        Args:
            indices: Rows of the training data.
            epoch: 0-based pass over the data.
            progress: Share of the run's steps done before this one, in [0, 1).
        """

    def loss(self, model: nn.Module, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns loss term -> *sum* (not mean) over its target items, each a scalar with gradient.

        A term that these rows have nothing to do with may be left out.
        """
