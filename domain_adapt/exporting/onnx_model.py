"""An ONNX session in the place of a PyTorch model, so that the same code featurises, scores and decodes for both."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from domain_adapt.bases import load_tokenizer
from domain_adapt.errors import DomainAdaptError, first_line
from domain_adapt.exporting.onnx_file import EXPORT, PLAIN, require_onnx

if TYPE_CHECKING:
    from domain_adapt.tasks.question_answering.decoding import Prediction


class OnnxModel(nn.Module):
    """Runs an ONNX file on the CPU when it is called, with the keyword arguments and outputs of the stock model.

    Args:
        path: The file.
        outputs: Their names, in order; None: as the file says.

    Raises:
        DomainAdaptError: If ONNX Runtime is missing or the file cannot be read.
    """

    def __init__(self, path: Path, outputs: Sequence[str] | None = None) -> None:
        super().__init__()
        require_onnx()
        onnxruntime: Any = importlib.import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors
        try:
            self._session = onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its classes are made in C++ and share no base
            raise DomainAdaptError(f"{path}: cannot be read as ONNX: {first_line(error)}") from error
        self.outputs = list(outputs or [one.name for one in self._session.get_outputs()])
        self._inputs = {one.name for one in self._session.get_inputs()}

    def forward(self, **inputs: torch.Tensor) -> Any:
        """Returns the outputs as attributes, float32 on the CPU."""
        given = {name: value.cpu().numpy() for name, value in inputs.items() if name in self._inputs}
        found = self._session.run(self.outputs, given)
        return SimpleNamespace(**dict(zip(self.outputs, map(torch.from_numpy, found), strict=True)))


def answer_questions(
    folder: Path, questions: Sequence[str], contexts: Sequence[str], *, file: str = PLAIN, batch_size: int = 16
) -> list[Prediction]:
    """Returns the answer to each question from its context, by an exported question-answering model.

    Args:
        folder: What :func:`domain_adapt.exporting.export_onnx` wrote.
        questions: Any number.
        contexts: One for each.
        file: ``model.onnx`` or ``model_int8.onnx``.
        batch_size: Windows in one run of the session.
    """
    from transformers import AutoConfig

    from domain_adapt.recipes import QuestionAnsweringSettings
    from domain_adapt.tasks.question_answering.data import Example
    from domain_adapt.tasks.question_answering.decoding import best_spans
    from domain_adapt.tasks.question_answering.evaluation import predict_logits
    from domain_adapt.tasks.question_answering.windows import featurise, fit_to_model

    tokenizer, config = load_tokenizer(folder), AutoConfig.from_pretrained(folder, local_files_only=True)
    trained = json.loads((folder / EXPORT).read_text(encoding="utf-8"))["settings"]
    settings = fit_to_model(QuestionAnsweringSettings.model_validate(trained), config)
    pairs = enumerate(zip(questions, contexts, strict=True))
    examples = [Example(str(number), question, context, ()) for number, (question, context) in pairs]
    features = featurise(examples, tokenizer, settings)
    start, end = predict_logits(
        OnnxModel(folder / file),
        features,
        batch_size=batch_size,
        device="cpu",
        pad_token_id=tokenizer.pad_token_id,
    )
    allow_null = bool(getattr(config, "allow_no_answer", False))
    return best_spans(start, end, features, examples, settings, allow_null=allow_null)
