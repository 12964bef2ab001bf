"""The labelled data of stage 2: which it is, read and counted."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import fingerprint
from domain_adapt.recipes import FinetuneSettings, HubDataset, Recipe, TaskData, TaskRecipe
from domain_adapt.tasks import LoadedExamples, TaskType
from domain_adapt.tasks.splitting import fold_out, hold_out

logger = logging.getLogger(__name__)

_LARGE_DIFFERENCE = 5.0  # points; from some 770 dev examples on nothing is said
_PARTS = {"train": "training", "dev": "dev", "test": "test"}  # as they are called in a line of the log


@dataclass(frozen=True)
class Data:
    """The labelled data of one run; ``known`` are examples that are not trained on but whose labels there are, too."""

    domain: str | None
    licence: str
    train: LoadedExamples[Any]
    dev: LoadedExamples[Any]
    test: LoadedExamples[Any] | None = None
    known: tuple[Any, ...] = ()

    @property
    def parts(self) -> dict[str, LoadedExamples[Any]]:
        """The parts that there are, by name."""
        named = {"train": self.train, "dev": self.dev, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}

    def labelled(self, settings: FinetuneSettings) -> list[Any]:
        """Returns the examples that say which labels there are: in a cross-validation those of all folds."""
        return [*self.train.examples, *self.known, *(self.dev.examples if settings.folds else [])]

    def fingerprint(self) -> str:
        """Returns the SHA-256 over every example."""
        return fingerprint({name: repr(part.examples) for name, part in self.parts.items()})

    def statistics(self) -> dict[str, int]:
        """Returns how many examples each part has, and what was mended or lost in reading them."""
        counts = {f"{name}_examples": len(part.examples) for name, part in self.parts.items()}
        repaired, dropped = (
            sum(getattr(part, field) for part in self.parts.values()) for field in ("repaired", "dropped")
        )
        return counts | {"labels_repaired": repaired, "examples_dropped": dropped}

    def describe(self, task: str) -> dict[str, Any]:
        """Returns the corpus entry of a manifest."""
        return {
            "content_sha256": self.fingerprint(),
            "sources": [
                {
                    "kind": "labelled",
                    "name": f"{task} data of {self.domain or 'the user'}",
                    "licence": self.licence,
                    "documents": sum(len(part.examples) for part in self.parts.values()),
                    "fingerprint": self.fingerprint(),
                }
            ],
            "statistics": self.statistics(),
        }


def load_data(
    recipe: Recipe[TaskRecipe],
    kind: TaskType,
    domain: str | None,
    train: Sequence[str | Path],
    dev: Sequence[str | Path],
    test: Sequence[str | Path] = (),
) -> Data:
    """Returns the labelled examples: from the files named, else what the recipe has for ``domain``.

    Args:
        recipe: Of the task.
        kind: Its task type.
        domain: Whose examples; None takes the recipe's first.
        train: Files instead of the recipe's.
        dev: Files; without them, or a dev part in the recipe, a share of the training contexts is held out.
        test: Files to score the finished model on.

    Raises:
        DomainAdaptError: If there are no examples for ``domain``, or a file is wrong.
    """
    for name, files in (("dev", dev), ("test", test)):
        if files and not train:
            raise DomainAdaptError(f"--{name} without --train", hint="name the training file too")
    if train:
        names = [[str(path) for path in files] for files in (train, dev, test)]
        entry = TaskData(train=names[0], dev=names[1] or None, test=names[2] or None)
        folder = Path.cwd()
    else:
        entry, domain = _recipe_data(recipe.values, domain)
        folder = recipe.folder
    loaded, named, tested = (
        None if part is None else _load(kind, part, folder, recipe.values)
        for part in (entry.train, entry.dev, entry.test)
    )
    assert loaded is not None
    loaded, held = _divide(kind, loaded, named, recipe.values.finetune)
    data = Data(domain, entry.licence, loaded, held, tested)
    found = data.statistics()
    counted = ", ".join(f"{len(part.examples)} {_PARTS[name]} examples" for name, part in data.parts.items())
    repaired, dropped = found["labels_repaired"], found["examples_dropped"]
    lost = f"; labels repaired: {repaired}, examples dropped: {dropped}" if repaired + dropped else ""
    logger.info("data: %s%s", counted, lost)
    least = smallest_difference(len(held.examples))
    if least > _LARGE_DIFFERENCE:
        logger.info(
            "%d dev examples are few: two settings less than %.0f points apart are not told apart (95 %%)",
            len(held.examples),
            least,
        )
    return data


def smallest_difference(examples: int) -> float:
    """Returns how far apart, in points of a score in percent, two settings must be for chance to be unlikely.

    The half width of the 95 % confidence interval of the difference of two shares near a half, each found on
    ``examples`` examples (normal approximation): the widest there is. Settings that err on the same examples are told
    apart a little sooner.
    """
    return 100 * 1.96 * math.sqrt(2 * 0.25 / examples)


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


def _divide(
    kind: TaskType, train: LoadedExamples[Any], dev: LoadedExamples[Any] | None, settings: FinetuneSettings
) -> tuple[LoadedExamples[Any], LoadedExamples[Any]]:
    """Returns the training and the dev part as the settings want them divided."""
    if dev is not None and not settings.folds:
        return train, dev
    parts = [train] if dev is None else [train, dev]
    examples = [example for part in parts for example in part.examples]
    if settings.folds:
        kept, held = fold_out(examples, _fold_key(kind, examples, settings.folds), settings.folds, settings.fold)
        logger.info("fold %d of %d: its examples are the dev part", settings.fold + 1, settings.folds)
    else:
        kept, held = hold_out(examples, kind.group, settings.dev_share)
        logger.info("no dev part given: %d of %d training examples are held out", len(held), len(examples))
    repaired, dropped = sum(part.repaired for part in parts), sum(part.dropped for part in parts)
    return LoadedExamples(kept, repaired, dropped), LoadedExamples(held)


def _fold_key(kind: TaskType, examples: Sequence[Any], folds: int) -> Callable[[Any], str]:
    """Returns what keeps examples in one fold: their document where there are enough of them, else their text.

    Passages of one article share names and wording, so a fold on which some were trained looks easier than it is.
    """
    documents = {kind.document(example) for example in examples}
    return kind.document if "" not in documents and len(documents) >= 4 * folds else kind.group


def _load(
    kind: TaskType, reference: str | list[str] | HubDataset, folder: Path, recipe: TaskRecipe
) -> LoadedExamples[Any]:
    if isinstance(reference, HubDataset):
        return kind.load(reference, recipe)
    paths = [reference] if isinstance(reference, str) else reference
    return kind.load([folder / path for path in paths], recipe)
