"""The training curve on disk: every step while a run lasts, a few hundred points of it for good."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from domain_adapt.training.ranks import is_main

METRICS = "metrics.jsonl"
CURVE_POINTS = 200  # as many as a plot can show: at a width of 800 pixels four pixels each
_CURVE_DIGITS = 6  # of the loss, after the point; float32 has no more


class MetricsFile:
    """``metrics.jsonl``: one line a step; lines after the step a run resumes from are dropped.

    Written by the main process alone.
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path if is_main() else Path(os.devnull)
        if not is_main():
            return
        kept = []
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    if json.loads(line)["step"] <= step:
                        kept.append(line + "\n")
                except (ValueError, KeyError):
                    break  # the line that a killed process was writing
        path.write_text("".join(kept), encoding="utf-8")

    def __enter__(self) -> MetricsFile:
        self._file = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, values: dict[str, Any]) -> None:
        """Appends one line."""
        self._file.write(json.dumps(values) + "\n")
        self._file.flush()


def training_curve(path: Path) -> list[list[float]]:
    """Returns at most :data:`CURVE_POINTS` pairs ``[tokens, loss]`` of a finished run; [] if nothing was written.

    Tokens are those seen at the end of a stretch of steps (without padding, since the start of the run), the loss is
    the mean over its steps. No time is in it, so that the same run gives the same curve.

    Args:
        path: A ``metrics.jsonl``.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    steps = [(step["tokens"], step["loss"]) for step in map(json.loads, lines) if math.isfinite(step["loss"])]
    points = min(CURVE_POINTS, len(steps))
    ends = [len(steps) * (point + 1) // points for point in range(points)]
    return [
        [steps[end - 1][0], round(math.fsum(loss for _, loss in steps[start:end]) / (end - start), _CURVE_DIGITS)]
        for start, end in zip([0, *ends], ends, strict=False)
    ]
