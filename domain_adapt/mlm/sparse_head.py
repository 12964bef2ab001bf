"""Runs the LM head on chosen positions only, inside the model's own ``forward``.

Full logits for a batch of 16 x 128 tokens over 30,522 entries are 250 MB, of which 15 % are ever looked at. A pre-hook
on the head's first module hands it just those rows. The model stays the stock class: its saved files know nothing of
this, and a wrapper such as DistributedDataParallel still sees one ``forward``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

logger = logging.getLogger(__name__)

# model_type -> candidates for the first module after the encoder; everything from there on works token by token.
HEAD_MODULES: dict[str, tuple[str, ...]] = {
    "roberta": ("lm_head",),
    "xlm-roberta": ("lm_head",),
    "camembert": ("lm_head",),
    "bert": ("cls",),
    "distilbert": ("vocab_transform",),
    "deberta-v2": ("cls", "lm_predictions"),
    "electra": ("generator_predictions",),
    "albert": ("predictions",),
    "modernbert": ("head",),
}


def head_module(model: PreTrainedModel) -> nn.Module | None:
    """Returns the first module of the LM head of a masked language model, or None for an unknown architecture."""
    for name in HEAD_MODULES.get(model.config.model_type, ()):
        module = getattr(model, name, None)
        if isinstance(module, nn.Module):
            return module
    return None


def head_parameters(model: PreTrainedModel) -> list[str]:
    """Returns the names of the parameters of the LM head, those tied to the input embeddings left out."""
    encoder = {id(parameter) for parameter in model.base_model.parameters()}
    return [name for name, parameter in model.named_parameters() if id(parameter) not in encoder]


class SparseHead:
    """A hook on ``model`` that computes logits for chosen positions only.

    For an architecture without a known head module all logits are computed and then selected (with a warning).

    Attributes:
        hidden: The encoder's last states ``(rows, block_size, hidden)`` of the latest forward pass, or None where
            the architecture is unknown.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.hidden: torch.Tensor | None = None
        self._positions: torch.Tensor | None = None
        module = head_module(model)
        self.is_sparse = module is not None
        if module is None:
            logger.warning("no known LM head in model type %r: computing all logits", model.config.model_type)
        else:
            module.register_forward_pre_hook(self._select)

    @contextmanager
    def positions(self, positions: torch.Tensor) -> Iterator[None]:
        """While active, a forward pass computes logits only at ``positions``.

        Args:
            positions: ``(n,)`` int64 into the flattened ``(rows * block_size)`` batch.
        """
        self._positions = positions
        try:
            yield
        finally:
            self._positions = None

    def logits(self, model: nn.Module, positions: torch.Tensor, **inputs: Any) -> torch.Tensor:
        """Returns the logits ``(n, vocab_size)`` of one forward pass at ``positions`` ``(n,)``."""
        with self.positions(positions):
            output: torch.Tensor = model(**inputs).logits
        if self.is_sparse:
            return output
        return output.reshape(-1, output.shape[-1]).index_select(0, positions)

    def _select(self, module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if self._positions is None:
            return None
        states: torch.Tensor = arguments[0]
        self.hidden = states
        return (states.reshape(-1, states.shape[-1]).index_select(0, self._positions), *arguments[1:])
