"""The right one of several answers to a question, from a fine-tuned model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from domain_adapt.bases import load_multiple_choice, load_tokenizer, longest_input
from domain_adapt.errors import DomainAdaptError
from domain_adapt.predict.finding import CHUNK, find_model, trained_settings, validated
from domain_adapt.recipes import MultipleChoiceSettings, RuntimeSettings
from domain_adapt.tasks import TaskType, task_type
from domain_adapt.tasks.multiple_choice.data import Example
from domain_adapt.tasks.multiple_choice.reading import choices_of, context_of, question_of
from domain_adapt.workspace import Workspace

_SCHEMA = '{"question": "...", "choices": ["...", "..."]} and, if you like, "context" and "id"'


class ChoiceAnswerer:
    """Chooses among answers to a question.

    >>> answerer = ChoiceAnswerer("medical-exam")  # doctest: +SKIP
    >>> answerer("What pumps blood?", ["the heart", "the liver"])  # doctest: +SKIP
    {'choice': 0, 'answer': 'the heart', 'score': 0.93}

    Args:
        path: A folder, a checkpoint (``medical-exam``, ``medical-exam@v1``) or a Hub id of a model that
            ``AutoModelForMultipleChoice`` loads; safetensors only.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: ``fp32``, ``bf16`` (autocast), or ``auto``: bf16 where the hardware has it.
        max_length: Tokens of context, question and one choice; None: as it was trained, if the folder says so.
        workspace: Where checkpoints are.

    Raises:
        DomainAdaptError: If there is no such model, or it has no such head.
    """

    options = ("--question", "--choice")
    optional = ("--context",)
    columns = ("question",)

    def __init__(
        self,
        path: str | Path,
        *,
        device: str = "auto",
        precision: str = "fp32",
        max_length: int | None = None,
        workspace: Workspace = Workspace(),
    ) -> None:
        import torch

        from domain_adapt.training.runtime import detect, torch_device

        self.folder = find_model(path, workspace)
        runtime = detect(validated(RuntimeSettings, {"device": device, "precision": precision}))
        self.device = torch_device(runtime)
        self._dtype = torch.bfloat16 if runtime.precision == "bf16" else None
        self._kind: TaskType = task_type("multiple-choice")
        self.tokenizer = load_tokenizer(self.folder)
        self.model = load_multiple_choice(self.folder, seed=None).to(self.device).eval()
        given = {} if max_length is None else {"max_length": max_length}
        settings = trained_settings(self.folder, MultipleChoiceSettings, "multiple_choice", given)
        length = min(settings.max_length, longest_input(self.model.config) or settings.max_length)
        self.settings = settings.model_copy(update={"max_length": length})

    def __call__(
        self,
        question: str | Sequence[str],
        choices: Sequence[str] | Sequence[Sequence[str]],
        context: str | Sequence[str] = "",
        *,
        batch_size: int = 16,
    ) -> Any:
        """Returns the choice as a dict, or a list of them for a list of questions.

        A dict has ``choice`` (0-based), ``answer`` (its text) and ``score`` (its probability among the choices).

        Args:
            question: One, or several.
            choices: Two or more of one question, or such a list for each question.
            context: What the questions are about: one for all, or one for each; "" if there is none.
            batch_size: Choices in one forward pass.

        Raises:
            DomainAdaptError: If a question or choice is blank, a choice stands twice, or the numbers differ.
        """
        if batch_size < 1:
            raise DomainAdaptError(f"batch_size: expected at least 1 (found {batch_size})")
        examples = _examples(question, choices, context)
        found: list[dict[str, str | int | float]] = []
        for begin in range(0, len(examples), CHUNK):
            chunk = examples[begin : begin + CHUNK]
            features = self._kind.featurise(chunk, self.tokenizer, self.settings)
            logits = self._kind.logits(
                self.model,
                features,
                batch_size=batch_size,
                device=self.device,
                pad_token_id=self.tokenizer.pad_token_id,
                dtype=self._dtype,
            )
            for one in self._kind.decode(logits, features, chunk, self.settings):
                found.append({"choice": one.choice, "answer": one.text, "score": one.score})
        return found[0] if isinstance(question, str) else found

    def predict_rows(self, rows: Sequence[Mapping[str, Any]], *, batch_size: int = 16) -> list[dict[str, Any]]:
        """Returns ``question`` and the choice for each row with ``question``, ``choices`` and perhaps ``context``."""
        questions = [row["question"] for row in rows]
        contexts = [row.get("context") or "" for row in rows]
        found = self(questions, [row["choices"] for row in rows], contexts, batch_size=batch_size)
        return [{"question": question, **answer} for question, answer in zip(questions, found, strict=True)]


def check_choices(row: Mapping[str, Any], place: str) -> None:
    """Raises DomainAdaptError if a row has not two or more choices, or a context that is no text; names the place."""
    if "choices" not in row:
        raise DomainAdaptError(f"{place}: field 'choices' is missing; expected {_SCHEMA}")
    choices_of(row["choices"], place)
    context_of(row.get("context"), place)


def _examples(
    question: str | Sequence[str], choices: Sequence[str] | Sequence[Sequence[str]], context: str | Sequence[str]
) -> list[Example]:
    """Returns an example for each question."""
    questions: list[Any] = [question] if isinstance(question, str) else list(question)
    offered: list[Any] = [choices] if isinstance(question, str) else list(choices)
    contexts: list[Any] = [context] * len(questions) if isinstance(context, str) else list(context)
    if not len(questions) == len(offered) == len(contexts):
        raise DomainAdaptError(
            f"{len(questions)} questions, {len(offered)} lists of choices and {len(contexts)} contexts: "
            "expected as many of each, or one context"
        )
    examples = []
    for number, (asked, some, about) in enumerate(zip(questions, offered, contexts, strict=True)):
        place = f"item {number}"
        asked, some, about = question_of(asked, place), choices_of(some, place), context_of(about, place)
        examples.append(Example(str(number), asked, some, context=about))
    return examples
