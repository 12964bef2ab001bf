"""The training side of question answering: dynamic padding and the span loss."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import FinetuneSettings
from domain_adapt.tasks.question_answering.windows import Features
from domain_adapt.tasks.row_objective import RowObjective
from domain_adapt.training.objective import MicroBatch


class QuestionAnsweringObjective(RowObjective[Features]):
    """Cross-entropy of the answer's first and last token, over the CLS token and the tokens of the context.

    See :class:`domain_adapt.training.objective.Objective`. Its one loss term is ``span``, one target item a window.

    Raises:
        DomainAdaptError: If classes are to be weighted: positions are none.
    """

    def __init__(self, features: Features, pad_token_id: int, settings: FinetuneSettings) -> None:
        super().__init__(features, pad_token_id, settings)
        if settings.class_weights != "none":
            raise DomainAdaptError('finetune.class_weights: question answering has no classes; expected "none"')

    @property
    def weights(self) -> Mapping[str, float]:
        """``{"span": 1.0}``."""
        return {"span": 1.0}

    def batch(self, indices: np.ndarray, epoch: int, progress: float = 0.0) -> MicroBatch:
        """Returns the windows ``indices``, padded to the longest of them; the same whenever it is.

        ``inputs`` holds what :meth:`TokenRows.inputs` returns, ``span_mask`` (rows, longest) bool (positions that
        may be predicted) and ``start_positions``, ``end_positions`` (rows,) int64.
        """
        features = self.features
        inputs = features.inputs(indices, self.pad_token_id)
        allowed = features.padded(features.answerable, indices, False)
        allowed[:, 0] = True  # the CLS token says "not in this window"
        inputs["span_mask"] = torch.from_numpy(allowed)
        inputs["start_positions"] = torch.from_numpy(features.start_labels[indices])
        inputs["end_positions"] = torch.from_numpy(features.end_labels[indices])
        tokens = int(features.lengths[indices].sum())
        return MicroBatch(inputs=inputs, targets={"span": len(indices)}, tokens=tokens)

    def loss(self, model: nn.Module, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns ``{"span": sum over windows of the mean of start and end cross-entropy}``, computed in float32."""
        own = ("span_mask", "start_positions", "end_positions")
        outputs = model(**{name: tensor for name, tensor in inputs.items() if name not in own})
        forbidden = ~inputs["span_mask"]
        lowest = torch.finfo(torch.float32).min
        start = outputs.start_logits.float().masked_fill(forbidden, lowest)
        end = outputs.end_logits.float().masked_fill(forbidden, lowest)
        return {"span": (self._loss(start, inputs["start_positions"]) + self._loss(end, inputs["end_positions"])) / 2}

    def _loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Returns the summed cross-entropy; smoothing spreads a share of the target over the allowed positions."""
        smoothing = self.settings.label_smoothing
        if not smoothing:
            return nn.functional.cross_entropy(logits, targets, reduction="sum")
        logarithms = logits.log_softmax(dim=1)
        allowed = logits > torch.finfo(torch.float32).min
        spread = logarithms.masked_fill(~allowed, 0.0).sum(dim=1) / allowed.sum(dim=1)
        hit = logarithms.gather(1, targets[:, None])[:, 0]
        return -((1 - smoothing) * hit + smoothing * spread).sum()
