"""The command ``domain-adapt merge``: parse, call, print."""

from __future__ import annotations

from typing import Annotated

import typer

from domain_adapt.cli_options import LabelDomain, Overrides
from domain_adapt.cli_process import prepare_process
from domain_adapt.errors import DomainAdaptError


def merge_command(
    operands: Annotated[
        list[str], typer.Argument(metavar="A B...", help="checkpoints, mini, Hub ids or folders of one base")
    ],
    name: Annotated[str, typer.Option(help="name of the merged checkpoint")],
    weights: Annotated[
        list[float] | None, typer.Option(metavar="W...", help="one each, adding up to 1; default: all the same")
    ] = None,
    choose_on: Annotated[
        str | None, typer.Option(metavar="TASK", help="of two models, choose the weights by this task's dev part")
    ] = None,
    seeds: Annotated[int, typer.Option(help="with --choose-on: fine-tunings of each choice")] = 2,
    domain: LabelDomain = None,
    overrides: Overrides = [],  # noqa: B006  (typer copies it)
    force: Annotated[bool, typer.Option("--force", help="merge again although the checkpoint is up to date")] = False,
) -> None:
    """Publish the weighted mean of models of one base, e.g. merge medical mini --weights 0.7 0.3 --name medical-mild.

    Between a base and what it was adapted to lies often a model that is better than both (WiSE-FT); the mean of several
    runs is a model soup. They must agree in architecture, head, shapes and vocabulary.

    With --choose-on the shares 0.25, 0.5 and 0.75 of the first of two models are each fine-tuned from, and the one that
    does best on the dev part of the task is published; --set and --domain are those of the fine-tuning.
    """
    if choose_on is not None and (len(operands) != 2 or weights):
        raise DomainAdaptError(
            "--choose-on: expected two models and no --weights", hint="merge medical mini --choose-on qa"
        )
    if choose_on is None and (overrides or domain):
        raise DomainAdaptError("--set and --domain belong to --choose-on", hint="merge medical mini --choose-on qa")
    prepare_process()
    if choose_on is not None:
        from domain_adapt.choose_weights import merge_by_task

        first, second = operands
        merge_by_task(
            first,
            second,
            name=name,
            task=choose_on,
            seeds=seeds,
            domain=domain,
            overrides=overrides,
            force=force,
        )
        return
    from domain_adapt.merge import merge

    merge(*operands, name=name, weights=weights, force=force)
