"""Answers to questions from a fine-tuned model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from domain_adapt.bases import load_question_answering, load_tokenizer
from domain_adapt.errors import DomainAdaptError
from domain_adapt.predict.finding import CHUNK, find_model, trained_settings, validated
from domain_adapt.recipes import QuestionAnsweringSettings, RuntimeSettings
from domain_adapt.tasks.json_rows import text_field
from domain_adapt.tasks.question_answering.data import Example
from domain_adapt.workspace import Workspace


class QuestionAnswerer:
    """Finds the answers to questions in contexts of any length.

    >>> answerer = QuestionAnswerer("medical-qa")  # doctest: +SKIP
    >>> answerer("What pumps blood?", "The heart pumps blood.")  # doctest: +SKIP
    {'answer': 'The heart', 'score': 0.93, 'start': 0, 'end': 9}

    Args:
        path: A folder, a checkpoint (``medical-qa``, ``medical-qa@v1``) or a Hub id (``owner/name``) of a model that
            ``AutoModelForQuestionAnswering`` loads; safetensors only.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``fp32``, ``bf16`` (autocast), or ``auto``: bf16 where the hardware has it.
        max_length: Tokens in a window of question and context; None: as it was trained, if the folder says so.
        stride: Context tokens that neighbouring windows share; None likewise.
        max_answer_length: Longest answer in tokens; None likewise.
        workspace: Where checkpoints are.

    Raises:
        DomainAdaptError: If there is no such model, or it has no question-answering head.
    """

    options = ("--question", "--context")
    optional = ()
    columns = ("question", "context")

    def __init__(
        self,
        path: str | Path,
        *,
        device: str = "auto",
        precision: str = "fp32",
        max_length: int | None = None,
        stride: int | None = None,
        max_answer_length: int | None = None,
        workspace: Workspace = Workspace(),
    ) -> None:
        import torch

        from domain_adapt.tasks.question_answering.windows import fit_to_model
        from domain_adapt.training.runtime import detect, torch_device

        self.folder = find_model(path, workspace)
        runtime = detect(validated(RuntimeSettings, {"device": device, "precision": precision}))
        self.device = torch_device(runtime)
        self._dtype = torch.bfloat16 if runtime.precision == "bf16" else None
        self.tokenizer = load_tokenizer(self.folder)
        self.model = load_question_answering(self.folder, seed=None).to(self.device).eval()
        chosen = {"max_length": max_length, "stride": stride, "max_answer_length": max_answer_length}
        given = {key: value for key, value in chosen.items() if value is not None}
        self.settings = fit_to_model(
            trained_settings(self.folder, QuestionAnsweringSettings, "question_answering", given), self.model.config
        )

    def __call__(
        self,
        question: str | Sequence[str],
        context: str | Sequence[str],
        *,
        top_k: int = 1,
        batch_size: int = 16,
        allow_no_answer: bool | None = None,
    ) -> Any:
        """Returns the answer as a dict, or a list of them for a list of questions or contexts.

        A dict has ``answer``, ``score`` (probability in (0, 1]), ``start`` and ``end`` (characters:
        ``context[start:end] == answer``). With ``top_k`` > 1 there is a list of up to ``top_k`` dicts, best first, in
        the place of each dict.

        Args:
            question: One, or several; a single one is asked about every context.
            context: One, or several; a single one is searched for every question.
            top_k: Answers a question.
            batch_size: Windows in one forward pass.
            allow_no_answer: Whether "" is a possible answer; None: as the model was trained
                (``allow_no_answer`` in its config), else False.

        Raises:
            DomainAdaptError: If a question or context is blank, or the numbers of both differ.
        """
        single = isinstance(question, str) and isinstance(context, str)
        examples = _pair(question, context)
        if top_k < 1 or batch_size < 1:
            raise DomainAdaptError(f"top_k and batch_size: expected at least 1 (found {top_k} and {batch_size})")
        if allow_no_answer is None:
            allow_no_answer = bool(getattr(self.model.config, "allow_no_answer", False))
        found: list[Any] = []
        for begin in range(0, len(examples), CHUNK):
            for ranked in self._rank(examples[begin : begin + CHUNK], top_k, batch_size, allow_no_answer):
                found.append(ranked if top_k > 1 else ranked[0])
        return found[0] if single else found

    def predict_rows(self, rows: Sequence[Mapping[str, Any]], *, batch_size: int = 16) -> list[dict[str, Any]]:
        """Returns ``question`` and the answer's fields for each row with ``question`` and ``context``."""
        questions = [row["question"] for row in rows]
        answers = self(questions, [row["context"] for row in rows], batch_size=batch_size)
        return [{"question": question, **answer} for question, answer in zip(questions, answers, strict=True)]

    def _rank(
        self, examples: Sequence[Example], top_k: int, batch_size: int, allow_no_answer: bool
    ) -> list[list[dict[str, str | float | int]]]:
        from domain_adapt.tasks.question_answering.decoding import rank_spans
        from domain_adapt.tasks.question_answering.evaluation import predict_logits
        from domain_adapt.tasks.question_answering.windows import featurise

        features = featurise(examples, self.tokenizer, self.settings)
        start, end = predict_logits(
            self.model,
            features,
            batch_size=batch_size,
            device=self.device,
            pad_token_id=self.tokenizer.pad_token_id,
            dtype=self._dtype,
        )
        ranked = rank_spans(start, end, features, examples, self.settings, n_best=top_k, allow_null=allow_no_answer)
        return [
            [{"answer": one.text, "score": one.score, "start": one.start, "end": one.end} for one in predictions]
            for predictions in ranked
        ]


def _pair(question: str | Sequence[str], context: str | Sequence[str]) -> list[Example]:
    """Returns an example for each question and context; a single one of either goes with all of the other."""
    questions = [question] if isinstance(question, str) else list(question)
    contexts = [context] if isinstance(context, str) else list(context)
    if isinstance(question, str):
        questions *= len(contexts)
    if isinstance(context, str):
        contexts *= len(questions)
    if len(questions) != len(contexts):
        raise DomainAdaptError(f"{len(questions)} questions but {len(contexts)} contexts: expected as many, or one")
    examples = []
    for number, (asked, searched) in enumerate(zip(questions, contexts, strict=True)):
        for name, value in (("question", asked), ("context", searched)):
            if not text_field({name: value}, name, f"item {number}").strip():
                raise DomainAdaptError(f"item {number}: {name} is blank")
        examples.append(Example(str(number), asked, searched))
    return examples
