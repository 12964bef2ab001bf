"""What a comparison asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from domain_adapt.comparing.cells import Result
from domain_adapt.finetune import read_inputs
from domain_adapt.task_in_run import Inputs
from domain_adapt.training.meeting import Meeting
from domain_adapt.workspace import Workspace

# (starting point, labels, seed, fold) -> what came out
Results = dict[tuple[str, int, int, int], Result]


@dataclass(frozen=True)
class Question:
    """What is asked: which starting points, on which task, with how many labels and seeds.

    Attributes:
        task: As for :func:`domain_adapt.finetune`, and so are domain, train, dev, test, profile and overrides.
        starts: Starting points, each as ``--from`` takes it.
        seeds: Of the fine-tuning.
        labels: Training examples; 0 is all.
        folds: Of a cross-validation; 0 takes the parts as they are.
        general: Files of examples of the same kind that are not of the domain.
    """

    task: str
    starts: Sequence[str]
    seeds: Sequence[int]
    labels: Sequence[int] = (0,)
    folds: int = 0
    domain: str | None = None
    train: Sequence[str | Path] = ()
    dev: Sequence[str | Path] = ()
    test: Sequence[str | Path] = ()
    general: Sequence[str | Path] = ()
    profile: str = "quick"
    overrides: Sequence[str] = ()

    def inputs(self, start: str, seed: int, fold: int, workspace: Workspace) -> Inputs:
        """Returns what one fine-tuning works on."""
        overrides = [*self.overrides, f"seed={seed}"]
        if self.folds:
            overrides += [f"finetune.folds={self.folds}", f"finetune.fold={fold}"]
        return read_inputs(
            self.task,
            start=start,
            domain=self.domain,
            base=None,
            train=self.train,
            dev=self.dev,
            test=self.test,
            name=None,
            profile=self.profile,
            overrides=overrides,
            workspace=workspace,
            meeting=Meeting(),
        )
