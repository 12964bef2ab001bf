"""Stage 2 with settings that are searched for: many short runs, of which the best setting is trained and published."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from domain_adapt.bases.architectures import encoder_depth
from domain_adapt.checkpoints import Checkpoint, check_name
from domain_adapt.disk import explain_disk
from domain_adapt.errors import DomainAdaptError
from domain_adapt.finetune import finetune, finetune_fingerprint, read_inputs
from domain_adapt.finetuning import Finetuning
from domain_adapt.fingerprint import fingerprint
from domain_adapt.labelled import smallest_difference
from domain_adapt.recipes import load_task
from domain_adapt.search.outcome import Outcome
from domain_adapt.search.space import Space, search_space
from domain_adapt.search.study import Listener, Study
from domain_adapt.stages import Run, base_assignments, lock_run
from domain_adapt.task_in_run import Inputs
from domain_adapt.training import ranks
from domain_adapt.training.meeting import Meeting
from domain_adapt.training.progress import quiet
from domain_adapt.workspace import Workspace

logger = logging.getLogger(__name__)


def tune(
    task: str,
    *,
    trials: int = 20,
    start: str | None = None,
    domain: str | None = None,
    base: str | None = None,
    train: Sequence[str | Path] = (),
    dev: Sequence[str | Path] = (),
    test: Sequence[str | Path] = (),
    name: str | None = None,
    profile: str = "quick",
    overrides: Sequence[str] = (),
    workspace: Workspace = Workspace(),
) -> Checkpoint:
    """Searches for a better learning rate, epochs, freezing and layer decay, and publishes the best setting's model.

    The recipe's own setting is the first trial; further ones are drawn by a tree-structured Parzen estimator (Bergstra
    et al. 2011, as in optuna, Akiba et al. 2019, arXiv:1907.10902), and those that fall behind the median are ended
    early. A trial's value is the best epoch's score on the dev part; the test part is scored once, with the winner.

    The study stays in ``runs/tune-<fingerprint>/``: the same call again does what is missing, more trials included.

    Args:
        task: As for :func:`domain_adapt.finetune`, and so are the others.
        trials: Settings to try in all, at least 1.
        start: Starting weights.
        domain: Whose labelled data to take.
        base: Overrides the base.
        train: Files of labelled data.
        dev: Files that decide.
        test: Files that decide nothing.
        name: Name of the checkpoint.
        profile: Profile of the recipe.
        overrides: ``key=value`` assignments laid over the recipe: the setting around which is searched.
        workspace: Where recipes, runs and checkpoints are.

    Raises:
        DomainAdaptError: If ``trials`` is below 1, or for the reasons of :func:`domain_adapt.finetune`.
    """
    if trials < 1:
        raise DomainAdaptError(f"trials: expected at least 1 (found {trials})")
    if ranks.count() > 1:
        raise DomainAdaptError(
            f"tune works in one process only (there are {ranks.count()})", hint="start it without a launcher"
        )
    arguments: dict[str, Any] = {"domain": domain, "base": base, "train": train, "dev": dev, "test": test}
    arguments |= {"profile": profile, "workspace": workspace}
    inputs = read_inputs(task, start=start, name=name, overrides=overrides, meeting=Meeting(), **arguments)
    check_name(inputs.name)
    values = inputs.recipe.values
    space = search_space(values, encoder_depth(inputs.start.folder, inputs.start.name))
    identity = fingerprint({"finetune": finetune_fingerprint(inputs), "space": space.as_json()})
    folder = workspace.runs / f"tune-{identity[:16]}"
    lock = lock_run(folder)
    try:
        assignments = [*overrides, *base_assignments(base)]
        outcome = _Search(task, inputs, space, folder, assignments, workspace).run(trials)
        # The newest checkpoint may be another one by now.
        start = start if start or base else inputs.start.name
        chosen = [*overrides, *space.overrides(outcome.winner.setting)]
        files = outcome.files()
        found = finetune(task, start=start, name=inputs.name, overrides=chosen, extra_files=files, **arguments)
    finally:
        lock.release()
    own_wins = outcome.winner.number == 1
    logger.log(logging.INFO if own_wins or outcome.is_told_apart else logging.WARNING, "%s", outcome.verdict())
    return found


class _Search:
    """The trials of one study.

    Args:
        task: As the user named it.
        inputs: Of the recipe's own setting.
        space: What is searched.
        folder: Of the study.
        assignments: The user's overrides.
        workspace: Where recipes are.
    """

    def __init__(
        self, task: str, inputs: Inputs, space: Space, folder: Path, assignments: list[str], workspace: Workspace
    ) -> None:
        self._task, self._inputs, self._space, self._folder = task, inputs, space, folder
        self._assignments, self._workspace = assignments, workspace

    def run(self, trials: int) -> Outcome:
        """Tries settings until there are ``trials``, those of earlier calls included."""
        with explain_disk(self._folder, "nothing was published"):
            self._folder.mkdir(exist_ok=True)
            study = Study(self._folder, self._space, self._inputs.recipe.values.seed)
            done = len(study.tried())
            if done:
                logger.info("trials done already: %d of %d", done, max(trials, done))
            while done < trials:
                study.try_next(self._score)
                done += 1
                logger.info("%s", self._outcome(study).trial_line(trials))
            return self._outcome(study)

    def _outcome(self, study: Study) -> Outcome:
        examples = len(self._inputs.data.dev.examples)
        metric = self._inputs.kind.selection_metric(self._inputs.recipe.values)
        return Outcome(metric, self._space, study.tried(), examples, smallest_difference(examples))

    def _score(self, setting: dict[str, float], listener: Listener) -> float:
        """Trains with a setting and returns the best epoch's score; nothing of it stays on the disk."""
        inputs, folder = self._inputs, self._folder / "trial"
        overrides = [*self._assignments, *self._space.overrides(setting)]
        recipe = load_task(self._task, profile=inputs.recipe.profile, overrides=overrides, workspace=self._workspace)
        shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
        folder.mkdir()
        run = Run(folder, fingerprint="", started=time.monotonic())
        try:
            with quiet():
                return Finetuning(replace(inputs, recipe=recipe), run, self._workspace, listener).try_out()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
