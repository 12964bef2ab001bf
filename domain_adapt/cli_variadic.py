"""Options that take several values after one name, which click does not know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from typer.core import TyperCommand


class ManyWeights(TyperCommand):
    """Takes ``--weights 0.7 0.3`` for ``--weights 0.7 --weights 0.3``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Returns what is left after parsing."""
        return super().parse_args(ctx, spread(args, ("--weights",), _is_number))


class ManyCheckpoints(TyperCommand):
    """Takes ``qa --checkpoints base medical@v1`` for ``qa --checkpoints base --checkpoints medical@v1``.

    That is where the tasks stand in front; behind options, or behind a list with commas, a word is a task.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Returns what is left after parsing."""
        if args and not args[0].startswith("-"):
            args = spread(args, ("--checkpoints", "--from"), lambda text: not text.startswith("-"))
        return super().parse_args(ctx, args)


def spread(arguments: Sequence[str], options: Sequence[str], belongs: Callable[[str], bool]) -> list[str]:
    """Returns the arguments with an option's name in front of each of the values that follow it.

    Args:
        arguments: Of the command line.
        options: Names of those options.
        belongs: Whether a further word is one more value.
    """
    spread: list[str] = []
    current = ""  # the option whose values these are
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name in options:
            current = name if "," not in value else ""
        elif current and spread[-1] == current:  # its first value, whatever that is
            current = current if "," not in argument else ""
        elif current and belongs(argument):
            spread.append(current)
        else:
            current = ""
        spread.append(argument)
    return spread


def _is_number(text: str) -> bool:
    with suppress(ValueError):
        float(text)
        return True
    return False
