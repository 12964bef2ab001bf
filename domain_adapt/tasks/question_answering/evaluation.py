"""Running a model over windows, and from there to metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import QuestionAnsweringSettings
from domain_adapt.tasks.question_answering.data import Example
from domain_adapt.tasks.question_answering.decoding import IMPOSSIBLE, Prediction, best_spans
from domain_adapt.tasks.question_answering.metric import score_predictions
from domain_adapt.tasks.question_answering.objective import window_inputs
from domain_adapt.tasks.question_answering.windows import Features, featurise, fit_to_model

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

    Windows of like length share a batch, the longest first (what does not fit in memory fails at once). The model's
    mode (train or eval) is as before afterwards.

    Args:
        model: Already on ``device``.
        features: The windows.
        batch_size: Windows in one forward pass.
        device: Where the inputs go.
        pad_token_id: Of the tokenizer.
        dtype: Autocast to this type, e.g. ``torch.bfloat16``; None computes in the model's own.
        on_progress: Hears (windows done, windows) after each batch.

    Raises:
        DomainAdaptError: If a logit is not a finite number.
    """
    lengths = features.lengths
    order = np.argsort(-lengths, kind="stable")
    start = np.full((len(features), int(lengths.max(initial=0))), IMPOSSIBLE, dtype=np.float32)
    end = start.copy()
    kind = torch.device(device).type
    was_training = model.training
    model.eval()
    try:
        for begin in range(0, len(order), batch_size):
            rows = order[begin : begin + batch_size]
            inputs = {name: value.to(device) for name, value in window_inputs(features, rows, pad_token_id).items()}
            with torch.inference_mode(), torch.autocast(kind, dtype=dtype) if dtype else nullcontext():
                outputs = model(**inputs)
            inside = inputs["attention_mask"].cpu().numpy().astype(bool)
            for target, logits in ((start, outputs.start_logits), (end, outputs.end_logits)):
                values = np.where(inside, logits.float().cpu().numpy(), IMPOSSIBLE)
                if not np.isfinite(values).all():
                    raise DomainAdaptError(
                        "the model's logits are not finite numbers", hint="training diverged: lower the learning rate"
                    )
                target[rows, : values.shape[1]] = values
            if on_progress:
                on_progress(begin + len(rows), len(order))
    finally:
        model.train(was_training)
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
