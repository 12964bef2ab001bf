"""The command ``domain-adapt tune``: parse, call, print."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from domain_adapt.cli_options import (
    BaseOption,
    Dev,
    LabelDomain,
    Name,
    Overrides,
    Profile,
    Start,
    Task,
    Test,
    Train,
)
from domain_adapt.cli_process import prepare_process


def tune_command(
    task: Task,
    trials: Annotated[int, typer.Option(help="settings to try in all; those of earlier calls count")] = 20,
    start: Start = None,
    domain: LabelDomain = None,
    base: BaseOption = None,
    train: Train = None,
    dev: Dev = None,
    test: Test = None,
    name: Name = None,
    profile: Profile = "quick",
    overrides: Overrides = [],  # noqa: B006  (typer copies it)
) -> None:
    """Stage 2 with a search: try settings around the recipe's, publish the model of the best one.

    Varies the learning rate (a fifth to five times the recipe's), the epochs (half, as many, twice as many), the frozen
    layers (none, a third, two thirds) and the layer decay (1, 0.9, 0.8). The recipe's own setting is the first trial;
    runs that fall behind the others are ended early. The dev part decides, so it needs enough examples: the last line
    says whether the winner is told apart from the recipe's own setting. --test is scored once, with the winner.

    A search takes about as long as so many fine-tunings, less what is ended early; each trial is a line with the time
    that is left. After a kill the same command goes on where it was; --trials 30 after --trials 20 does ten more.
    Publishes checkpoints/<domain>-<task>/v<N> as finetune does, with all trials in search.md and study.json. The study
    itself stays in runs/tune-<fingerprint>/.
    """
    from rich.console import Console

    prepare_process()
    from domain_adapt.report.tables import study_table
    from domain_adapt.tune import tune

    found = tune(
        task,
        trials=trials,
        start=start,
        domain=domain,
        base=base,
        train=train or (),
        dev=dev or (),
        test=test or (),
        name=name,
        profile=profile,
        overrides=overrides,
    )
    Console(width=None if sys.stdout.isatty() else 160).print(study_table(found))
