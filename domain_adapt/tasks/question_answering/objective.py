"""The training side of question answering: dynamic padding and the span loss."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from domain_adapt.tasks.question_answering.windows import Features
from domain_adapt.tasks.row_objective import RowObjective
from domain_adapt.training.objective import MicroBatch


class QuestionAnsweringObjective(RowObjective[Features]):
    """Cross-entropy of the answer's first and last token, over the CLS token and the tokens of the context.

    See :class:`domain_adapt.training.objective.Objective`. Its one loss term is ``span``, one target item a window.
    """

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
        start_loss = nn.functional.cross_entropy(start, inputs["start_positions"], reduction="sum")
        end_loss = nn.functional.cross_entropy(end, inputs["end_positions"], reduction="sum")
        return {"span": (start_loss + end_loss) / 2}
