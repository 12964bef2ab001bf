"""The command ``domain-adapt merge``: parse, call, print."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from domain_adapt.cli_process import prepare_process


class ManyWeights(TyperCommand):
    """Takes ``--weights 0.7 0.3`` for ``--weights 0.7 --weights 0.3``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Returns what is left after parsing."""
        return super().parse_args(ctx, spread_weights(args))


def spread_weights(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with ``--weights`` in front of each of the numbers that follow it."""
    spread: list[str] = []
    inside = False
    for argument in arguments:
        if inside and spread[-1] != "--weights" and _is_number(argument):
            spread.append("--weights")
        elif not (inside and spread[-1] == "--weights"):
            inside = argument == "--weights" or argument.startswith("--weights=")
        spread.append(argument)
    return spread


def _is_number(text: str) -> bool:
    with suppress(ValueError):
        float(text)
        return True
    return False


def merge_command(
    operands: Annotated[
        list[str], typer.Argument(metavar="A B...", help="checkpoints, mini, Hub ids or folders of one base")
    ],
    name: Annotated[str, typer.Option(help="name of the merged checkpoint")],
    weights: Annotated[
        list[float] | None, typer.Option(metavar="W...", help="one each, adding up to 1; default: all the same")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="merge again although the checkpoint is up to date")] = False,
) -> None:
    """Publish the weighted mean of models of one base, e.g. merge medical mini --weights 0.7 0.3 --name medical-mild.

    Between a base and what it was adapted to lies often a model that is better than both (WiSE-FT); the mean of several
    runs is a model soup. They must agree in architecture, head, shapes and vocabulary.
    """
    prepare_process()
    from domain_adapt.merge import merge

    merge(*operands, name=name, weights=weights, force=force)
