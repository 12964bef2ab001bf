"""Answers to questions through an exported model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from domain_adapt.errors import DomainAdaptError
from domain_adapt.exporting.onnx_file import EXPORT
from domain_adapt.exporting.onnx_model import OnnxModel
from domain_adapt.recipes import QuestionAnsweringSettings
from domain_adapt.tasks.question_answering.data import Example
from domain_adapt.tasks.question_answering.decoding import Prediction, best_spans
from domain_adapt.tasks.question_answering.evaluation import predict_logits
from domain_adapt.tasks.question_answering.windows import featurise, fit_to_model


def answer_questions(folder: Path, questions: Sequence[str], contexts: Sequence[str], file: str) -> list[Prediction]:
    """See :func:`domain_adapt.exporting.answer_questions`."""
    about = _about(folder)
    if about.get("kind") != "question-answering" or about.get("format") != "onnx":
        raise DomainAdaptError(f"{folder}: is not a question-answering model exported to ONNX")
    tokenizer, config = (auto.from_pretrained(folder, local_files_only=True) for auto in (AutoTokenizer, AutoConfig))
    settings = fit_to_model(QuestionAnsweringSettings.model_validate(about["settings"]), config)
    pairs = enumerate(zip(questions, contexts, strict=True))
    examples = [Example(str(number), question, context, ()) for number, (question, context) in pairs]
    features = featurise(examples, tokenizer, settings)
    pad, model = tokenizer.pad_token_id, OnnxModel(folder / file)
    start, end = predict_logits(model, features, batch_size=16, device="cpu", pad_token_id=pad)
    allow_null = bool(getattr(config, "allow_no_answer", False))
    return best_spans(start, end, features, examples, settings, allow_null=allow_null)


def _about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / EXPORT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DomainAdaptError(f"{folder / EXPORT}: cannot be read: {error}") from error
    return about if isinstance(about, dict) else {}
