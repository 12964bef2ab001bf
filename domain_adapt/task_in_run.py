"""One task of a run of stage 2: its data, its model with a head, how it is scored and published."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import Base
from domain_adapt.checkpoints import Checkpoint
from domain_adapt.labelled import Data
from domain_adapt.randomness import integer_seed
from domain_adapt.recipes import Recipe, TaskRecipe
from domain_adapt.stages import Publication, Run, publish
from domain_adapt.tasks import TaskType
from domain_adapt.training.progress import meter
from domain_adapt.workspace import Workspace

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from domain_adapt.tasks.interface import TaskObjective
    from domain_adapt.training.loop import Totals
    from domain_adapt.training.runtime import Runtime

logger = logging.getLogger(__name__)


class TaskInRun:
    """One task of a run: its data, its model with a head, how it is scored.

    Args:
        recipe: Of the task.
        kind: Its type.
        start: Starting weights.
        data: Labelled.
        tokenizer: Of the starting weights.
        runtime: Device and precision.
    """

    def __init__(
        self,
        recipe: Recipe[TaskRecipe],
        kind: TaskType,
        start: Base,
        data: Data,
        tokenizer: PreTrainedTokenizerBase,
        runtime: Runtime,
    ) -> None:
        self.recipe, self.kind, self.start, self.data = recipe, kind, start, data
        self.tokenizer, self.runtime = tokenizer, runtime
        self.values = recipe.values
        labelled, seed = data.labelled(self.values.finetune), integer_seed(self.values.seed, "new-head")
        self.model: PreTrainedModel = kind.load_model(start.folder, labelled, self.values, seed=seed)
        self._dev_features = kind.featurise(data.dev.examples, tokenizer, self._settings())

    def objective(self) -> TaskObjective:
        """Returns the training side."""
        features = self.kind.featurise(self.data.train.examples, self.tokenizer, self._settings())
        return self.kind.objective(features, self.tokenizer.pad_token_id, self.values.finetune)

    def score_dev(self, model: nn.Module) -> tuple[dict[str, float], dict[str, float]]:
        """Returns the dev part's metrics, and what was tuned on it for them."""
        examples = self.data.dev.examples
        logits = self._logits(model, self._dev_features, "dev")
        tuned = self.kind.tune(logits, self._dev_features, examples, self._settings())
        settings = self._settings(tuned)
        predictions = self.kind.decode(logits, self._dev_features, examples, settings)
        return self.kind.metric(examples, predictions), tuned

    def publish(
        self,
        name: str,
        best: dict[str, Any],
        totals: Totals,
        run: Run,
        workspace: Workspace,
        extra_files: Mapping[str, str],
        described: Mapping[str, Any] | None = None,
    ) -> Checkpoint:
        """Scores the test part and publishes the model, whose weights are those of the best epoch.

        ``described`` is what the manifest says about the data, where the model has seen more than this task's.
        """
        own = best["tasks"][self.values.name]
        for key, value in own["tuned"].items():
            setattr(self.model.config, key, value)
        metrics = {f"dev/{key}": value for key, value in own["metrics"].items()}
        plots: dict[str, bytes] = {}
        drawing = self.kind.plots(self.values)
        part = "dev" if self.data.test is None else "test"
        if part == "test" or drawing:
            examples, predictions = self._predictions(part, own["tuned"])
            plots = {file: draw(examples, predictions, f"{name}, {part} part") for file, draw in drawing.items()}
            scores = self.kind.metric(examples, predictions) if part == "test" else {}
            metrics |= {f"test/{key}": value for key, value in scores.items()}
        say_metrics(metrics)
        texts = {file: text.encode("utf-8") for file, text in extra_files.items()}
        publication = Publication(
            name=name,
            stage="finetune",
            domain=self.data.domain,
            task=self.values.name,
            profile=self.recipe.profile,
            recipe=self.values,
            base=self.start,
            corpus=described or self.data.describe(self.values.name),
            metrics=metrics | {"train/best_epoch": float(best["epoch"])} | totals.metrics(),
        )
        return publish(publication, self.model, self.tokenizer, run, self.runtime, workspace, plots | texts)

    def _predictions(self, part: str, tuned: dict[str, float]) -> tuple[list[Any], list[Any]]:
        """Returns the examples of a part and the finished model's predictions."""
        examples = self.data.parts[part].examples
        features = (
            self._dev_features if part == "dev" else self.kind.featurise(examples, self.tokenizer, self._settings())
        )
        logits = self._logits(self.model, features, part)
        return examples, self.kind.decode(logits, features, examples, self._settings(tuned))

    def _settings(self, tuned: dict[str, float] | None = None) -> Any:
        config = self.model.config
        if tuned:
            config = type(config).from_dict(config.to_dict() | tuned)
        return self.kind.settings(self.values, config)

    def _logits(self, model: nn.Module, features: Any, part: str) -> Any:
        with meter(f"scoring the {part} part") as progress:
            return self.kind.logits(
                model,
                features,
                batch_size=256,
                device=self.runtime.device,
                pad_token_id=self.tokenizer.pad_token_id,
                on_progress=lambda done, total: progress.update(done),
            )


def say_metrics(metrics: dict[str, float]) -> None:
    """Logs the figures of the dev and of the test part, a line each."""
    for part in ("dev", "test"):
        figures = {key.removeprefix(f"{part}/"): value for key, value in metrics.items() if key.startswith(f"{part}/")}
        if figures:
            logger.info("%s: %s", part, shown(figures))


def shown(metrics: dict[str, float]) -> str:
    """Returns figures as a line of the log has them."""
    return ", ".join(f"{key} {value:.1f}" for key, value in metrics.items())
