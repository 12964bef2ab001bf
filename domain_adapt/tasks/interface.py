"""The one interface that every task type stands behind: load, featurise, objective, logits, decode, metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from domain_adapt.recipes import FinetuneSettings, HubDataset, TaskRecipe

if TYPE_CHECKING:  # this module stays light
    import numpy as np
    import torch
    from transformers import PreTrainedModel

    from domain_adapt.tasks.counting import Counts, Shown
    from domain_adapt.training.objective import Objective

    class TaskObjective(Objective, Protocol):
        """An objective that also knows how long its rows are."""

        @property
        def lengths(self) -> np.ndarray:
            """(rows,) int64 tokens, for batches of rows of like length."""

        @property
        def row_tokens(self) -> int:
            """Tokens that memory is planned for a row: of the longest one."""


Example = TypeVar("Example")

# Draws examples and their predictions below a title, as PNG.
Plot = Callable[[Sequence[Any], Sequence[Any], str], bytes]


@dataclass(frozen=True)
class LoadedExamples(Generic[Example]):
    """Labelled examples and what had to be done to get them.

    Attributes:
        examples: In the order of the files.
        repaired: Labels that were moved to where they belong.
        dropped: Examples that could not be used.
        report: One line for each repair and each loss, naming place and id.
    """

    examples: list[Example]
    repaired: int = 0
    dropped: int = 0
    report: list[str] = field(default_factory=list)


class TaskType(Protocol):
    """What stage 2 needs to know of a kind of task.

    Examples, features, logits and predictions are the task type's own business; stage 2 only hands them on, so they
    are ``Any`` here. ``settings`` is the task type's own table of the recipe.
    """

    @property
    def name(self) -> str:
        """The word for it in ``task.toml``."""

    def selection_metric(self, recipe: TaskRecipe) -> str:
        """Returns the key of :meth:`metric` by which the best epoch is chosen; higher is better."""

    def load_model(self, folder: Path, examples: Sequence[Any], recipe: TaskRecipe, *, seed: int) -> PreTrainedModel:
        """Returns the model in ``folder`` with a head for this task; a new one is drawn from ``seed``."""

    def settings(self, recipe: TaskRecipe, config: Any) -> Any:
        """Returns the table of the recipe that belongs to this task type, fitted to a model's configuration."""

    def load(self, source: Sequence[Path] | HubDataset, recipe: TaskRecipe) -> LoadedExamples[Any]:
        """Returns the labelled examples in files or in a Hub data set; errors name the line.

        The task type's own table of the recipe may say how columns are called.
        """

    def group(self, example: Any) -> str:
        """Returns the text that an example is about: all examples on it go to the same part of the data."""

    def document(self, example: Any) -> str:
        """Returns the name of the document that the text is from, "" where the data does not say."""

    def featurise(self, examples: Sequence[Any], tokenizer: Any, settings: Any) -> Any:
        """Returns the token rows of the examples."""

    def objective(self, features: Any, pad_token_id: int, settings: FinetuneSettings) -> TaskObjective:
        """Returns the training side: batches out of rows, losses out of batches."""

    def logits(
        self,
        model: torch.nn.Module,
        features: Any,
        *,
        batch_size: int,
        device: torch.device | str,
        pad_token_id: int,
        dtype: torch.dtype | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Any:
        """Returns what the model says about every row; ``on_progress`` hears (rows done, rows)."""

    def tune(self, logits: Any, features: Any, examples: Sequence[Any], settings: Any) -> dict[str, float]:
        """Returns what is chosen on a dev part after training, e.g. a threshold: keys of the model's configuration.

        :meth:`settings` reads them from there.
        """

    def decode(self, logits: Any, features: Any, examples: Sequence[Any], settings: Any) -> list[Any]:
        """Returns one prediction an example."""

    def metric(self, examples: Sequence[Any], predictions: Sequence[Any]) -> dict[str, float]:
        """Returns metric name -> value in percent (0 to 100); higher is better, but not of errors such as ``ece``."""

    def counts(self, examples: Sequence[Any], predictions: Sequence[Any], known: Sequence[Any]) -> Counts:
        """Returns what each example adds to the selection metric; ``known`` has examples of every label there is."""

    def show(self, example: Any, prediction: Any | None) -> Shown:
        """Returns an example and, if there is one, a prediction of it, for a reader."""

    def plots(self, recipe: TaskRecipe) -> Mapping[str, Plot]:
        """Returns file name -> what draws it, of the plots that belong beside a published model; most have none."""
