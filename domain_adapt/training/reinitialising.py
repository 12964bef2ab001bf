"""Starts the highest encoder layers anew before fine-tuning."""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedModel

from domain_adapt.errors import DomainAdaptError
from domain_adapt.training.freezing import encoder_layers

_DEFAULT_RANGE = 0.02  # standard deviation of BERT and RoBERTa, for a configuration that names none


def reinitialise_layers(model: PreTrainedModel, count: int, *, seed: int) -> None:
    """Draws the highest ``count`` encoder layers of ``model`` as they were before pretraining, in place.

    Zhang et al. 2021 (arXiv:2006.05987): with few labels the top layers of a large model are too specialised to be of
    use, and a new start makes fine-tuning steadier. Matrices are normal with the configuration's ``initializer_range``,
    scales of norms 1, the rest 0.

    Args:
        model: Changed in place; its head is not touched.
        count: 0 changes nothing.
        seed: Decides the numbers; global generators are not touched.

    Raises:
        DomainAdaptError: If the model has fewer layers.
    """
    layers = encoder_layers(model)
    if count > len(layers):
        raise DomainAdaptError(f"finetune.reinitialise_layers: {count} layers, but the model has {len(layers)}")
    generator = torch.Generator().manual_seed(seed)
    deviation = float(getattr(model.config, "initializer_range", _DEFAULT_RANGE))
    with torch.no_grad():
        for layer in layers[len(layers) - count :]:
            for module in layer.modules():
                _draw(module, deviation, generator)


def _draw(module: nn.Module, deviation: float, generator: torch.Generator) -> None:
    is_norm = "norm" in type(module).__name__.lower()
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.ndim > 1:
            parameter.copy_(torch.empty(parameter.shape).normal_(0.0, deviation, generator=generator))
        else:
            parameter.fill_(1.0 if is_norm and name == "weight" else 0.0)
