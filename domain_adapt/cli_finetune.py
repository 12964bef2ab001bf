"""The command ``domain-adapt finetune``: parse, call, print."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain_adapt.cli_options import (
    BaseOption,
    Dev,
    Force,
    LabelDomain,
    Name,
    Overrides,
    Profile,
    Start,
    Test,
    Train,
)
from domain_adapt.cli_process import prepare_process
from domain_adapt.errors import DomainAdaptError
from domain_adapt.training.ranks import is_main

if TYPE_CHECKING:
    from domain_adapt.checkpoints import Checkpoint


def finetune_command(
    tasks: Annotated[
        list[str],
        typer.Argument(
            metavar="TASK...",
            help="a task of `domain-adapt recipes`, or a folder such as ./my-task; with --multitask several",
        ),
    ],
    start: Start = None,
    domain: LabelDomain = None,
    base: BaseOption = None,
    train: Train = None,
    dev: Dev = None,
    test: Test = None,
    name: Name = None,
    profile: Profile = "quick",
    overrides: Overrides = [],  # noqa: B006  (typer copies it)
    force: Force = False,
    seeds: Annotated[
        int, typer.Option(help="train so many times, from the recipe's seed on, and print the spread")
    ] = 1,
    folds: Annotated[
        int,
        typer.Option(help="cross-validation: train on all but one of so many parts of the data, each left out once"),
    ] = 0,
    multitask: Annotated[
        bool, typer.Option("--multitask", help="train one encoder on all tasks, a head for each of them")
    ] = False,
) -> None:
    """Stage 2: fine-tune an adapted checkpoint, or a base, on a task.

    Publishes checkpoints/<domain>-<task>/v<N> with the weights of the best epoch on the dev part. With --seeds there is
    a version for each, and a table of mean, standard deviation and values; with --folds for each fold.

    With --multitask the tasks share an encoder: a step trains on one of them, drawn in proportion to the square root of
    its rows (--set multitask.size_exponent), and --set multitask.mlm_weight=0.1 adds a masked-LM loss on their texts.
    Each task's data and row length are its own recipe's, all else is the first one's. Publishes
    checkpoints/<domain>-multitask-<task>/v<N> for each task and checkpoints/<domain>-multitask-encoder/v<N>; --name
    replaces what stands before the last part.
    """
    prepare_process()
    from domain_adapt.seeds import finetune_multitask_seeds, finetune_seeds

    shared: dict[str, Any] = {
        "start": start,
        "domain": domain,
        "base": base,
        "name": name,
        "profile": profile,
        "overrides": overrides,
        "force": force,
    }
    if multitask:
        given = {"--train": train, "--dev": dev, "--test": test, "--folds": folds}
        _refuse([option for option, value in given.items() if value])
        for task, found in finetune_multitask_seeds(tasks, seeds, **shared).items():
            _show_spreads(found, f"{task} ")
        return
    if len(tasks) > 1:
        raise DomainAdaptError(
            f"expected one task (found {', '.join(tasks)})",
            hint="add --multitask to train one encoder on all of them, or fine-tune on one after the other",
        )
    files: dict[str, Any] = {"train": train or (), "dev": dev or (), "test": test or ()}
    _show_spreads(finetune_seeds(tasks[0], seeds, folds=folds, **files, **shared))


def _refuse(options: Sequence[str]) -> None:
    if options:
        raise DomainAdaptError(
            f"{options[0]} with --multitask: every task's data is what its recipe says",
            hint="name the files in a task folder of your own: ./my-task/task.toml",
        )


def _show_spreads(found: Sequence[Checkpoint], prefix: str = "") -> None:
    """Prints mean, deviation and values of every figure, if there are several checkpoints."""
    from rich.console import Console

    from domain_adapt.report.tables import figure_table
    from domain_adapt.seeds import spreads

    if len(found) < 2 or not is_main():
        return
    rows = [
        (f"{prefix}{one.name}  {one.mean:.1f} ± {one.deviation:.1f}", " ".join(f"{value:.1f}" for value in one.values))
        for one in spreads(found)
    ]
    Console(width=None if sys.stdout.isatty() else 160).print(figure_table(rows))
