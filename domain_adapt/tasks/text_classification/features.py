"""Texts as rows of token ids, and the training side."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from domain_adapt.recipes import FinetuneSettings
from domain_adapt.tasks.label_loss import label_loss
from domain_adapt.tasks.row_objective import RowObjective
from domain_adapt.tasks.text_classification.data import Example
from domain_adapt.tasks.token_rows import TokenRows
from domain_adapt.training.objective import MicroBatch

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What the recipe and the model say: tokens of a text, and the label of each output."""

    max_length: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Features(TokenRows):
    """One row a text: ``[CLS] text [SEP]``.

    Attributes:
        labels: (rows,) int64, index of the label; -1 where a text has none.
        label_count: Labels that there are.
    """

    labels: np.ndarray
    label_count: int


def featurise(examples: Sequence[Example], tokenizer: Any, settings: Settings) -> Features:
    """Returns the rows of the examples; texts of more than ``max_length`` tokens are cut, and counted in the log."""
    limit = min(settings.max_length, tokenizer.model_max_length)
    encoded = tokenizer([example.text for example in examples], padding=False, truncation=True, max_length=limit)
    rows = [np.array(ids, dtype=np.int32) for ids in encoded["input_ids"]]
    cut = sum(bool(encoding.overflowing) for encoding in encoded.encodings)
    if cut:
        _log.warning("%d of %d texts of more than %d tokens were cut", cut, len(examples), limit)
    segments = encoded.get("token_type_ids") if "token_type_ids" in tokenizer.model_input_names else None
    known = {label: index for index, label in enumerate(settings.labels)}
    return Features(
        input_ids=np.concatenate(rows),
        token_type_ids=np.concatenate([np.array(row, dtype=np.uint8) for row in segments]) if segments else None,
        row_splits=np.cumsum([0] + [len(row) for row in rows], dtype=np.int64),
        labels=np.array([known.get(example.label, -1) for example in examples], dtype=np.int64),
        label_count=len(settings.labels),
    )


class Objective(RowObjective[Features]):
    """Cross-entropy of the label of a text; its one loss term is ``label``, one target item a text.

    See :class:`domain_adapt.training.objective.Objective`.
    """

    def __init__(self, features: Features, pad_token_id: int, settings: FinetuneSettings) -> None:
        super().__init__(features, pad_token_id, settings)
        self._loss = label_loss(features.labels, features.label_count, settings)

    @property
    def weights(self) -> Mapping[str, float]:
        """``{"label": 1.0}``."""
        return {"label": 1.0}

    def batch(self, indices: np.ndarray, epoch: int, progress: float = 0.0) -> MicroBatch:
        """Returns the texts ``indices``, padded to the longest of them, with ``labels`` (rows,) int64."""
        inputs = self.features.inputs(indices, self.pad_token_id)
        inputs["labels"] = torch.from_numpy(self.features.labels[indices])
        return MicroBatch(inputs, {"label": len(indices)}, int(self.features.lengths[indices].sum()))

    def loss(self, model: nn.Module, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns ``{"label": sum of the cross-entropy over texts}``, computed in float32."""
        outputs = model(**{name: tensor for name, tensor in inputs.items() if name != "labels"})
        return {"label": self._loss(outputs.logits, inputs["labels"])}
