"""Adapt a pretrained language model to a specialised field, then fine-tune it on a task.

The public API: :func:`adapt`, :func:`finetune`, :func:`finetune_multitask`, :func:`compare`, :func:`merge`,
:func:`load`, :class:`QuestionAnswerer`, :class:`ChoiceAnswerer`, :class:`TextClassifier`, :class:`EntityTagger` and
:func:`resolve`.
Names are looked up when they are first used, so that ``import domain_adapt`` is quick.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from domain_adapt.adapt import adapt
    from domain_adapt.checkpoints import resolve
    from domain_adapt.compare import compare
    from domain_adapt.errors import DomainAdaptError
    from domain_adapt.finetune import finetune
    from domain_adapt.merge import merge
    from domain_adapt.multitask import finetune_multitask
    from domain_adapt.predict import ChoiceAnswerer, EntityTagger, QuestionAnswerer, TextClassifier, load
    from domain_adapt.workspace import Workspace

__all__ = [
    "ChoiceAnswerer",
    "DomainAdaptError",
    "EntityTagger",
    "QuestionAnswerer",
    "TextClassifier",
    "Workspace",
    "adapt",
    "compare",
    "finetune",
    "finetune_multitask",
    "load",
    "merge",
    "resolve",
]

_HOMES = {
    "ChoiceAnswerer": "domain_adapt.predict",
    "DomainAdaptError": "domain_adapt.errors",
    "EntityTagger": "domain_adapt.predict",
    "QuestionAnswerer": "domain_adapt.predict",
    "TextClassifier": "domain_adapt.predict",
    "Workspace": "domain_adapt.workspace",
    "adapt": "domain_adapt.adapt",
    "compare": "domain_adapt.compare",
    "finetune": "domain_adapt.finetune",
    "finetune_multitask": "domain_adapt.multitask",
    "load": "domain_adapt.predict",
    "merge": "domain_adapt.merge",
    "resolve": "domain_adapt.checkpoints",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """Keeps ``domain_adapt.adapt`` the function whoever imports the submodule of the same name, and whenever."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
