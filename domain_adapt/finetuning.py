"""The model's side of stage 2: features, training, the choice of the best epoch, publication."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import Base, load_tokenizer
from domain_adapt.checkpoints import Checkpoint
from domain_adapt.labelled import Data
from domain_adapt.randomness import integer_seed
from domain_adapt.recipes import Recipe, TaskRecipe
from domain_adapt.stages import Publication, Run, await_publication, publish
from domain_adapt.tasks import TaskType
from domain_adapt.training.progress import meter
from domain_adapt.training.ranks import is_main, place
from domain_adapt.workspace import Workspace

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from domain_adapt.tasks.interface import TaskObjective
    from domain_adapt.training.loop import Totals
    from domain_adapt.training.lora import Adapters
    from domain_adapt.training.runtime import Runtime

logger = logging.getLogger(__name__)

# Hears the 1-based epoch, the dev part's metrics by name, and the one of them by which the best epoch is chosen.
EpochListener = Callable[[int, dict[str, float], float], None]


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
        self.model: PreTrainedModel = kind.load_model(
            start.folder, data.labelled(self.values.finetune), seed=integer_seed(self.values.seed, "new-head")
        )
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
    ) -> Checkpoint:
        """Scores the test part and publishes the model, whose weights are those of the best epoch."""
        own = best["tasks"][self.values.name]
        for key, value in own["tuned"].items():
            setattr(self.model.config, key, value)
        metrics = {f"dev/{key}": value for key, value in own["metrics"].items()}
        if self.data.test is not None:
            examples = self.data.test.examples
            features = self.kind.featurise(examples, self.tokenizer, self._settings())
            logits = self._logits(self.model, features, "test")
            predictions = self.kind.decode(logits, features, examples, self._settings(own["tuned"]))
            scores = self.kind.metric(examples, predictions)
            metrics |= {f"test/{key}": value for key, value in scores.items()}
        say_metrics(metrics)
        publication = Publication(
            name=name,
            stage="finetune",
            domain=self.data.domain,
            task=self.values.name,
            profile=self.recipe.profile,
            recipe=self.values,
            base=self.start,
            corpus=self.data.describe(self.values.name),
            metrics=metrics | {"train/best_epoch": float(best["epoch"])} | totals.metrics(),
        )
        files = {file: text.encode("utf-8") for file, text in extra_files.items()}
        return publish(publication, self.model, self.tokenizer, run, self.runtime, workspace, files)

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
                batch_size=32,
                device=self.runtime.device,
                pad_token_id=self.tokenizer.pad_token_id,
                on_progress=lambda done, total: progress.update(done),
            )


class BestEpoch:
    """Called after each epoch: scores the dev parts, keeps the best weights, says when to stop.

    Of several tasks the mean of their selection metrics decides.

    Args:
        tasks: Of the run.
        folder: Of the run; holds the weights.
        patience: Stop when so many epochs in a row were not the best; 0 never stops.
        listener: Hears of every epoch.
        model_of: Returns the model of the n-th task, given the model that is trained.
    """

    def __init__(
        self,
        tasks: Sequence[TaskInRun],
        folder: Path,
        patience: int,
        listener: EpochListener | None = None,
        model_of: Callable[[nn.Module, int], nn.Module] = lambda model, number: model,
    ) -> None:
        self._tasks, self._folder, self._patience = tasks, folder, patience
        self._listener, self._model_of = listener, model_of

    def __call__(self, epoch: int, step: int, model: nn.Module, notes: dict[str, Any]) -> None:
        """Scores ``model`` after ``epoch`` (0-based) and ``step`` optimizer steps; the outcome is in the notes."""
        found: dict[str, Any] = {}
        chosen: list[float] = []
        all_metrics: dict[str, float] = {}
        for number, task in enumerate(self._tasks):
            metrics, tuned = task.score_dev(self._model_of(model, number))
            name = task.values.name
            found[name] = {"metrics": metrics, "tuned": tuned}
            chosen.append(metrics[task.kind.selection_metric])
            prefix = f"{name} " if len(self._tasks) > 1 else ""
            logger.info("epoch %d: %s%s", epoch + 1, prefix, _shown(metrics))
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


class Finetuning:
    """One run of stage 2 on one task.

    Args:
        recipe: Of the task.
        kind: Its type.
        start: Starting weights.
        data: Labelled.
        name: Of the checkpoint.
        run: Its folder.
        workspace: Where checkpoints are.
        on_epoch: Hears of every epoch.
        extra_files: Names and texts of files that are published beside the model.
    """

    def __init__(
        self,
        recipe: Recipe[TaskRecipe],
        kind: TaskType,
        start: Base,
        data: Data,
        name: str,
        run: Run,
        workspace: Workspace,
        on_epoch: EpochListener | None = None,
        extra_files: Mapping[str, str] | None = None,
    ) -> None:
        from domain_adapt.training.runtime import detect

        self._name, self._run, self._workspace, self._on_epoch = name, run, workspace, on_epoch
        self._extra_files = extra_files or {}
        self._values = recipe.values
        self._runtime = detect(self._values.runtime, run.folder)
        place(self._runtime.device)
        self._task = TaskInRun(recipe, kind, start, data, load_tokenizer(start.folder), self._runtime)
        self._model = self._task.model

    def publish(self) -> Checkpoint:
        """Trains, takes the best epoch's weights and publishes them."""
        from safetensors.torch import load_file

        from domain_adapt.training.state import put_tensors

        adapters = self._prepare()
        totals = self._train()
        if not is_main():
            return await_publication(self._run, self._workspace)
        best = totals.notes["best"]
        put_tensors(self._model, load_file(self._run.folder / best["file"]))
        logger.info("best epoch: %d", best["epoch"])
        if adapters is not None:
            adapters.merge()
        return self._task.publish(self._name, best, totals, self._run, self._workspace, self._extra_files)

    def try_out(self) -> float:
        """Trains as :meth:`publish` does and returns the best epoch's score; nothing is published."""
        self._prepare()
        return float(self._train().notes["best"]["score"])

    def _prepare(self) -> Adapters | None:
        from domain_adapt.training.preparing import prepare_encoder

        return prepare_encoder(self._model, self._values.finetune, seed=self._values.seed, runtime=self._runtime)

    def _train(self) -> Totals:
        from domain_adapt.training.fitting import fit_to_machine
        from domain_adapt.training.freezing import parameter_groups, set_dropout
        from domain_adapt.training.frozen_states import frozen_states
        from domain_adapt.training.loop import TrainingLoop
        from domain_adapt.training.memory import Load
        from domain_adapt.training.plan import make_plan
        from domain_adapt.training.unfreezing import GradualUnfreezing

        values, settings = self._values, self._values.finetune
        self._run.meeting.join(self._runtime.device)
        objective = self._task.objective()
        set_dropout(self._model, settings.dropout)
        lengths = objective.lengths
        plan = make_plan(lengths, settings, budget=values.budget, seed=values.seed, group_by_length=True)
        rows = fit_to_machine(
            self._model,
            objective,
            plan,
            Load(int(lengths.max())),
            runtime=self._runtime,
            settings=values.runtime,
            run_folder=self._run.folder,
        )
        groups = parameter_groups(
            self._model,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            layer_decay=settings.layer_decay,
        )
        share = settings.gradual_unfreezing
        with frozen_states(
            objective,
            self._model.to(self._runtime.device),
            settings.freeze,
            lengths=lengths,
            sets=1,
            passes=plan.passes,
            folder=self._run.folder,
            runtime=self._runtime,
        ) as cached:
            return TrainingLoop(
                self._model,
                cached,
                plan,
                settings,
                groups=groups,
                run_folder=self._run.folder,
                runtime=self._runtime,
                runtime_settings=values.runtime,
                micro_batch_rows=rows,
                label="fine-tuning",
                on_epoch_end=BestEpoch([self._task], self._run.folder, settings.patience, self._on_epoch),
                before_step=GradualUnfreezing(self._model, share, plan.steps) if share else None,
            ).run()


def say_metrics(metrics: dict[str, float]) -> None:
    """Logs the figures of the dev and of the test part, a line each."""
    for part in ("dev", "test"):
        shown = {key.removeprefix(f"{part}/"): value for key, value in metrics.items() if key.startswith(f"{part}/")}
        if shown:
            logger.info("%s: %s", part, _shown(shown))


def _shown(metrics: dict[str, float]) -> str:
    return ", ".join(f"{key} {value:.1f}" for key, value in metrics.items())


def _save_weights(model: nn.Module, path: Path) -> None:
    from safetensors.torch import save_file

    from domain_adapt.training.state import model_tensors

    temporary = path.with_suffix(".tmp")
    save_file({key: value.contiguous() for key, value in model_tensors(model).items()}, temporary)
    temporary.replace(path)
