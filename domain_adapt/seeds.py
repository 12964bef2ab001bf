"""The same fine-tuning from several seeds, or on several folds: what is left when luck is averaged out."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from domain_adapt.checkpoints import Checkpoint
from domain_adapt.errors import DomainAdaptError
from domain_adapt.finetune import finetune
from domain_adapt.multitask import finetune_multitask
from domain_adapt.recipes import load_task
from domain_adapt.workspace import Workspace

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spread:
    """A figure over several seeds.

    Attributes:
        name: Of the metric, e.g. ``dev/f1``.
        values: One a seed, in their order.
    """

    name: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their arithmetic mean."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float:
        """Their standard deviation, with n - 1 in the denominator; 0 for one value."""
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0


def finetune_seeds(
    task: str,
    count: int,
    *,
    folds: int = 0,
    profile: str = "quick",
    overrides: Sequence[str] = (),
    workspace: Workspace = Workspace(),
    **arguments: Any,
) -> list[Checkpoint]:
    """Fine-tunes ``count`` times, from the recipe's seed on, and returns the checkpoints in the order of the seeds.

    Few labels make results hang on the seed (Mosbach et al. 2021, arXiv:2006.04884): one run says little. Each seed is
    a version of the same checkpoint; those that are there already are not trained again.

    With ``folds`` each seed trains once a fold, and every labelled example is in the dev part of one of them (k-fold
    cross-validation): for sets so small that no dev part can be spared.

    Args:
        task: As for :func:`domain_adapt.finetune`.
        count: How many seeds, at least 1.
        folds: 2 or more parts that train and dev together are cut into; 0 takes the parts as they are.
        profile: Profile of the recipe.
        overrides: ``key=value`` assignments laid over the recipe; ``seed`` sets the first seed.
        workspace: Where recipes, runs and checkpoints are.
        arguments: The others of :func:`domain_adapt.finetune`.

    Raises:
        DomainAdaptError: If ``count`` is below 1, ``folds`` is 1, or for the reasons of :func:`domain_adapt.finetune`.
    """
    found = []
    seeds = _seeds(task, count, profile, overrides, workspace)
    for seed, fold in ((seed, fold) for seed in seeds for fold in range(max(folds, 1))):
        chosen = [*overrides, f"seed={seed}"]
        if folds:
            chosen += [f"finetune.folds={folds}", f"finetune.fold={fold}"]
        found.append(finetune(task, profile=profile, overrides=chosen, workspace=workspace, **arguments))
    return found


def finetune_multitask_seeds(
    tasks: Sequence[str],
    count: int,
    *,
    profile: str = "quick",
    overrides: Sequence[str] = (),
    workspace: Workspace = Workspace(),
    **arguments: Any,
) -> dict[str, list[Checkpoint]]:
    """Trains several tasks on one encoder, from each of ``count`` seeds, and returns each task's checkpoints.

    Args:
        tasks: As for :func:`domain_adapt.finetune_multitask`.
        count: How many seeds, at least 1.
        profile: Profile of the recipes.
        overrides: ``key=value`` assignments laid over the recipes; ``seed`` sets the first seed.
        workspace: Where recipes, runs and checkpoints are.
        arguments: The others of :func:`domain_adapt.finetune_multitask`.

    Raises:
        DomainAdaptError: If ``count`` is below 1, or for the reasons of :func:`domain_adapt.finetune_multitask`.
    """
    found: dict[str, list[Checkpoint]] = {}
    for seed in _seeds(tasks[0], count, profile, overrides, workspace):
        chosen = [*overrides, f"seed={seed}"]
        published = finetune_multitask(tasks, profile=profile, overrides=chosen, workspace=workspace, **arguments)
        for key, checkpoint in published.items():
            found.setdefault(key, []).append(checkpoint)
    return found


def _seeds(task: str, count: int, profile: str, overrides: Sequence[str], workspace: Workspace) -> Iterator[int]:
    """Yields ``count`` seeds from the recipe's on, and says which it is."""
    if count < 1:
        raise DomainAdaptError(f"seeds: expected at least 1 (found {count})")
    first = load_task(task, profile=profile, overrides=overrides, workspace=workspace).values.seed
    for seed in range(first, first + count):
        if count > 1:
            logger.info("seed %d (%d of %d)", seed, seed - first + 1, count)
        yield seed


def spreads(checkpoints: Sequence[Checkpoint]) -> list[Spread]:
    """Returns the dev and test figures that all of the checkpoints have."""
    shared = set.intersection(*(set(one.manifest.metrics) for one in checkpoints))
    names = sorted(name for name in shared if name.startswith(("dev/", "test/")))
    return [Spread(name, tuple(one.manifest.metrics[name] for one in checkpoints)) for name in names]
