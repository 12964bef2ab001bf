"""Means of weights: several models of one base become one (WiSE-FT, model soups)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

# Shares such as three times 0.3333 are meant to add up to 1.
TOLERANCE = 1e-3


def check_weights(weights: Sequence[float], count: int) -> list[float]:
    """Returns ``weights`` scaled to add up to exactly 1.

    Raises:
        ValueError: If there are not ``count`` of them, one is not in [0, 1], or their sum is not about 1.
    """
    if len(weights) != count:
        raise ValueError(f"expected {count} weights, one for each model (found {len(weights)})")
    for weight in weights:
        if not 0 <= weight <= 1:
            raise ValueError(f"expected weights from 0 to 1 (found {weight:g})")
    total = math.fsum(weights)
    if abs(total - 1) > TOLERANCE:
        raise ValueError(f"expected weights that add up to 1 (found a sum of {total:g})")
    return [weight / total for weight in weights]


def interpolate_tensor(tensors: Sequence[torch.Tensor], weights: Sequence[float]) -> torch.Tensor:
    """Returns the weighted mean of tensors of one shape, float32, on the device of the first.

    Added up in float64 on the CPU (not every device has it), so that the order of the models plays no part but for the
    last rounding, and a mean of equal tensors is that tensor. Tensors of integers are no weights: they must be equal.

    Args:
        tensors: One a model.
        weights: Adding up to 1; one of 0 leaves its tensor out, whatever is in it.

    Raises:
        ValueError: If shapes differ, or integers do.
    """
    first = tensors[0]
    if any(tensor.shape != first.shape for tensor in tensors):
        raise ValueError(f"shapes differ: {', '.join(str(tuple(tensor.shape)) for tensor in tensors)}")
    if not first.is_floating_point():
        if any(not torch.equal(tensor, first) for tensor in tensors):
            raise ValueError("integers differ")
        return first.clone()
    total = torch.zeros(first.shape, dtype=torch.float64)
    for tensor, weight in zip(tensors, weights, strict=True):
        if weight:
            total += weight * tensor.detach().to("cpu", torch.float64)
    return total.to(first.device, torch.float32)


def interpolate(states: Sequence[Mapping[str, torch.Tensor]], weights: Sequence[float]) -> dict[str, torch.Tensor]:
    """Returns the weighted mean of the weights of several models, tensor by tensor, float32.

    With two models, the base and what it was trained to, it is WiSE-FT (Wortsman et al. 2022, arXiv 2109.01903); with
    several trained from one base, a model soup (Wortsman et al. 2022, arXiv 2203.05482).

    Args:
        states: Name -> tensor, the same names and shapes in all.
        weights: One a model, from 0 to 1, adding up to 1.

    Raises:
        ValueError: If names, shapes or integers differ, or the weights are not as said.
    """
    weights = check_weights(weights, len(states))
    for state in states[1:]:
        if different := state.keys() ^ states[0].keys():
            raise ValueError(f"{sorted(different)[0]} is not in every model")
    return {name: interpolate_tensor([state[name] for state in states], weights) for name in states[0]}
