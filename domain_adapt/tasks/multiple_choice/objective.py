"""The training side of multiple choice: batches of whole examples, and the loss over each one's own choices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import FinetuneSettings
from domain_adapt.tasks.multiple_choice.features import Features
from domain_adapt.tasks.row_objective import RowObjective
from domain_adapt.training.objective import MicroBatch

_OWN = ("choices", "answers")


class Objective(RowObjective[Features]):
    """Cross-entropy of the right choice among those of its question.

    A row of the training plan is an example with all its choices. The one loss term is ``choice``, one target item an
    example. See :class:`domain_adapt.training.objective.Objective`.

    Raises:
        DomainAdaptError: If classes are to be weighted: the place of a choice is none.
    """

    def __init__(self, features: Features, pad_token_id: int, settings: FinetuneSettings) -> None:
        super().__init__(features, pad_token_id, settings)
        if settings.class_weights != "none":
            raise DomainAdaptError('finetune.class_weights: multiple choice has no classes; expected "none"')

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.features.answers)

    @property
    def lengths(self) -> np.ndarray:
        """(examples,) int64 tokens of all choices of each example."""
        return np.diff(self.features.row_splits[self.features.example_splits])

    @property
    def row_tokens(self) -> int:
        """Tokens of the most choices, each as long as the longest: no example takes more, whatever its company."""
        return int(np.diff(self.features.example_splits).max() * self.features.lengths.max())

    @property
    def weights(self) -> Mapping[str, float]:
        """``{"choice": 1.0}``."""
        return {"choice": 1.0}

    def batch(self, indices: np.ndarray, epoch: int, progress: float = 0.0) -> MicroBatch:
        """Returns the examples ``indices``, their choices padded to the longest of them.

        ``inputs`` holds what :meth:`Features.inputs` returns, ``choices`` (examples, most choices) int64 (where in the
        batch the row of a choice is; -1: there is no such choice) and ``answers`` (examples,) int64.
        """
        splits = self.features.example_splits
        rows = np.concatenate([np.arange(splits[index], splits[index + 1]) for index in indices])
        counts = np.diff(splits)[indices]
        places = np.arange(counts.max())
        choices = np.where(places < counts[:, None], (np.cumsum(counts) - counts)[:, None] + places, -1)
        inputs = self.features.inputs(rows, self.pad_token_id)
        inputs["choices"] = torch.from_numpy(choices)
        inputs["answers"] = torch.from_numpy(self.features.answers[indices])
        return MicroBatch(inputs, {"choice": len(indices)}, int(self.features.lengths[rows].sum()))

    def loss(self, model: nn.Module, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns ``{"choice": sum of the cross-entropy over examples}``, computed in float32."""
        outputs = model(**{name: tensor for name, tensor in inputs.items() if name not in _OWN})
        scores = outputs.logits.flatten()
        return {"choice": choice_loss(scores, inputs["choices"], inputs["answers"], self.settings.label_smoothing)}


def choice_loss(
    scores: torch.Tensor, choices: torch.Tensor, answers: torch.Tensor, smoothing: float = 0.0
) -> torch.Tensor:
    """Returns the sum of the cross-entropies of the right choices, a scalar float32.

    Args:
        scores: (rows,) of all choices of all examples.
        choices: (examples, most choices) int64, indices into ``scores``; -1: there is no such choice.
        answers: (examples,) int64, the right choice among the example's own.
        smoothing: Share of the target that is spread over the example's own choices.
    """
    absent = choices < 0
    logits = scores.float()[choices.clamp(min=0)].masked_fill(absent, torch.finfo(torch.float32).min)
    logarithms = logits.log_softmax(dim=1)
    hit = logarithms.gather(1, answers[:, None])[:, 0]
    if not smoothing:
        return -hit.sum()
    spread = logarithms.masked_fill(absent, 0.0).sum(dim=1) / (~absent).sum(dim=1)
    return -((1 - smoothing) * hit + smoothing * spread).sum()
