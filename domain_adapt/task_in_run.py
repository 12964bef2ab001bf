"""One task of a run of stage 2: its data, its model with a head, how it is scored and published."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import Base, longest_input
from domain_adapt.checkpoints import Checkpoint
from domain_adapt.labelled import Data
from domain_adapt.randomness import integer_seed
from domain_adapt.recipes import Recipe, TaskRecipe
from domain_adapt.stages import Publication, Run, publish
from domain_adapt.tasks import TaskType
from domain_adapt.training.progress import meter
from domain_adapt.workspace import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from domain_adapt.tasks.interface import TaskObjective
    from domain_adapt.training.loop import Totals
    from domain_adapt.training.runtime import Runtime

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inputs:
    """What stage 2 works on.

    Attributes:
        recipe: Of the task.
        kind: Its type.
        start: Starting weights.
        data: Labelled.
        name: Of the checkpoint.
        files: Those of the data that the caller named instead of the recipe: ``train``, ``dev``, ``test`` -> files.
    """

    recipe: Recipe[TaskRecipe]
    kind: TaskType
    start: Base
    data: Data
    name: str
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)


class TaskInRun:
    """One task of a run: its data, its model with a head, how it is scored.

    Args:
        inputs: What it works on.
        tokenizer: Of the starting weights.
        runtime: Device and precision.
    """

    def __init__(self, inputs: Inputs, tokenizer: PreTrainedTokenizerBase, runtime: Runtime) -> None:
        self._inputs, self.kind, self.data = inputs, inputs.kind, inputs.data
        self._tokenizer, self._runtime = tokenizer, runtime
        self.values = inputs.recipe.values
        labelled, seed = self.data.labelled(self.values.finetune), integer_seed(self.values.seed, "new-head")
        self.model: PreTrainedModel = self.kind.load_model(inputs.start.folder, labelled, self.values, seed=seed)
        self._dev_features = self.kind.featurise(self.data.dev.examples, tokenizer, self._settings())

    def objective(self) -> TaskObjective:
        """Returns the training side."""
        features = self.kind.featurise(self.data.train.examples, self._tokenizer, self._settings())
        objective = self.kind.objective(features, self._tokenizer.pad_token_id, self.values.finetune)
        self._mean_tokens = round(float(objective.lengths.mean()))
        return objective

    def score_dev(self) -> tuple[dict[str, float], dict[str, float]]:
        """Returns the dev part's metrics, and what was tuned on it for them."""
        examples = self.data.dev.examples
        logits = self._logits(self._dev_features, "dev")
        tuned = self.kind.tune(logits, self._dev_features, examples, self._settings())
        settings = self._settings(tuned)
        predictions = self.kind.decode(logits, self._dev_features, examples, settings)
        return self.kind.metric(examples, predictions), tuned

    def publish(
        self,
        best: Mapping[str, Any],
        totals: Totals,
        run: Run,
        workspace: Workspace,
        extra_files: Mapping[str, str],
        described: Mapping[str, Any] | None = None,
    ) -> Checkpoint:
        """Scores the test part and publishes the model, whose weights are those of the best epoch.

        ``described`` is what the manifest says about the data, where the model has seen more than this task's.
        """
        inputs = self._inputs
        own = best["tasks"][self.values.name]
        for key, value in own["tuned"].items():
            setattr(self.model.config, key, value)
        metrics = {f"dev/{key}": value for key, value in own["metrics"].items()}
        plots: dict[str, bytes] = {}
        drawing = self.kind.plots(self.values)
        part = "dev" if self.data.test is None else "test"
        if part == "test" or drawing:
            examples, predictions = self._predictions(part, own["tuned"])
            plots = {file: draw(examples, predictions, f"{inputs.name}, {part} part") for file, draw in drawing.items()}
            scores = self.kind.metric(examples, predictions) if part == "test" else {}
            metrics |= {f"test/{key}": value for key, value in scores.items()}
        say_metrics(metrics)
        texts = {file: text.encode("utf-8") for file, text in extra_files.items()}
        publication = Publication(
            name=inputs.name,
            stage="finetune",
            domain=self.data.domain,
            task=self.values.name,
            profile=inputs.recipe.profile,
            recipe=self.values,
            base=inputs.start,
            corpus=described or self.data.describe(self.values.name),
            metrics=metrics
            | {"train/best_epoch": float(best["epoch"])}
            | totals.metrics()
            | {"train/flops": self._flops_per_token() * totals.tokens},
            folder=inputs.recipe.folder,
            files=inputs.files,
            multitask=described is not None,
        )
        return publish(publication, self.model, self._tokenizer, run, self._runtime, workspace, plots | texts)

    def predict(self, examples: Sequence[Any], tuned: Mapping[str, float]) -> list[Any]:
        """Returns the model's predictions; ``tuned`` is what the best epoch chose on the dev part."""
        for key, value in tuned.items():
            setattr(self.model.config, key, value)
        features = self.kind.featurise(examples, self._tokenizer, self._settings())
        logits = self._logits(features, "given")
        return self.kind.decode(logits, features, examples, self._settings())

    def _predictions(self, part: str, tuned: dict[str, float]) -> tuple[list[Any], list[Any]]:
        """Returns the examples of a part and the finished model's predictions."""
        examples = self.data.parts[part].examples
        features = (
            self._dev_features if part == "dev" else self.kind.featurise(examples, self._tokenizer, self._settings())
        )
        logits = self._logits(features, part)
        return examples, self.kind.decode(logits, features, examples, self._settings(tuned))

    def _flops_per_token(self) -> float:
        from domain_adapt.training.compiling import undo_compilation
        from domain_adapt.training.flops import encoder_flops_per_token

        undo_compilation(self.model)  # nothing is counted within compiled layers, and they are not needed any more
        longest = longest_input(self.model.config) or self._mean_tokens
        return encoder_flops_per_token(self.model, tokens=max(1, min(self._mean_tokens, longest)))

    def _settings(self, tuned: dict[str, float] | None = None) -> Any:
        config = self.model.config
        if tuned:
            config = type(config).from_dict(config.to_dict() | tuned)
        return self.kind.settings(self.values, config)

    def _logits(self, features: Any, part: str) -> Any:
        with meter(f"scoring the {part} part") as progress:
            return self.kind.logits(
                self.model,
                features,
                batch_size=256,
                device=self._runtime.device,
                pad_token_id=self._tokenizer.pad_token_id,
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
