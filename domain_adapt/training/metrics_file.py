"""The training curve on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from domain_adapt.training.ranks import is_main


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
