"""What a check has to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong (``error``), or that a reader should look at (``warning``).

    Attributes:
        check: Which check says it; findings are counted by this word.
        place: ``file:line``, or the set.
    """

    level: Literal["error", "warning"]
    check: str
    place: str
    message: str


def error(check: str, place: str, message: str) -> Finding:
    """Returns a finding that makes the data unusable or its figures wrong."""
    return Finding("error", check, place, message)


def warning(check: str, place: str, message: str) -> Finding:
    """Returns a finding that may be meant so."""
    return Finding("warning", check, place, message)
