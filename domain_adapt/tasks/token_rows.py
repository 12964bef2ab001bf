"""Rows of token ids stored without padding, made into padded batches, and a model run over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from domain_adapt.errors import Diverged
from domain_adapt.training.memory import SATURATING_TOKENS


@dataclass(frozen=True)
class TokenRows:
    """Token ids of rows of any length.

    Per-token arrays lie one row after the other; row ``r`` is ``row_splits[r] : row_splits[r + 1]``.

    Attributes:
        input_ids: (tokens,) int32.
        token_type_ids: (tokens,) uint8, or None for models without segment ids.
        row_splits: (rows + 1,) int64.
    """

    input_ids: np.ndarray
    token_type_ids: np.ndarray | None
    row_splits: np.ndarray

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.row_splits) - 1

    @property
    def lengths(self) -> np.ndarray:
        """(rows,) int64, tokens of each row."""
        return np.diff(self.row_splits)

    def padded(self, values: np.ndarray, rows: np.ndarray, fill: int | bool) -> np.ndarray:
        """Returns the rows ``rows`` of a per-token array as a matrix.

        Args:
            values: (tokens,) or (tokens, k) array of this object.
            rows: (n,) int64 row indices.
            fill: What stands behind the end of a shorter row.

        Returns:
            (n, longest of these rows) or (n, longest, k) of the dtype of ``values``.
        """
        begins, lengths = self.row_splits[rows], self.lengths[rows]
        columns = np.arange(lengths.max(initial=0))
        inside = columns < lengths[:, None]
        matrix = values[np.where(inside, begins[:, None] + columns, 0)]
        matrix[~inside] = fill
        return matrix

    def inputs(self, rows: np.ndarray, pad_token_id: int) -> dict[str, torch.Tensor]:
        """Returns the model's inputs for some rows, each (rows, longest) int64 on the CPU.

        ``input_ids``, ``attention_mask`` and, where the model knows segments, ``token_type_ids``.
        """
        lengths = self.lengths[rows]
        mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
        input_ids = self.padded(self.input_ids, rows, pad_token_id)
        inputs = {
            "input_ids": torch.from_numpy(input_ids.astype(np.int64)),
            "attention_mask": torch.from_numpy(mask.astype(np.int64)),
        }
        if self.token_type_ids is not None:
            segments = self.padded(self.token_type_ids, rows, 0)
            inputs["token_type_ids"] = torch.from_numpy(segments.astype(np.int64))
        return inputs


def forward(
    model: nn.Module,
    rows: TokenRows,
    *,
    batch_size: int,
    device: torch.device | str,
    pad_token_id: int,
    dtype: torch.dtype | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray, Any]]:
    """Yields (row indices, which positions are tokens, the model's outputs) for batches that cover all rows.

    Rows of like length share a batch, the longest first (what does not fit in memory fails at once). The model's mode
    (train or eval) is as before afterwards.

    Args:
        model: Already on ``device``.
        rows: At least one.
        batch_size: Rows in one forward pass, at most; long rows are fewer.
        device: Where the inputs go.
        pad_token_id: Of the tokenizer.
        dtype: Autocast to this type, e.g. ``torch.bfloat16``; None computes in the model's own.
        on_progress: Hears (rows done, rows) after each batch.
    """
    order = np.argsort(-rows.lengths, kind="stable")
    kind = torch.device(device).type
    was_training = model.training
    model.eval()
    try:
        done = 0
        while done < len(order):
            # More tokens than saturate the device gain nothing, and on a CPU fall out of its caches.
            fitting = SATURATING_TOKENS[kind] // int(rows.lengths[order[done]])
            chosen = order[done : done + max(1, min(batch_size, fitting))]
            done += len(chosen)
            inputs = {name: value.to(device) for name, value in rows.inputs(chosen, pad_token_id).items()}
            with torch.inference_mode(), torch.autocast(kind, dtype=dtype) if dtype else nullcontext():
                outputs = model(**inputs)
            yield chosen, inputs["attention_mask"].cpu().numpy().astype(bool), outputs
            if on_progress:
                on_progress(done, len(order))
    finally:
        model.train(was_training)


def finite(logits: torch.Tensor) -> np.ndarray:
    """Returns logits as float32 on the CPU.

    Raises:
        Diverged: If one is not a finite number.
    """
    values: np.ndarray = logits.float().cpu().numpy()
    if not np.isfinite(values).all():
        raise Diverged("the model's logits are not finite numbers", hint="training diverged: lower the learning rate")
    return values
