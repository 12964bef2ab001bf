"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math
from typing import Literal


def learning_rate_factor(
    step: int, *, steps: int, warmup_ratio: float, schedule: Literal["linear", "cosine", "constant"]
) -> float:
    """Returns the factor in (0, 1] on the peak learning rate in ``step`` (0-based) of ``steps``.

    Warm-up is linear over ``warmup_ratio * steps`` and its first step already learns; afterwards the rate goes down
    to 0 just after the last step (``linear``, ``cosine``) or stays (``constant``).
    """
    warmup = round(warmup_ratio * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule == "constant":
        return 1.0
    progress = (step - warmup) / max(steps - warmup, 1)
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * progress))
    return 1.0 - progress
