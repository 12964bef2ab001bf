"""The labelled data of stage 2: which it is, read and counted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import fingerprint
from domain_adapt.recipes import HubDataset, Recipe, TaskData, TaskRecipe
from domain_adapt.tasks import LoadedExamples, TaskType

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Data:
    """The labelled data of one run."""

    domain: str | None
    licence: str
    train: LoadedExamples[Any]
    dev: LoadedExamples[Any]

    def fingerprint(self) -> str:
        """Returns the SHA-256 over every example."""
        return fingerprint({"train": repr(self.train.examples), "dev": repr(self.dev.examples)})


def load_data(
    recipe: Recipe[TaskRecipe],
    kind: TaskType,
    domain: str | None,
    train: Sequence[str | Path],
    dev: Sequence[str | Path],
) -> Data:
    """Returns the labelled examples: from the files named, else what the recipe has for ``domain``.

    Args:
        recipe: Of the task.
        kind: Its task type.
        domain: Whose examples; None takes the recipe's first.
        train: Files instead of the recipe's.
        dev: Files; without them, or a dev part in the recipe, a share of the training contexts is held out.

    Raises:
        DomainAdaptError: If there are no examples for ``domain``, or a file is wrong.
    """
    if dev and not train:
        raise DomainAdaptError("--dev without --train", hint="name the training file too")
    if train:
        entry = TaskData(train=[str(path) for path in train], dev=[str(path) for path in dev] or None)
        folder = Path.cwd()
    else:
        entry, domain = _recipe_data(recipe.values, domain)
        folder = recipe.folder
    loaded = _load(kind, entry.train, folder)
    if entry.dev is not None:
        held = _load(kind, entry.dev, folder)
    else:
        share = recipe.values.finetune.dev_share
        kept, other = kind.split(loaded.examples, share)
        logger.info("no dev part given: %d of %d training examples are held out", len(other), len(loaded.examples))
        loaded, held = LoadedExamples(kept, loaded.repaired, loaded.dropped), LoadedExamples(other)
    logger.info(
        "data: %d training examples, %d dev examples%s",
        len(loaded.examples),
        len(held.examples),
        f"; labels repaired: {loaded.repaired + held.repaired}, examples dropped: {loaded.dropped + held.dropped}"
        if loaded.repaired + held.repaired + loaded.dropped + held.dropped
        else "",
    )
    return Data(domain, entry.licence, loaded, held)


def _recipe_data(recipe: TaskRecipe, domain: str | None) -> tuple[TaskData, str]:
    known = ", ".join(recipe.data) or "none"
    if domain is None:
        if not recipe.data:
            raise DomainAdaptError(f"task {recipe.name}: data: the recipe names none", hint="add --train FILE")
        domain = next(iter(recipe.data))
        logger.info("labelled data of %s (DOMAIN=... chooses another of: %s)", domain, known)
    if domain not in recipe.data:
        raise DomainAdaptError(
            f"task {recipe.name}: data: no labelled data for domain {domain!r}; there is for: {known}",
            hint="add --train FILE (and --dev FILE), or --domain",
        )
    return recipe.data[domain], domain


def _load(kind: TaskType, reference: str | list[str] | HubDataset, folder: Path) -> LoadedExamples[Any]:
    if isinstance(reference, HubDataset):
        return kind.load(reference)
    paths = [reference] if isinstance(reference, str) else reference
    return kind.load([folder / path for path in paths])
