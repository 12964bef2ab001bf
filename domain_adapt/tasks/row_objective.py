"""What the training objectives over rows of token ids share."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np

from domain_adapt.recipes import FinetuneSettings
from domain_adapt.tasks.token_rows import TokenRows

Features = TypeVar("Features", bound=TokenRows)


class RowObjective(Generic[Features]):
    """Rows of a task to train on; see :class:`domain_adapt.training.objective.Objective` for what a task type adds.

    Args:
        features: The rows.
        pad_token_id: Stands behind the end of shorter rows.
        settings: ``label_smoothing`` and ``class_weights``.
    """

    def __init__(self, features: Features, pad_token_id: int, settings: FinetuneSettings) -> None:
        self.features = features
        self.pad_token_id = pad_token_id
        self.settings = settings

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.features)

    @property
    def lengths(self) -> np.ndarray:
        """(rows,) int64 tokens, for batches of rows of like length."""
        return self.features.lengths

    @property
    def row_tokens(self) -> int:
        """Tokens of the longest row."""
        return int(self.lengths.max())
