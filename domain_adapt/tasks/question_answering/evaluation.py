"""Running a model over windows, and from there to metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from domain_adapt.recipes import QuestionAnsweringSettings
from domain_adapt.tasks.question_answering.data import Example
from domain_adapt.tasks.question_answering.decoding import IMPOSSIBLE, Prediction, best_spans
from domain_adapt.tasks.question_answering.metric import score_predictions
from domain_adapt.tasks.question_answering.windows import Features, featurise, fit_to_model
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


def evaluate_model(
    model: nn.Module,
    tokenizer: Any,
    examples: Sequence[Example],
    settings: QuestionAnsweringSettings,
    *,
    batch_size: int = 32,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    allow_null: bool | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, float], list[Prediction]]:
    """Returns metrics in percent (see :class:`SquadMetric`) and one prediction an example, in their order.

    Args:
        model: A question-answering model, already on ``device``.
        tokenizer: Its fast tokenizer.
        examples: What to ask.
        settings: Windows and answer length; ``max_length`` is lowered to what the model takes.
        batch_size: Windows in one forward pass.
        device: Where the model is.
        dtype: Autocast to this type.
        allow_null: Whether "" may be answered; None means: if an example is unanswerable.
        on_progress: Hears (windows done, windows).
    """
    settings = fit_to_model(settings, getattr(model, "config", None))
    features = featurise(examples, tokenizer, settings)
    start, end = predict_logits(
        model,
        features,
        batch_size=batch_size,
        device=device,
        pad_token_id=tokenizer.pad_token_id,
        dtype=dtype,
        on_progress=on_progress,
    )
    if allow_null is None:
        allow_null = any(not example.answers for example in examples)
    predictions = best_spans(start, end, features, examples, settings, allow_null=allow_null)
    return score_predictions(examples, predictions), predictions
