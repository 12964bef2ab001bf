"""What a model card says of models of each task type."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskText:
    """What a card says of a model of one task type; ``example`` holds the arguments of a call."""

    called: str  # on the Hub
    is_a: str
    does: str
    stock: str  # class of transformers
    ours: str  # class of this package
    example: str  # arguments of a call
    limit: str


TASKS = {
    "multiple-choice": TaskText(
        "Multiple choice",
        "A model for multiple choice",
        "Given a question, perhaps with a passage, and some answers to it, it says which of them is right.",
        "AutoModelForMultipleChoice",
        "ChoiceAnswerer",
        '"Who signed the report?", ["the director", "a clerk"], "The report was signed by the director in May."',
        "It always chooses one of the answers, also where none is right; "
        "the figures hold for questions like those of dev.",
    ),
    "question-answering": TaskText(
        "Question answering",
        "An extractive question-answering model",
        "Given a question and a passage, it marks the span of the passage that answers the question.",
        "AutoModelForQuestionAnswering",
        "QuestionAnswerer",
        '"Who signed the report?", "The report was signed by the director in May."',
        "It answers with words of the passage only, and the figures hold for passages like those of dev.",
    ),
    "text-classification": TaskText(
        "Text classification",
        "A text classifier",
        "It gives a text one of the labels that its config names.",
        "AutoModelForSequenceClassification",
        "TextClassifier",
        '"The report was signed by the director in May."',
        "It always gives one of its labels, also to a text to which none fits; "
        "the figures hold for texts like those of dev.",
    ),
    "token-classification": TaskText(
        "Token classification",
        "A tagger of spans",
        "It finds the spans of a text that have one of the labels that its config names.",
        "AutoModelForTokenClassification",
        "EntityTagger",
        '"The report was signed by the director in May."',
        "Spans that lie within one another cannot be told apart, and the figures hold for texts like those of dev.",
    ),
}
