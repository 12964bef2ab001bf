"""What is said and published about a search: lines of the log, ``study.json`` and ``search.md``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain_adapt.report.trials import STUDY, describe, trial_rows
from domain_adapt.search.space import Space
from domain_adapt.search.study import Tried
from domain_adapt.training.progress import format_seconds

TABLE = "search.md"


@dataclass(frozen=True)
class Outcome:
    """A search as far as it has come.

    Attributes:
        metric: Name of the score, e.g. ``f1``.
        space: What could be tried.
        tried: The finished trials, one at least.
        dev_examples: Size of the part that decides.
        smallest_difference: How far apart two settings must be on so many examples, in points.
    """

    metric: str
    space: Space
    tried: Sequence[Tried]
    dev_examples: int
    smallest_difference: float

    @property
    def winner(self) -> Tried:
        """The best trial, the first of several equally good ones."""
        return max(self.tried, key=lambda one: one.value)

    @property
    def is_told_apart(self) -> bool:
        """Whether the winner's lead over the recipe's own setting is more than chance gives."""
        return self.winner.value - self.tried[0].value >= self.smallest_difference

    def verdict(self) -> str:
        """Returns one line: who won, and what that is worth."""
        own, winner, count = self.tried[0], self.winner, len(self.tried)
        if winner is own:
            return f"no trial of {count} is better than the recipe's own setting: {self.metric} {own.value:.1f}"
        line = (
            f"trial {winner.number} of {count} wins: {self.metric} {winner.value:.1f} with {describe(winner.setting)}; "
            f"the recipe's own setting: {own.value:.1f}"
        )
        if self.is_told_apart:
            return line
        return (
            f"{line}. Not told apart from the recipe's own setting: with {self.dev_examples} dev examples that takes "
            f"{self.smallest_difference:.1f} points (95 %)"
        )

    def trial_line(self, trials: int) -> str:
        """Returns a line about the last trial, with the time that the others and the winner's training will take."""
        last, best = self.tried[-1], self.winner
        ended = {
            "pruned": f"pruned at epoch {last.epochs_done}, ",
            "diverged": f"diverged in epoch {last.epochs_done + 1}, ",
        }.get(last.state, "")
        line = f"trial {last.number} of {trials}: {describe(last.setting)}: {ended}{self.metric} {last.value:.1f}"
        seconds = sum(one.seconds for one in self.tried) / len(self.tried) * (trials - last.number) + best.seconds
        return f"{line} (best so far {best.value:.1f}, trial {best.number}); ETA {format_seconds(seconds)}"

    def files(self) -> dict[str, str]:
        """Returns names and texts of the files that go with the winner; nothing of the machine is in them."""
        return {STUDY: json.dumps(self.as_json(), indent=2) + "\n", TABLE: self._markdown()}

    def as_json(self) -> dict[str, Any]:
        """Returns the content of ``study.json``."""
        return {
            "metric": self.metric,
            "dev_examples": self.dev_examples,
            "smallest_difference": round(self.smallest_difference, 2),
            "space": self.space.as_json(),
            "winner": self.winner.number,
            "trials": [
                {
                    "number": one.number,
                    "parameters": one.setting,
                    "value": one.value,
                    "state": one.state,
                    "epochs_done": one.epochs_done,
                }
                for one in self.tried
            ],
        }

    def _markdown(self) -> str:
        header, rows = trial_rows(self.as_json())
        lines = [header, ["---"] * len(header), *rows]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        verdict = self.verdict()
        return (
            "# The search for this setting\n\n"
            f"{verdict[0].upper()}{verdict[1:]}.\n\n"
            "Each trial is a training run that is scored on the dev part after each epoch; the table has the "
            f"{self.metric} of the best epoch. The winner's is the best of {len(self.tried)} and so a little too good: "
            "what it is worth is told by data that decided nothing, such as a test part. "
            f"`{STUDY}` has every digit.\n\n{table}\n"
        )
