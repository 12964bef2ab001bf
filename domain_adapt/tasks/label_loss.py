"""Cross-entropy over labels, with what helps when labels are few or rare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from domain_adapt.recipes import FinetuneSettings

IGNORED = -100  # the target that cross-entropy leaves out


@dataclass(frozen=True)
class LabelLoss:
    """The sum of cross-entropies over targets.

    Attributes:
        smoothing: Share of a target that is spread over all labels (Szegedy et al. 2016, arXiv:1512.00567).
        weight: (labels,) float32 factor of each label, or None for 1.
    """

    smoothing: float
    weight: torch.Tensor | None

    def __call__(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Returns the sum, a scalar float32, for logits (n, labels) and targets (n,) int64; -100 is left out."""
        weight = None if self.weight is None else self.weight.to(logits.device)
        return functional.cross_entropy(
            logits.float(), targets, weight, ignore_index=IGNORED, reduction="sum", label_smoothing=self.smoothing
        )


def label_loss(targets: np.ndarray, labels: int, settings: FinetuneSettings) -> LabelLoss:
    """Returns the loss for a training set.

    Args:
        targets: (n,) int64 of the whole set; -100 is left out.
        labels: How many there are.
        settings: ``label_smoothing`` and ``class_weights``. Balanced weights are n / (labels that occur * occurrences),
            so that every label has the same share in the loss and the mean over the targets is 1.
    """
    if settings.class_weights == "none":
        return LabelLoss(settings.label_smoothing, None)
    counts = np.bincount(targets[targets >= 0], minlength=labels)
    weight = counts.sum() / ((counts > 0).sum() * np.maximum(counts, 1))
    return LabelLoss(settings.label_smoothing, torch.tensor(np.where(counts > 0, weight, 1.0), dtype=torch.float32))
