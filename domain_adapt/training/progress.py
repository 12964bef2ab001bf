"""Progress with a rate and an ETA: a bar on a terminal, one line a minute elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from domain_adapt.training.ranks import is_main

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 60.0


class Meter:
    """Shows how far one piece of work is; made by :func:`meter`."""

    def __init__(self, label: str, total: int | None, bar: Progress | None) -> None:
        self._label = label
        self._total = total
        self._bar = bar
        self._task = bar.add_task(label, total=total, note="") if bar else None
        self._started = self._line_due = time.monotonic()
        self._first: int | None = None
        self._line_due += SECONDS_BETWEEN_LINES

    def expect(self, total: int) -> None:
        """Says how much there is, where that is known only after the beginning."""
        if total != self._total:
            self._total = total
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, total=total)

    def begin(self, label: str, total: int | None) -> None:
        """Goes on to another piece of work, if ``label`` is not that of the current one."""
        if label == self._label:
            return
        self._label, self._total, self._first = label, total, None
        self._started = time.monotonic()
        if self._bar is not None and self._task is not None:
            self._bar.reset(self._task, total=total, description=label, note="")

    def update(self, done: int, note: str = "") -> None:
        """Shows ``done`` of the total, and ``note`` behind it."""
        if self._first is None:
            self._first = done  # a resumed run must not count what was done before as done just now
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, note=note)
            return
        now = time.monotonic()
        if now < self._line_due:
            return
        self._line_due = now + SECONDS_BETWEEN_LINES
        logger.info("%s: %s%s", self._label, self._position(done, now), f", {note}" if note else "")

    def _position(self, done: int, now: float) -> str:
        if self._total is None:
            return f"{done:,}"
        advanced = done - (self._first or 0)
        eta = (self._total - done) * (now - self._started) / advanced if advanced else float("nan")
        return f"{done:,} of {self._total:,} ({done / max(self._total, 1):.0%}), ETA {format_seconds(eta)}"


@contextmanager
def meter(label: str, total: int | None = None) -> Iterator[Meter]:
    """Yields a :class:`Meter` for work of ``total`` steps (None: unknown)."""
    if not sys.stderr.isatty() or not is_main():  # the log of the other ranks is silent
        yield Meter(label, total, None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Meter(label, total, bar)


@contextmanager
def quiet() -> Iterator[None]:
    """Hides what the package says about its work; warnings come through."""
    package = logging.getLogger("domain_adapt")
    level = package.level
    package.setLevel(logging.WARNING)
    try:
        yield
    finally:
        package.setLevel(level)


def format_seconds(seconds: float) -> str:
    """Returns ``75.2`` as ``1 min 15 s``."""
    if seconds != seconds:  # NaN: nothing is known yet
        return "unknown"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
