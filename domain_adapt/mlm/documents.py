"""Packed documents that do not see each other: block-diagonal attention, positions that restart.

A packed block may hold the end of one document and the beginning of the next. By default its tokens see the whole
block, as in RoBERTa's FULL-SENTENCES (Liu et al. 2019, arXiv 1907.11692). With :class:`DocumentAttention` each token
sees its own document only, so the result is as if every document had been a row of its own, without the padding
(Krell et al. 2021, arXiv 2107.02027, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from domain_adapt.errors import DomainAdaptError

# Model types whose forward takes a mask of pairs of positions, and how they count positions: RoBERTa's descendants
# begin behind the padding id, the others at 0. (DeBERTa-v2 takes masks of single positions only.)
_BEHIND_PADDING = frozenset({"roberta", "xlm-roberta", "camembert"})
_FROM_ZERO = frozenset({"bert", "distilbert", "electra", "albert", "modernbert"})


@dataclass(frozen=True)
class DocumentAttention:
    """Tells the documents of a block apart, and keeps them apart.

    Attributes:
        sep_id: Stands between documents and closes a block.
        pad_id: Fills the last block.
        first_position: Position id of a block's first token.
        window: Distance that the local layers of the architecture reach, or None where all layers see everything.
    """

    sep_id: int
    pad_id: int
    first_position: int
    window: int | None = None

    def documents(self, blocks: np.ndarray) -> np.ndarray:
        """Returns the number of the document that each token belongs to, ``(rows, block_size)`` int64.

        A separator belongs to the document before it; padding is -1.
        """
        separators = blocks == self.sep_id
        numbers = np.cumsum(separators, axis=1) - separators
        return np.where(blocks == self.pad_id, -1, numbers)

    def position_ids(self, documents: np.ndarray) -> np.ndarray:
        """Returns the position ids of blocks with these ``documents``, ``(rows, block_size)`` int64.

        A block's first token, [CLS], has the first position. A later document begins at the second one, where it would
        stand behind a [CLS] of its own.
        """
        columns = np.arange(documents.shape[1])
        begins = np.zeros(documents.shape, dtype=bool)
        begins[:, 1:] = documents[:, 1:] != documents[:, :-1]
        starts = np.maximum.accumulate(np.where(begins, columns, 0), axis=1)
        return columns - starts + (starts > 0) + self.first_position

    def mask(self, documents: torch.Tensor) -> torch.Tensor | dict[str, torch.Tensor]:
        """Returns what the model takes as ``attention_mask``: True where the query may see the key.

        Args:
            documents: ``(rows, block_size)`` int64, from :meth:`documents`.

        Returns:
            ``(rows, 1, block_size, block_size)`` bool; for an architecture with local layers one for each kind.
        """
        same = documents[:, None, :, None] == documents[:, None, None, :]
        if self.window is None:
            return same
        positions = torch.arange(documents.shape[1], device=documents.device)
        near = (positions[:, None] - positions[None, :]).abs() <= self.window
        return {"full_attention": same, "sliding_attention": same & near}


def document_attention(model: PreTrainedModel, *, sep_id: int, pad_id: int) -> DocumentAttention:
    """Returns the document attention that fits the architecture of ``model``.

    Raises:
        DomainAdaptError: If the architecture cannot keep documents apart.
    """
    kind = model.config.model_type
    if kind not in _BEHIND_PADDING | _FROM_ZERO:
        known = ", ".join(sorted(_BEHIND_PADDING | _FROM_ZERO))
        raise DomainAdaptError(
            f"mlm.document_attention: not possible with a base of type {kind!r}; expected one of {known}",
            hint="leave mlm.document_attention at false",
        )
    if model.config._attn_implementation != "sdpa":  # other implementations read True as the number 1
        model.set_attn_implementation("sdpa")
    first = model.config.pad_token_id + 1 if kind in _BEHIND_PADDING else 0
    window = model.config.sliding_window if kind == "modernbert" else None
    return DocumentAttention(sep_id, pad_id, first, window)
