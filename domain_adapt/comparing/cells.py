"""One cell of a comparison: a fine-tuning from one starting point with one seed, and how well it did; kept on disk."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from domain_adapt.comparing.subsets import clusters, subset
from domain_adapt.fingerprint import fingerprint
from domain_adapt.labelled import Data
from domain_adapt.stages import open_run, stage_fingerprint
from domain_adapt.task_in_run import Inputs
from domain_adapt.tasks import LoadedExamples
from domain_adapt.tasks.counting import Counts, Shown
from domain_adapt.workspace import Workspace, write_json

logger = logging.getLogger(__name__)

# Part of every cell's name: raise it when what is kept of a cell changes.
CELL_FORMAT = 1


@dataclass(frozen=True)
class Cell:
    """What is fine-tuned and what it is scored on.

    Attributes:
        inputs: Recipe with its seed, starting weights, data.
        labels: Training examples to take; 0: all.
        general: Examples of the same kind that are not of the domain; may be none.
        on_dev: Score the dev part though there is a test part: for what is chosen by the score.
    """

    inputs: Inputs
    labels: int
    general: Sequence[Any] = ()
    on_dev: bool = False

    @property
    def data(self) -> Data:
        """The data with as many labels as the cell has."""
        data, kind = self.inputs.data, self.inputs.kind
        if not self.labels:
            return data
        chosen = subset(data.train.examples, self.labels, kind.group, self.inputs.recipe.values.seed)
        return replace(data, train=LoadedExamples(chosen), known=tuple(data.train.examples))

    @property
    def scored(self) -> tuple[str, LoadedExamples[Any]]:
        """Name and examples of the part that is scored: ``test``, or ``dev`` where there is none."""
        data = self.inputs.data
        return ("dev", data.dev) if data.test is None or self.on_dev else ("test", data.test)

    def fingerprint(self) -> str:
        """Returns the SHA-256 of everything that decides the cell."""
        exclude = {"runtime", "description", "name", "base", "base_revision", "data", "multitask"}
        values = self.inputs.recipe.values.model_dump(exclude=exclude)
        data = [
            self.inputs.data.fingerprint(),
            fingerprint(
                ({"part": "dev"} if self.on_dev else {})
                | {"labels": self.labels, "general": repr(list(self.general)), "format": CELL_FORMAT}
            ),
        ]
        return stage_fingerprint("compare", values, self.inputs.start, data)


@dataclass(frozen=True)
class Evaluated:
    """How well a model did on one set of examples.

    Attributes:
        metrics: Name -> percent.
        values: (examples, k), see :class:`domain_adapt.tasks.counting.Counts`.
        points: Name of what makes the selection metric out of sums of ``values``.
        scores: (examples,) in [0, 1].
        answers: What was predicted, as a reader sees it.
    """

    metrics: dict[str, float]
    values: npt.NDArray[np.float64]
    points: str
    scores: npt.NDArray[np.float64]
    answers: list[str]

    def as_json(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        return asdict(self) | {"values": self.values.tolist(), "scores": self.scores.tolist()}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Evaluated:
        """Returns what :meth:`as_json` was made of."""
        arrays = {key: np.array(stored[key], dtype=np.float64) for key in ("values", "scores")}
        return cls(**(stored | arrays))


@dataclass(frozen=True)
class Result:
    """What came out of a cell: on the task's own part, on the general examples, and in which time."""

    task: Evaluated
    general: Evaluated | None
    seconds: float
    labels: int


def run_cell(cell: Cell, workspace: Workspace) -> Result:
    """Returns the result of a cell: from the cache, or by training; a killed training goes on.

    Raises:
        DomainAdaptError: For the reasons of :func:`domain_adapt.finetune`.
    """
    name = cell.fingerprint()
    path = workspace.cache / "comparisons" / f"{name[:32]}.json"
    found = _read(path)
    if found is not None:
        return found
    from domain_adapt.finetuning import Finetuning

    inputs = replace(cell.inputs, data=cell.data)
    with open_run("compare", name, workspace, fresh=False) as run:
        finetuning = Finetuning(inputs, run, workspace)
        seconds = finetuning.train()
        part = _evaluated(cell, cell.scored[1].examples, finetuning.predictions)
        general = _evaluated(cell, cell.general, finetuning.predictions) if cell.general else None
        result = Result(part, general, seconds, len(inputs.data.train.examples))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, _stored(result))
    return result


def example_clusters(cell: Cell, examples: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Returns (examples,) numbers of the texts that the examples are about."""
    return clusters([cell.inputs.kind.group(example) for example in examples])


def _evaluated(cell: Cell, examples: Sequence[Any], predict: Callable[[Sequence[Any]], list[Any]]) -> Evaluated:
    kind, data = cell.inputs.kind, cell.inputs.data
    predictions = predict(examples)
    known = [example for part in data.parts.values() for example in part.examples]
    counts: Counts = kind.counts(examples, predictions, known)
    shown: list[Shown] = [kind.show(*pair) for pair in zip(examples, predictions, strict=True)]
    metrics = kind.metric(examples, predictions)
    metric = kind.selection_metric(cell.inputs.recipe.values)
    if abs(counts.metric() - metrics[metric]) > 1e-6:
        raise RuntimeError(f"{metric} is {metrics[metric]} and {counts.metric()} by its counts")
    return Evaluated(metrics, counts.values, counts.points, counts.scores, [one.answer for one in shown])


def _stored(result: Result) -> dict[str, Any]:
    general = result.general.as_json() if result.general else None
    return {"task": result.task.as_json(), "general": general, "seconds": result.seconds, "labels": result.labels}


def _read(path: Path) -> Result | None:
    """Returns a kept result, or None if there is none that can be read."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        general = stored["general"]
        return Result(
            Evaluated.from_json(stored["task"]),
            Evaluated.from_json(general) if general else None,
            stored["seconds"],
            stored["labels"],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s: cannot be read, so the cell is trained again: %s", path, error)
        return None
