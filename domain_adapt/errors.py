"""The one exception a user may cause; everything else is a bug and keeps its traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DomainAdaptError(Exception):
    """Something the user can mend.

    The command line prints ``error: <message>`` and ``hint: <hint>`` and exits with code 2.

    Args:
        message: Names the file and line, or the recipe key, and what was expected.
        hint: What to do about it, or None where the message says it all.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Diverged(DomainAdaptError):
    """Training went wrong for good: the model's numbers are no longer finite. A search goes on after it."""


class Stopped(Exception):
    """The user asked a training run to stop; its state is saved and the same call goes on from there."""

    def __init__(self, step: int, steps: int) -> None:
        super().__init__(f"stopped after step {step} of {steps}")
        self.step = step
        self.steps = steps


class EndedElsewhere(Exception):
    """Another process of the same run failed and says why; this one ends without a word."""

    def __init__(self, code: int) -> None:
        super().__init__("another process of this run failed")
        self.code = code


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """Returns a hint that names the candidate nearest to ``word``, or None if none is near."""
    near = difflib.get_close_matches(word, list(candidates), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else None


def first_line(error: BaseException) -> str:
    """Returns the first line of an exception's text that says something, or the name of its type."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
