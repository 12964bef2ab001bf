"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math

from domain_adapt.recipes.schema import OptimizerSettings


def learning_rate_factor(step: int, steps: int, settings: OptimizerSettings) -> float:
    """Returns the factor in (0, 1] on the peak learning rate in ``step`` (0-based) of ``steps``.

    Warm-up is linear over ``warmup_ratio * steps`` and its first step already learns. Afterwards the rate goes down to
    0 just after the last step (``linear``, ``cosine``), stays (``constant``), or stays until the last ``decay_ratio *
    steps`` and then goes down linearly to 0 (``wsd``: warm-up, stable, decay; Hu et al. 2024, arXiv 2404.06395; linear
    decay: Hägele et al. 2024, arXiv 2405.18392).
    """
    warmup = round(settings.warmup_ratio * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if settings.schedule == "constant":
        return 1.0
    start = warmup
    if settings.schedule == "wsd":
        start = max(warmup, steps - max(1, round(settings.decay_ratio * steps)))
        if step < start:
            return 1.0
    progress = (step - start) / max(steps - start, 1)
    if settings.schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * progress))
    return 1.0 - progress
