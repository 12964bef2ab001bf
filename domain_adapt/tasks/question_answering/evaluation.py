"""Running a model over windows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from domain_adapt.tasks.question_answering.decoding import IMPOSSIBLE
from domain_adapt.tasks.question_answering.windows import Features
from domain_adapt.tasks.token_rows import finite, forward

SpanLogits = tuple[np.ndarray, np.ndarray]


def predict_logits(
    model: nn.Module,
    features: Features,
    *,
    batch_size: int,
    device: torch.device | str,
    pad_token_id: int,
    dtype: torch.dtype | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> SpanLogits:
    """Returns start and end logits, each (windows, longest window) float32, -1e30 behind the end of a window.

    The arguments are those of :func:`domain_adapt.tasks.token_rows.forward`.

    Raises:
        DomainAdaptError: If a logit is not a finite number.
    """
    longest = int(features.lengths.max(initial=0))
    start = np.full((len(features), longest), IMPOSSIBLE, dtype=np.float32)
    end = start.copy()
    for rows, inside, outputs in forward(
        model,
        features,
        batch_size=batch_size,
        device=device,
        pad_token_id=pad_token_id,
        dtype=dtype,
        on_progress=on_progress,
    ):
        for target, logits in ((start, outputs.start_logits), (end, outputs.end_logits)):
            logits = logits.masked_fill(~torch.from_numpy(inside).to(logits.device), IMPOSSIBLE)
            target[rows, : inside.shape[1]] = finite(logits)
    return start, end
