"""Low-rank adapters (Hu et al. 2021, arXiv:2106.09685) through ``peft``, on a stock model and merged back into it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import PreTrainedModel

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import Lora
from domain_adapt.training.freezing import embedding_parameters, encoder_layers, layer_of

if TYPE_CHECKING:
    from peft.tuners.lora import LoraModel

logger = logging.getLogger(__name__)


class Adapters:
    """Adapters in the linear layers of a model's encoder, which else learns nothing any more; its head does.

    The model stays the object that it was; its matrices are wrapped in place until :meth:`merge`.

    Args:
        model: On the CPU, frozen layers chosen already: these get no adapter.
        settings: Rank above 0.
        frozen_layers: The lowest so many layers get none.
        table: Of the recipe, for errors.
        seed: Of the adapters' first numbers; global generators are not touched.

    Raises:
        DomainAdaptError: If there is no linear layer of the names wanted.
    """

    def __init__(self, model: PreTrainedModel, settings: Lora, *, frozen_layers: int, table: str, seed: int) -> None:
        from peft import LoraConfig
        from peft.tuners.lora import LoraModel

        targets = _targets(model, settings, frozen_layers, table)
        head = _head_parameters(model)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            config = LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=targets)
            self._tuner: LoraModel = LoraModel(model, {"default": config}, "default")
        for parameter in head:
            parameter.requires_grad_(True)
        learning = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        total = sum(parameter.numel() for parameter in model.parameters())
        logger.info(
            "low-rank adapters in %d matrices: %s of %s weights learn", len(targets), f"{learning:,}", f"{total:,}"
        )

    def merge(self) -> None:
        """Adds the adapters to the matrices; the model is stock again, with the same outputs up to rounding."""
        self._tuner.merge_and_unload(safe_merge=True)


def _targets(model: PreTrainedModel, settings: Lora, frozen_layers: int, table: str) -> list[str]:
    inside = {id(module) for layer in encoder_layers(model) for module in layer.modules()}
    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    found = [
        name
        for name, module in linear.items()
        if id(module) in inside and (layer := layer_of(name)) is not None and layer >= frozen_layers
    ]
    wanted = [
        name
        for name in found
        if not settings.targets or any(name == end or name.endswith("." + end) for end in settings.targets)
    ]
    if not wanted:
        ends = sorted({name.rpartition(".")[2] for name in found})
        raise DomainAdaptError(
            f"{table}.lora.targets: no linear layer of the encoder is called {' or '.join(settings.targets)}",
            hint=f"there are: {', '.join(ends)}" if ends else None,
        )
    return wanted


def _head_parameters(model: PreTrainedModel) -> list[nn.Parameter]:
    """Returns what lies on top of the encoder and learns; a head tied to the embeddings does not.

    A pooler is part of the head: masked LMs have none, so that it starts untrained.
    """
    named = model.base_model.named_parameters()
    encoder = {id(parameter) for name, parameter in named if "pooler" not in name.split(".")}
    encoder |= embedding_parameters(model)
    return [one for one in model.parameters() if id(one) not in encoder and one.requires_grad]
