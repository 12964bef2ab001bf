"""Parts of Markdown as GitHub and the Hub read it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# What means something within a line; not single underscores within words; bars only in tables, whose cells escape them.
_SPECIAL = re.compile(r"[\\`*\[\]<>&~$]|(?<![^\W_])_|_(?![^\W_])")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table; columns whose head begins with # hold numbers. Its cells are Markdown."""
    aligned = ["---:" if head.startswith("#") else "---" for head in header]
    heads = [head.removeprefix("#") for head in header]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in [heads, aligned, *rows])


def literal(value: object) -> str:
    """Returns text as Markdown that shows it as it is, on one line: no markup, HTML or formula in it counts.

    What only counts at the beginning of a line ("#", "1.") is left, so something must stand before it.
    """
    return _SPECIAL.sub(r"\\\g<0>", " ".join(str(value).split()))


def code(value: object) -> str:
    """Returns text as code on one line, whatever backticks it has."""
    line = " ".join(str(value).split())
    longest = max(map(len, re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest or not line else ""
    return f"{fence}{space}{line}{space}{fence}"


def code_block(value: str, language: str = "") -> str:
    """Returns text as a block of code, whatever backticks it has."""
    longest = max(map(len, re.findall("`{3,}", value)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{value.rstrip()}\n{fence}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
