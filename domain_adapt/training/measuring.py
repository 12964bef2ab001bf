"""How fast this machine multiplies matrices: the peak that a training step is compared to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch

# Enough of one shape to see its best; the first product of a shape is cold.
_SECONDS_A_SHAPE = 0.5
_LEAST_PRODUCTS = 3


def encoder_shapes(config: Any, tokens: int) -> list[tuple[int, int, int]]:
    """Returns the ``(m, k, n)`` of the products in an encoder's layer for ``tokens`` tokens, the largest first.

    Args:
        config: Of the model.
        tokens: In one pass.
    """
    hidden = int(config.hidden_size)
    wide = int(getattr(config, "intermediate_size", None) or getattr(config, "hidden_dim", None) or 4 * hidden)
    return [(tokens, hidden, wide), (tokens, wide, hidden), (tokens, hidden, hidden)]


def gemm_peak(
    device: torch.device, dtype: torch.dtype, shapes: Sequence[tuple[int, int, int]], seconds: float = _SECONDS_A_SHAPE
) -> float:
    """Returns the best FLOP/s of a matrix product over ``shapes``; a multiplication and an addition are two FLOP.

    Args:
        device: Where to multiply.
        dtype: Of the factors and of the product.
        shapes: ``(m, k, n)``: ``(m, k) @ (k, n)``.
        seconds: Time for one shape.
    """
    best = 0.0
    for m, k, n in shapes:
        one, other = torch.ones(m, k, device=device, dtype=dtype), torch.ones(n, k, device=device, dtype=dtype).T
        deadline = time.perf_counter() + seconds
        products = 0
        while products < _LEAST_PRODUCTS or time.perf_counter() < deadline:
            best = max(best, 2.0 * m * k * n / _product_seconds(one, other))
            products += 1
    return best


def _product_seconds(one: torch.Tensor, other: torch.Tensor) -> float:
    if one.device.type == "cuda":
        # One product is over sooner than the host can tell; twenty in a row are timed as one.
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(20):
            torch.mm(one, other)
        torch.cuda.synchronize()
        return (time.perf_counter() - started) / 20
    started = time.perf_counter()
    torch.mm(one, other)
    return time.perf_counter() - started
