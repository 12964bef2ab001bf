"""Which parameters learn and how fast: freezing, layer-wise decay, weight decay, a new head's own rate."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from torch import nn

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import Freeze

# encoder.layer.3., transformer.layer.3., layers.3., albert_layer_groups.0. : how the supported encoders name a layer
_LAYER = re.compile(r"(?:^|\.)(?:layer|layers|albert_layer_groups)\.(\d+)\.")


def layer_of(name: str) -> int | None:
    """Returns the 0-based encoder layer that a parameter name belongs to, or None."""
    found = _LAYER.search(name)
    return int(found.group(1)) if found else None


def embedding_parameters(model: nn.Module) -> set[int]:
    """Returns the ``id`` of every parameter of the embeddings below the first layer.

    By identity and not by name: where the head comes first in the model, as in XLM-RoBERTa, the word embeddings that it
    is tied to go by the head's name.
    """
    named = model.named_parameters(remove_duplicate=False)
    return {id(parameter) for name, parameter in named if "embeddings" in name.split(".")}


def encoder_layers(model: nn.Module) -> list[nn.Module]:
    """Returns the modules of the encoder's layers, lowest first; empty for an architecture that is not known."""
    return [module for name, module in model.named_modules() if _ends_with_layer(name + ".")]


def _ends_with_layer(name: str) -> bool:
    found = _LAYER.search(name)
    return found is not None and found.end() == len(name)


def layer_count(model: nn.Module) -> int:
    """Returns the number of encoder layers with parameters of their own (1 for ALBERT, which shares them)."""
    layers = [layer for name, _ in model.named_parameters() if (layer := layer_of(name)) is not None]
    return max(layers) + 1 if layers else 0


def freeze(model: nn.Module, settings: Freeze, table: str) -> int:
    """Stops the chosen parameters from learning and returns how many values that is.

    Args:
        model: Changed in place.
        settings: What to freeze.
        table: Table of the recipe that ``settings`` stands in, for the error.

    Raises:
        DomainAdaptError: If ``settings.layers`` is more than the model has.
    """
    available = layer_count(model)
    if settings.layers > available:
        raise DomainAdaptError(
            f"{table}.freeze.layers: {settings.layers} layers to freeze, but the model has {available}"
        )
    frozen = 0
    embeddings = embedding_parameters(model)
    for name, parameter in model.named_parameters():
        layer = layer_of(name)
        if (settings.embeddings and id(parameter) in embeddings) or (layer is not None and layer < settings.layers):
            parameter.requires_grad_(False)
            frozen += parameter.numel()
    return frozen


def parameter_groups(
    model: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    layer_decay: float = 1.0,
    fast: Collection[str] = (),
    fast_scale: float = 1.0,
) -> list[dict[str, Any]]:
    """Returns AdamW parameter groups; a group's ``peak`` is its learning rate before the schedule.

    Args:
        model: Parameters that need no gradient are left out.
        learning_rate: Of the top of the model.
        weight_decay: For matrices; biases and norms (one dimension) have none (Loshchilov and Hutter 2019).
        layer_decay: Factor per layer downwards: the top layer learns at ``learning_rate * layer_decay``, the embeddings
            slowest (Howard and Ruder 2018, arXiv 1801.06146, as used by Zhang et al. 2021, arXiv 2006.05987).
        fast: Names of parameters that learn at ``learning_rate * fast_scale``: a head that starts untrained.
        fast_scale: Factor for ``fast``.
    """
    depth = layer_count(model)
    embeddings = embedding_parameters(model)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in _learning(model):
        layer = layer_of(name)
        power = depth - layer if layer is not None else depth + 1 if id(parameter) in embeddings else 0
        peak = learning_rate * layer_decay**power * (fast_scale if name in fast else 1.0)
        decay = weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((peak, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": peak, "peak": peak, "weight_decay": decay}
        for (peak, decay), parameters in groups.items()
    ]


def _learning(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def set_dropout(model: nn.Module, rate: float | None) -> None:
    """Sets every dropout rate of ``model`` while its saved configuration keeps the base's; None changes nothing."""
    if rate is None:
        return
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate
        elif isinstance(getattr(module, "attention_dropout", None), float):  # ModernBERT passes it as a number
            setattr(module, "attention_dropout", rate)  # noqa: B010  (torch types every attribute as a module)


def has_dropout(model: nn.Module) -> bool:
    """Tells whether a dropout rate of ``model`` is above 0."""
    rates = (
        module.p if isinstance(module, nn.Dropout) else getattr(module, "attention_dropout", 0.0)
        for module in model.modules()
    )
    return any(isinstance(rate, float) and rate > 0 for rate in rates)
