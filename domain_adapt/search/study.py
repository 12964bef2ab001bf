"""A study of optuna on disk that a killed process does not harm: the same trials in the same order come again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from domain_adapt.errors import Diverged
from domain_adapt.randomness import integer_seed
from domain_adapt.search.space import Setting, Space

JOURNAL = "study.journal"

# Trials that run to their end before one is compared with them, and how many of them must have come as far.
_TRIALS_UNPRUNED = 4
_TRIALS_COMPARED = 2

# Hears the 1-based epoch, the dev part's metrics by name, and the one of them by which the best epoch is chosen.
Listener = Callable[[int, dict[str, float], float], None]


@dataclass(frozen=True)
class Tried:
    """A finished trial.

    Attributes:
        number: Counted from 1, in the order in which they were tried; 1 is the recipe's own setting.
        setting: What was tried.
        value: Score of the best epoch, in percent.
        epochs_done: Scored epochs.
        state: ``complete``, ``pruned`` (ended early) or ``diverged``.
        seconds: It took so long.
    """

    number: int
    setting: dict[str, float]
    value: float
    epochs_done: int
    state: str
    seconds: float


class Study:
    """The trials of one search, in ``study.journal`` of a folder that the caller has locked.

    The recipe's own setting is tried first. The draws for each further trial depend on the seed and on how many have
    been finished, so that a search that was interrupted goes on as it would have done.

    Args:
        folder: Exists.
        space: What may be tried.
        seed: Of the recipe.
    """

    def __init__(self, folder: Path, space: Space, seed: int) -> None:
        self._space, self._seed = space, seed
        self._distributions = {
            "learning_rate": FloatDistribution(*space.learning_rate, log=True),
            **{name: CategoricalDistribution(values) for name, values in space.choices.items()},
        }
        path = folder / JOURNAL
        _drop_half_line(path)
        with _quiet():
            self._study = optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(path), lock_obj=_Locked())),
                study_name=folder.name,
                direction="maximize",
                pruner=pruner(),
                load_if_exists=True,
            )
        self._do_again()

    def tried(self) -> list[Tried]:
        """Returns the finished trials in their order."""
        finished = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        return [self._tried(number, trial) for number, trial in enumerate(finished, start=1)]

    def try_next(self, score: Callable[[dict[str, float], Listener], float]) -> Tried:
        """Tries one more setting.

        Args:
            score: Called with the setting and with who hears of each epoch; returns the best epoch's score. An
                exception of the listener must come back out of it.

        Raises:
            Diverged: If the recipe's own setting is one with which training diverges.
            Exception: Whatever else ``score`` raises; the trial will be done again.
        """
        trial = self._ask()
        setting = self._setting(trial.params)

        def heard(epoch: int, metrics: dict[str, float], value: float) -> None:
            trial.report(value, self._space.progress(setting, epoch))
            if not self._space.is_last(setting, epoch) and trial.should_prune():
                raise _Pruned

        try:
            self._study.tell(trial, score(setting, heard))
        except _Pruned:
            self._end_early(trial, "pruned")
        except Diverged:
            if not self.tried():
                raise
            self._end_early(trial, "diverged")
        return self.tried()[-1]

    def _end_early(self, trial: Any, state: str) -> None:
        trial.set_user_attr("state", state)
        self._study.tell(trial, state=TrialState.PRUNED)

    def _ask(self) -> Any:
        done = len(self.tried())
        if done == 0 and not self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self._study.enqueue_trial(dict(self._space.own))
        self._study.sampler = sampler(integer_seed(self._seed, "tune", done) % 2**32)
        return self._study.ask(self._distributions)

    def _do_again(self) -> None:
        """Puts the trial that was interrupted first in the queue."""
        for trial in self._study.get_trials(states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)
            if set(trial.params) == set(self._distributions):  # else it was still being drawn, and is drawn again
                self._study.enqueue_trial(trial.params)

    def _tried(self, number: int, trial: Any) -> Tried:
        scores = trial.intermediate_values.values()
        return Tried(
            number=number,
            setting=self._setting(trial.params),
            value=max(scores, default=0.0),
            epochs_done=len(scores),
            state=trial.user_attrs.get("state", "complete"),
            seconds=trial.duration.total_seconds(),
        )

    def _setting(self, params: Setting) -> dict[str, float]:
        return {name: params[name] for name in self._space.own}


class _Pruned(Exception):
    """Ends a run that falls behind."""


class _Locked:
    """A lock for a journal whose folder is locked; optuna's own would outlive a process that is killed."""

    def acquire(self) -> bool:
        """Does nothing."""
        return True

    def release(self) -> None:
        """Does nothing."""


def sampler(seed: int) -> Any:
    """Returns what draws the next setting: at random at first, then where the better trials lie (Bergstra 2011)."""
    return optuna.samplers.TPESampler(seed=seed)


def pruner() -> Any:
    """Returns what ends runs early: those whose best score so far is below the median at the same point."""
    return optuna.pruners.MedianPruner(n_startup_trials=_TRIALS_UNPRUNED, n_min_trials=_TRIALS_COMPARED)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps optuna from saying that it has made a study."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def _drop_half_line(path: Path) -> None:
    """Cuts off what a process was writing when it was killed; glued to the next line it would spoil the journal."""
    if not path.is_file():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        logging.getLogger(__name__).debug("%s: half a line is cut off", path)
        with path.open("r+b") as file:
            file.truncate(whole)
