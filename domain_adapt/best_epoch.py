"""What happens after each epoch of stage 2: scoring, keeping the best weights, stopping."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.task_in_run import TaskInRun, shown

if TYPE_CHECKING:
    from torch import nn


logger = logging.getLogger(__name__)

# Hears the 1-based epoch, the dev part's metrics by name, and the one of them by which the best epoch is chosen.
EpochListener = Callable[[int, dict[str, float], float], None]


class BestEpoch:
    """Called after each epoch: scores the dev parts, keeps the best weights, says when to stop.

    Of several tasks the mean of their selection metrics decides.

    Args:
        tasks: Of the run.
        folder: Of the run; holds the weights.
        patience: Stop when so many epochs in a row were not the best; 0 never stops.
        listener: Hears of every epoch.
    """

    def __init__(
        self,
        tasks: Sequence[TaskInRun],
        folder: Path,
        patience: int,
        listener: EpochListener | None = None,
    ) -> None:
        self._tasks, self._folder, self._patience, self._listener = tasks, folder, patience, listener

    def __call__(self, epoch: int, step: int, model: nn.Module, notes: dict[str, Any]) -> None:
        """Scores the tasks after ``epoch`` (0-based) and ``step`` optimizer steps; the outcome is in the notes.

        ``model`` is the one that is trained: the only task's own, or a mixture of those of all tasks.
        """
        found: dict[str, Any] = {}
        chosen: list[float] = []
        all_metrics: dict[str, float] = {}
        for task in self._tasks:
            metrics, tuned = task.score_dev()
            name = task.values.name
            found[name] = {"metrics": metrics, "tuned": tuned}
            chosen.append(metrics[task.kind.selection_metric(task.values)])
            prefix = f"{name} " if len(self._tasks) > 1 else ""
            logger.info("epoch %d: %s%s", epoch + 1, prefix, shown(metrics))
            all_metrics |= {f"{prefix}{key}": value for key, value in metrics.items()}
        score = sum(chosen) / len(chosen)
        best = notes.get("best")
        if best is None or score > best["score"]:
            # A name of its own for each epoch: a state saved earlier may still need the best one before.
            file = f"best-{step:08d}.safetensors"
            _save_weights(model, self._folder / file)
            notes["best"] = best = {"epoch": epoch + 1, "file": file, "score": score, "tasks": found}
        if self._patience and epoch + 1 - best["epoch"] >= self._patience:
            logger.info("no better for %d epochs: training ends here", self._patience)
            notes["stop"] = True
        if self._listener is not None:
            self._listener(epoch + 1, all_metrics, score)


def _save_weights(model: nn.Module, path: Path) -> None:
    from safetensors.torch import save_file

    from domain_adapt.training.state import model_tensors

    temporary = path.with_suffix(".tmp")
    save_file({key: value.contiguous() for key, value in model_tensors(model).items()}, temporary)
    temporary.replace(path)
