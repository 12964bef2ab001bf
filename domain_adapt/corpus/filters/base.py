"""What a filter answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Dropped:
    """Why a document is not kept.

    Attributes:
        reason: A few words that others of its kind share; they are counted under it.
        detail: What exactly decided, on one line: the figure and its bound, the words that repeat.
    """

    reason: str
    detail: str = ""


# Takes a document's text as lines and paragraphs (see `normalise_lines`); returns the text to go on with, which is
# mostly the same, or why the document is dropped.
Filter = Callable[[str], str | Dropped]
