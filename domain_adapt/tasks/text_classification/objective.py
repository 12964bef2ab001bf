"""The training side of text classification: one label, several, or a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import FinetuneSettings
from domain_adapt.tasks.label_loss import label_loss
from domain_adapt.tasks.row_objective import RowObjective
from domain_adapt.tasks.text_classification.features import Features
from domain_adapt.training.objective import MicroBatch

# (logits, targets) -> the sum over texts.
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Objective(RowObjective[Features]):
    """The loss of what a text is labelled with; its one term is ``label``, one target item a text.

    One label: cross-entropy. Several: the mean of the binary cross-entropies of all labels. A number: the squared
    error divided by the variance of the training labels, so that it does not hang on their unit.

    See :class:`domain_adapt.training.objective.Objective`.

    Raises:
        DomainAdaptError: If labels are to be smoothed or weighted, and they are numbers.
    """

    def __init__(self, features: Features, pad_token_id: int, settings: FinetuneSettings) -> None:
        super().__init__(features, pad_token_id, settings)
        self._loss = _loss(features, settings)

    @property
    def weights(self) -> Mapping[str, float]:
        """``{"label": 1.0}``."""
        return {"label": 1.0}

    def batch(self, indices: np.ndarray, epoch: int, progress: float = 0.0) -> MicroBatch:
        """Returns the texts ``indices``, padded to the longest of them, with ``labels`` (rows, ...) as they are."""
        inputs = self.features.inputs(indices, self.pad_token_id)
        inputs["labels"] = torch.from_numpy(self.features.labels[indices])
        return MicroBatch(inputs, {"label": len(indices)}, int(self.features.lengths[indices].sum()))

    def loss(self, model: nn.Module, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns ``{"label": sum of the losses over texts}``, computed in float32."""
        outputs = model(**{name: tensor for name, tensor in inputs.items() if name != "labels"})
        return {"label": self._loss(outputs.logits.float(), inputs["labels"])}


def _loss(features: Features, settings: FinetuneSettings) -> Loss:
    labels = features.labels
    if labels.ndim == 2:
        return _binary_loss(labels, settings)
    if labels.dtype != np.float32:
        return label_loss(labels, features.label_count, settings)
    for key in ("class_weights", "label_smoothing"):
        if getattr(settings, key) not in ("none", 0.0):
            raise DomainAdaptError(f"finetune.{key}: a regression has no labels; leave it out")
    variance = float(labels.var()) or 1.0

    def squared_error(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return ((logits[:, 0] - targets) ** 2).sum() / variance

    return squared_error


def _binary_loss(labels: np.ndarray, settings: FinetuneSettings) -> Loss:
    """Returns the loss of several labels; balanced, having a label weighs as much in all as not having it."""
    weight: torch.Tensor | None = None
    if settings.class_weights == "balanced":
        positive = labels.sum(axis=0)
        weight = torch.tensor(np.where(positive > 0, (len(labels) - positive) / np.maximum(positive, 1), 1.0))
        weight = weight.float()
    smoothing = settings.label_smoothing

    def binary_cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        soft = targets * (1 - smoothing) + smoothing / 2
        factor = None if weight is None else weight.to(logits.device)
        losses = functional.binary_cross_entropy_with_logits(logits, soft, pos_weight=factor, reduction="none")
        return losses.mean(dim=1).sum()

    return binary_cross_entropy
