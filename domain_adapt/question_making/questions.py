"""A question that was made, and the row that it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from domain_adapt.fingerprint import fingerprint
from domain_adapt.question_making.noun_phrases import Kind

_ID_DIGITS = 16  # 64 bits: two of a million questions share them with a probability of 3e-8


@dataclass(frozen=True)
class Question:
    """A question on a passage.

    Attributes:
        question: As it is asked.
        context: What is read for it.
        answer: ``context[start : start + len(answer)]``; "" if the context does not answer it.
        start: Of the answer.
        kind: Of the answer.
        origin: ``recurring-span`` or ``cloze``.
        is_apart: Whether the sentence that the question was made of is left out of the context.
        documents: Ids of the documents that the context is of.
    """

    question: str
    context: str
    answer: str
    start: int
    kind: Kind
    origin: str
    is_apart: bool
    documents: tuple[str, ...]

    @property
    def id(self) -> str:
        """Depends on question, context and answer alone."""
        key = {"question": self.question, "context": self.context, "answer": self.answer, "start": self.start}
        return fingerprint(key)[:_ID_DIGITS]

    @property
    def made(self) -> str:
        """How it was made: ``recurring-span``, ``cloze`` or ``unanswerable``."""
        return self.origin if self.answer else "unanswerable"

    def as_row(self) -> dict[str, Any]:
        """Returns a flat row as SQuAD 2.0 has it, with what was asked for in fields of its own."""
        answers: dict[str, list[Any]] = {"text": [], "answer_start": []}
        if self.answer:
            answers = {"text": [self.answer], "answer_start": [self.start]}
        return {
            "id": self.id,
            "title": self.documents[0],
            "context": self.context,
            "question": self.question,
            "answers": answers,
            "made": self.made,
            "asks_for": self.kind,
        }
