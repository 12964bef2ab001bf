"""Gradual unfreezing: the head learns from the start, the layers below it join in one by one."""

from __future__ import annotations

from torch import nn

from domain_adapt.errors import DomainAdaptError
from domain_adapt.training import ranks
from domain_adapt.training.freezing import embedding_parameters, layer_count, layer_of


class GradualUnfreezing:
    """Called before each step: lets the layers learn from the top, the embeddings last.

    Howard and Ruder 2018 (arXiv:1801.06146) unfreeze a layer an epoch; here ``share`` of the steps is divided evenly:
    of n layers the k-th from the top begins at step ``round(share * steps * k / (n + 1))`` and the embeddings at
    ``round(share * steps)``. What is frozen for good when this is made stays frozen.

    Args:
        model: Its ``requires_grad`` are set.
        share: Of the steps, in (0, 1].
        steps: Of the run.

    Raises:
        DomainAdaptError: If several processes train together: they have to agree on the parameters that learn.
    """

    def __init__(self, model: nn.Module, share: float, steps: int) -> None:
        if ranks.count() > 1:
            raise DomainAdaptError(
                f"finetune.gradual_unfreezing: works in one process only (there are {ranks.count()})",
                hint="set it to 0, or train without a launcher",
            )
        depth = layer_count(model)
        embeddings = embedding_parameters(model)
        self.begins: dict[int, list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            layer = layer_of(name)
            unit = depth + 1 if id(parameter) in embeddings else 0 if layer is None else depth - layer
            if unit and parameter.requires_grad:
                self.begins.setdefault(round(share * steps * unit / (depth + 1)), []).append(parameter)

    def __call__(self, step: int) -> None:
        """Sets what learns in ``step`` (0-based), whichever step was the one before."""
        for begin, parameters in self.begins.items():
            for parameter in parameters:
                parameter.requires_grad_(step >= begin)
