"""The last encoder layer on the positions that anything looks at.

A masked language model's loss reads the last states of a seventh of the positions. The last layer's keys and values
are needed everywhere, but its queries, output projection and feed-forward network only there: of the layer's
multiplications seven tenths fall away. For the time of a forward pass two methods of the last layer's attention are
replaced on the instance; they do the arithmetic of the stock ones on fewer rows, so loss and gradients are the same and
the model stays the stock class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

# Model types whose layers are built as BERT's: layer.attention.self, layer.attention.output, feed-forward.
_LIKE_BERT = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra"})


@dataclass(frozen=True)
class Selection:
    """Positions of a micro-batch whose last states are needed; all tensors int64.

    Attributes:
        positions: ``(n,)`` into the flattened ``(rows * block_size)`` batch: those that get logits.
        kept: ``(m,)`` further positions whose states alone are needed; none of them in ``positions``.
        grid: ``(rows, longest)`` the selected positions row by row, filled up with each row's first.
        slots: ``(n + m,)`` where in the flattened grid each of ``positions`` and then ``kept`` stands.
    """

    positions: torch.Tensor
    kept: torch.Tensor
    grid: torch.Tensor
    slots: torch.Tensor

    @classmethod
    def of(cls, positions: np.ndarray, kept: np.ndarray, rows: int, block_size: int) -> Selection:
        """Returns the selection of ascending ``positions`` and ascending ``kept`` in ``rows`` blocks."""
        selected = np.concatenate([positions, kept])
        order = np.argsort(selected, kind="stable")
        row = selected[order] // block_size
        counts = np.bincount(row, minlength=rows)
        rank = np.arange(len(selected)) - (np.cumsum(counts) - counts)[row]
        longest = max(1, int(counts.max(initial=0)))
        grid = np.repeat(np.arange(rows)[:, None] * block_size, longest, axis=1)
        grid[row, rank] = selected[order]
        slots = np.empty(len(selected), dtype=np.int64)
        slots[order] = row * longest + rank
        return cls(*(torch.from_numpy(array.astype(np.int64)) for array in (positions, kept, grid, slots)))

    def tensors(self) -> dict[str, torch.Tensor]:
        """Returns the four tensors by name; ``Selection(**tensors)`` is the way back."""
        return {"positions": self.positions, "kept": self.kept, "grid": self.grid, "slots": self.slots}

    def to(self, device: torch.device) -> Selection:
        """Returns the selection on a device."""
        return Selection(**{key: value.to(device) for key, value in self.tensors().items()})


class SparseLastLayer:
    """Lets the last layer of ``model`` compute selected positions only, while :meth:`selecting` is active.

    The encoder's output is then ``(1, n + m, hidden)``. Where the architecture or the attention implementation is not
    known, under gradient checkpointing (which calls the layer again when the selection is gone) and in a compiled layer
    (which would be compiled anew for every shape), nothing changes.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._known = model.config.model_type in _LIKE_BERT and not model.config.is_decoder

    @contextmanager
    def selecting(self, selection: Selection) -> Iterator[bool]:
        """While active, the last layer computes ``selection`` only; yields whether it does."""
        if not self._known or self._model.config._attn_implementation != "sdpa":
            yield False
            return
        layer = self._model.base_model.encoder.layer[-1]
        if getattr(layer, "gradient_checkpointing", False) or layer._compiled_call_impl is not None:
            yield False
            return
        attention = layer.attention
        # On the instances and for one forward pass: a copy of the model, made at another time, is the stock one.
        attention.self.forward = partial(_attend, attention.self, selection)
        attention.output.forward = partial(_project, attention.output.forward, selection)
        try:
            yield True
        finally:
            del attention.self.forward, attention.output.forward


def _attend(
    attention: Any,
    selection: Selection,
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    **keywords: Any,
) -> tuple[torch.Tensor, None]:
    """Self-attention with queries at the selected positions, ``(1, n + m, hidden)``."""
    rows, width, size = hidden_states.shape
    selected = torch.cat([selection.positions, selection.kept])
    queries = attention.query(hidden_states.reshape(-1, size).index_select(0, selected))
    grid = queries.new_zeros(selection.grid.numel(), queries.shape[-1]).index_copy(0, selection.slots, queries)
    shape = (rows, -1, attention.num_attention_heads, attention.attention_head_size)
    if attention_mask is not None and attention_mask.shape[2] > 1:  # a mask of pairs: the rows of the queries
        pairs = attention_mask.expand(rows, 1, width, width).reshape(rows * width, width)
        attention_mask = pairs.index_select(0, selection.grid.reshape(-1)).view(rows, 1, -1, width)
    attended = functional.scaled_dot_product_attention(
        grid.view(shape).transpose(1, 2),
        attention.key(hidden_states).view(shape).transpose(1, 2),
        attention.value(hidden_states).view(shape).transpose(1, 2),
        attn_mask=attention_mask,
        dropout_p=attention.dropout.p if attention.training else 0.0,
        scale=attention.scaling,
    )
    flat = attended.transpose(1, 2).reshape(-1, attention.all_head_size)
    return flat.index_select(0, selection.slots)[None], None


def _project(
    stock: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    selection: Selection,
    attended: torch.Tensor,
    residual: torch.Tensor,
) -> torch.Tensor:
    """The attention's output projection, with the residual at the selected positions."""
    selected = torch.cat([selection.positions, selection.kept])
    return stock(attended, residual.reshape(-1, residual.shape[-1]).index_select(0, selected)[None])
