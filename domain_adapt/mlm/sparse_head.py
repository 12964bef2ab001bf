"""Runs the LM head on chosen positions only, inside the model's own ``forward``.

Full logits for a batch of 16 x 128 tokens over 30,522 entries are 250 MB, of which 15 % are ever looked at. A pre-hook
on the head's first module hands it just those rows. The model stays the stock class: its saved files know nothing of
this, and a wrapper such as DistributedDataParallel still sees one ``forward``.
"""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from domain_adapt.mlm.sparse_layer import Selection, SparseLastLayer

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
    """Makes a forward pass of ``model`` compute logits for chosen positions only.

    Where the architecture allows it, the last layer skips the others too (:class:`SparseLastLayer`). For an
    architecture without a known head module all logits are computed and then selected (with a warning).

    Attributes:
        kept: The encoder's last states ``(m, hidden)`` at ``selection.kept`` of the latest forward pass; None before
            it, and where the architecture is unknown.
        is_sparse: Whether the head module is known.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.kept: torch.Tensor | None = None
        self._selection: Selection | None = None
        self._layer = SparseLastLayer(model)
        self._states_are_selected = False
        module = head_module(model)
        self.is_sparse = module is not None
        if module is None:
            logger.warning("no known LM head in model type %r: computing all logits", model.config.model_type)
        else:
            module.register_forward_pre_hook(self._select)

    def logits(self, model: nn.Module, selection: Selection, **inputs: Any) -> torch.Tensor:
        """Returns the logits ``(n, vocab_size)`` of one forward pass at ``selection.positions``.

        Args:
            model: The model, or a wrapper such as DistributedDataParallel around it.
            selection: On the model's device.
            inputs: Arguments of the forward pass.
        """
        if not self.is_sparse:
            output: torch.Tensor = model(**inputs).logits
            return output.reshape(-1, output.shape[-1]).index_select(0, selection.positions)
        self._selection = selection
        try:
            with self._layer.selecting(selection) as self._states_are_selected:
                output = model(**inputs).logits
        finally:
            self._selection = None
        return output

    def _select(self, module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        selection = self._selection
        if selection is None:
            return None
        states: torch.Tensor = arguments[0]
        flat = states.reshape(-1, states.shape[-1])
        if self._states_are_selected:
            count = len(selection.positions)
            chosen, self.kept = flat[:count], flat[count:]
        else:
            chosen, self.kept = flat.index_select(0, selection.positions), flat.index_select(0, selection.kept)
        return (chosen, *arguments[1:])
