"""Task types of stage 2: what labelled data looks like, how it becomes batches, and how a model is scored on it."""

from __future__ import annotations

import importlib

from domain_adapt.errors import DomainAdaptError, did_you_mean
from domain_adapt.tasks.interface import LoadedExamples, TaskType

# Name in task.toml -> module that holds the ``TASK`` object. Imported on demand: listing recipes needs none of them.
_MODULES = {
    "multiple-choice": "domain_adapt.tasks.multiple_choice.task",
    "question-answering": "domain_adapt.tasks.question_answering.task",
    "text-classification": "domain_adapt.tasks.text_classification.task",
    "token-classification": "domain_adapt.tasks.token_classification.task",
}

__all__ = ["LoadedExamples", "TaskType", "task_type"]


def task_type(name: str) -> TaskType:
    """Returns the task type called ``name``, e.g. ``question-answering``. Importing it loads no torch.

    Raises:
        DomainAdaptError: If there is no such task type.
    """
    if name not in _MODULES:
        known = ", ".join(sorted(_MODULES))
        raise DomainAdaptError(f"unknown task type {name!r}; known: {known}", hint=did_you_mean(name, _MODULES))
    found: TaskType = importlib.import_module(_MODULES[name]).TASK
    return found
