"""Predictions of fine-tuned models: answers to questions, labels of texts, labelled spans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domain_adapt.errors import DomainAdaptError
from domain_adapt.predict.choices import ChoiceAnswerer
from domain_adapt.predict.files import predict_file, predict_stream
from domain_adapt.predict.finding import architecture, find_model, locate
from domain_adapt.predict.labels import EntityTagger, TextClassifier
from domain_adapt.predict.questions import QuestionAnswerer
from domain_adapt.workspace import Workspace

__all__ = [
    "ChoiceAnswerer",
    "EntityTagger",
    "Predictor",
    "QuestionAnswerer",
    "TextClassifier",
    "load",
    "predict_file",
    "predict_stream",
]

Predictor = QuestionAnswerer | ChoiceAnswerer | TextClassifier | EntityTagger

_BY_HEAD = {
    "ForMultipleChoice": ChoiceAnswerer,
    "ForQuestionAnswering": QuestionAnswerer,
    "ForSequenceClassification": TextClassifier,
    "ForTokenClassification": EntityTagger,
}


def load(path: str | Path, *, workspace: Workspace = Workspace(), **options: Any) -> Predictor:
    """Returns the predictor that fits the head of a model.

    Args:
        path: A folder, a checkpoint (``medical-qa``) or a Hub id.
        workspace: Where checkpoints are.
        options: Those of :class:`QuestionAnswerer`, :class:`ChoiceAnswerer`, :class:`TextClassifier` or
            :class:`EntityTagger`.

    Raises:
        DomainAdaptError: If there is no such model, or it is not fine-tuned for one of these tasks.
    """
    folder = locate(path, workspace)
    name = architecture(folder)
    for head, predictor in _BY_HEAD.items():
        if name.endswith(head):
            found: Predictor = predictor(folder, workspace=workspace, **options)
            return found
    find_model(path, workspace)  # says what is wrong with a damaged folder
    raise DomainAdaptError(
        f"{path}: {name or 'a model without architectures in config.json'} is not fine-tuned for a task",
        hint="domain-adapt finetune makes a model for a task out of it",
    )
