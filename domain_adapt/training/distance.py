"""How far apart the weights of two models are, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from domain_adapt.checkpoints.weights import Weights, open_weights
from domain_adapt.training.freezing import layer_of

EMBEDDINGS, HEAD, REST = "embeddings", "head", "rest of the encoder"


@dataclass
class GroupDistance:
    """One part of the model.

    Attributes:
        group: ``embeddings``, ``layer 0`` ..., ``rest of the encoder``, ``head``.
        numbers: In it.
        squared_difference: Sum of the squared differences.
        squared_norm: Sum of the first model's squares.
        largest: Largest absolute difference.
    """

    group: str
    numbers: int = 0
    squared_difference: float = 0.0
    squared_norm: float = 0.0
    largest: float = 0.0

    @property
    def relative(self) -> float:
        """Norm of the difference over the norm of the first model's weights: 0 is the same."""
        if not self.squared_norm:
            return math.inf if self.squared_difference else 0.0
        return math.sqrt(self.squared_difference / self.squared_norm)


@dataclass(frozen=True)
class WeightDistance:
    """Two models' weights.

    Attributes:
        groups: From the embeddings to the head, of the tensors that both have in one shape.
        only: Tensors that only the first, and only the second has.
        shapes: Tensor -> its shape in both, where they differ.
    """

    groups: list[GroupDistance]
    only: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)

    @property
    def furthest(self) -> float:
        """Relative distance of the part that is furthest apart; all parts as one would hide the smaller ones."""
        return max((one.relative for one in self.groups), default=0.0)

    @property
    def largest(self) -> float:
        """Largest absolute difference of a weight."""
        return max((one.largest for one in self.groups), default=0.0)


def group_of(name: str, encoder: str) -> str:
    """Returns the part of the model that a tensor belongs to; ``encoder`` is what the encoder's names begin with."""
    if (layer := layer_of(name)) is not None:
        return f"layer {layer}"
    if "embeddings" in name:
        return EMBEDDINGS
    return REST if name.partition(".")[0] == encoder else HEAD


def weight_distance(one: Sequence[Path], other: Sequence[Path]) -> WeightDistance:
    """Returns how far the weights in ``other`` are from those in ``one``; both are safetensors files of a model.

    Reads a piece of a tensor at a time, computes in float64.
    """
    with open_weights(one) as first, open_weights(other) as second:
        names = [name for name in first.names if name in second.homes]
        encoder = next((name.partition(".")[0] for name in first.names if layer_of(name) is not None), "")
        shapes = {name: (first.shape(name), second.shape(name)) for name in names}
        groups: dict[str, GroupDistance] = {}
        for name in names:
            if shapes[name][0] == shapes[name][1]:
                group = group_of(name, encoder)
                _add(groups.setdefault(group, GroupDistance(group)), first, second, name)
        return WeightDistance(
            sorted(groups.values(), key=_order),
            (_missing(first, second), _missing(second, first)),
            {name: pair for name, pair in shapes.items() if pair[0] != pair[1]},
        )


def _missing(one: Weights, other: Weights) -> list[str]:
    return [name for name in one.names if name not in other.homes]


def _add(group: GroupDistance, first: Weights, second: Weights, name: str) -> None:
    for left, right in zip(first.pieces(name), second.pieces(name), strict=True):
        one, other = left.double(), right.double()
        difference = other - one
        group.numbers += one.numel()
        group.squared_norm += float(one.square().sum())
        group.squared_difference += float(difference.square().sum())
        if difference.numel():
            group.largest = max(group.largest, float(difference.abs().max()))


def _order(group: GroupDistance) -> tuple[int, int]:
    if group.group.startswith("layer "):
        return 1, int(group.group.removeprefix("layer "))
    return {EMBEDDINGS: 0, REST: 2, HEAD: 3}[group.group], 0
