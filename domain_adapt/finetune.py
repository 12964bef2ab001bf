"""Stage 2: train an adapted model on the labels of a task."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import Base, load_tokenizer, resolve_base
from domain_adapt.checkpoints import Checkpoint, CheckpointStore
from domain_adapt.errors import DomainAdaptError
from domain_adapt.labelled import Data, load_data
from domain_adapt.randomness import integer_seed
from domain_adapt.recipes import Recipe, TaskRecipe, load_task
from domain_adapt.stages import (
    Publication,
    Run,
    await_publication,
    base_assignments,
    existing_checkpoint,
    open_run,
    publish,
    stage_fingerprint,
)
from domain_adapt.tasks import TaskType, task_type
from domain_adapt.training.meeting import meet
from domain_adapt.training.progress import meter
from domain_adapt.training.ranks import is_main, place
from domain_adapt.workspace import Workspace

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from domain_adapt.training.loop import Totals
    from domain_adapt.training.runtime import Runtime

logger = logging.getLogger(__name__)


def finetune(
    task: str,
    *,
    start: str | None = None,
    domain: str | None = None,
    base: str | None = None,
    train: Sequence[str | Path] = (),
    dev: Sequence[str | Path] = (),
    test: Sequence[str | Path] = (),
    name: str | None = None,
    profile: str = "quick",
    overrides: Sequence[str] = (),
    force: bool = False,
    workspace: Workspace = Workspace(),
) -> Checkpoint:
    """Fine-tunes a checkpoint or a base on a task and returns the published checkpoint of the best epoch.

    Under ``accelerate launch`` or ``torchrun`` every process calls it with the same arguments.

    Args:
        task: Name of a recipe below ``tasks/``, or a path to a folder with a ``task.toml``.
        start: Checkpoint to start from (``medical@v1``), ``base`` for the recipe's base itself, a folder or a Hub id.
            None: the adapted checkpoint made last (of ``domain``, if given).
        domain: Whose labelled data to take; None: that of the checkpoint.
        base: Overrides the base that ``start="base"`` stands for.
        train: Files of labelled data instead of the recipe's.
        dev: Files to choose the best epoch by; none with ``train``: a part of its contexts.
        test: Files to score the finished model on; they decide nothing.
        name: Name of the checkpoint; None: ``<domain>-<task>``.
        profile: Profile of the recipe.
        overrides: ``key=value`` assignments laid over the recipe.
        force: Train even though the checkpoint exists.
        workspace: Where recipes, runs and checkpoints are.

    Raises:
        DomainAdaptError: For anything the user can mend: recipe, data, base, disk.
        EndedElsewhere: If another process of this run failed and says why.
    """
    assignments = [*overrides, *base_assignments(base)]
    with meet() as meeting:
        recipe = load_task(task, profile=profile, overrides=assignments, workspace=workspace)
        values = recipe.values
        kind = task_type(values.type)
        wanted = start if start or not base else "base"
        begin = meeting.main_first(lambda: _start(values, wanted, domain, workspace))
        domain = domain or (begin.checkpoint.manifest.domain if begin.checkpoint else None)
        data = meeting.main_first(lambda: load_data(recipe, kind, domain, train, dev, test))
        parts = (None if begin.checkpoint else "base", data.domain, values.name)
        name = name or "-".join(part for part in parts if part)
        fingerprint = finetune_fingerprint(values, begin, data)
        meeting.check_same(fingerprint, "recipe, base, data or package")
        existing = existing_checkpoint(name, fingerprint, workspace, meeting)
        if existing is not None and not force:
            logger.info("%s is up to date: %s", existing.ref, existing.folder)
            _say_metrics(existing.manifest.metrics)
            return existing
        fresh = existing is not None
        with open_run("finetune", fingerprint, workspace, fresh=fresh, meeting=meeting) as run:
            return _Finetuning(recipe, kind, begin, data, name, run, workspace).publish()


def finetune_fingerprint(recipe: TaskRecipe, start: Base, data: Data) -> str:
    """Returns the SHA-256 of everything that decides the result of stage 2."""
    values = recipe.model_dump(exclude={"runtime", "description", "name", "base", "base_revision", "data"})
    return stage_fingerprint("finetune", values, start, [data.fingerprint()])


def _start(recipe: TaskRecipe, start: str | None, domain: str | None, workspace: Workspace) -> Base:
    """Returns the starting weights and says which they are."""
    if start == "base":
        found = resolve_base(recipe.base, workspace=workspace, revision=recipe.base_revision or None)
        logger.info("fine-tuning the base %s itself", found.name)
        return found
    if start is not None:
        found = resolve_base(start, workspace=workspace, allow_question_answering=True)
        logger.info("fine-tuning %s", found.name)
        return found
    newest = CheckpointStore(workspace.checkpoints).newest(stage="adapt", domain=domain)
    if newest is None:
        which = domain or "medical"
        raise DomainAdaptError(
            f"nothing has been adapted{f' to {domain}' if domain else ''} yet, so there is nothing to fine-tune",
            hint=f"make adapt DOMAIN={which}, or fine-tune the base itself: make finetune TASK={recipe.name} FROM=base",
        )
    logger.info("fine-tuning %s, the newest adapted checkpoint%s", newest.ref, f" of {domain}" if domain else "")
    return resolve_base(newest.ref, workspace=workspace)


def _say_metrics(metrics: dict[str, float]) -> None:
    for part in ("dev", "test"):
        shown = {key.removeprefix(f"{part}/"): value for key, value in metrics.items() if key.startswith(f"{part}/")}
        if shown:
            logger.info("%s: %s", part, ", ".join(f"{key} {value:.1f}" for key, value in shown.items()))


class _Finetuning:
    """One run of stage 2: features, training, choice of the best epoch, publication."""

    def __init__(
        self,
        recipe: Recipe[TaskRecipe],
        kind: TaskType,
        start: Base,
        data: Data,
        name: str,
        run: Run,
        workspace: Workspace,
    ) -> None:
        from domain_adapt.training.runtime import detect

        self.recipe, self.kind, self.start, self.data = recipe, kind, start, data
        self.name, self.run, self.workspace = name, run, workspace
        self.values = recipe.values
        self.runtime: Runtime = detect(self.values.runtime, run.folder)
        place(self.runtime.device)
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(start.folder)
        self.model: PreTrainedModel = kind.load_model(
            start.folder, data.train.examples, seed=integer_seed(self.values.seed, "new-head")
        )
        self.settings = kind.settings(self.values, self.model.config)
        self.dev_features = kind.featurise(data.dev.examples, self.tokenizer, self.settings)

    def publish(self) -> Checkpoint:
        """Trains, takes the best epoch's weights and publishes them."""
        from safetensors.torch import load_file

        from domain_adapt.training.freezing import freeze, layer_count
        from domain_adapt.training.state import put_tensors

        frozen = freeze(self.model, self.values.finetune.freeze, "finetune")
        if frozen:
            logger.info("frozen: %s of %s weights", f"{frozen:,}", f"{self.model.num_parameters():,}")
        logger.info(
            "training on %s, %s: %d layers", self.runtime.device, self.runtime.precision, layer_count(self.model)
        )
        totals = self._train()
        if not is_main():
            return await_publication(self.run, self.workspace)
        best = totals.notes["best"]
        put_tensors(self.model, load_file(self.run.folder / best["file"]))
        logger.info("best epoch: %d", best["epoch"])
        metrics = {f"dev/{key}": value for key, value in best["metrics"].items()}
        if self.data.test is not None:
            examples = self.data.test.examples
            features = self.kind.featurise(examples, self.tokenizer, self.settings)
            scores = self._score(self.model, examples, features, "test")
            metrics |= {f"test/{key}": value for key, value in scores.items()}
        _say_metrics(metrics)
        publication = Publication(
            name=self.name,
            stage="finetune",
            domain=self.data.domain,
            task=self.values.name,
            profile=self.recipe.profile,
            recipe=self.values,
            base=self.start,
            corpus=self.data.describe(self.values.name),
            metrics=metrics | {"train/best_epoch": float(best["epoch"])} | totals.metrics(),
        )
        return publish(publication, self.model, self.tokenizer, self.run, self.runtime, self.workspace)

    def _train(self) -> Totals:
        from domain_adapt.training.fitting import fit_to_machine
        from domain_adapt.training.freezing import parameter_groups, set_dropout
        from domain_adapt.training.frozen_states import frozen_states
        from domain_adapt.training.loop import TrainingLoop
        from domain_adapt.training.memory import Load
        from domain_adapt.training.plan import make_plan

        values, settings = self.values, self.values.finetune
        self.run.meeting.join(self.runtime.device)
        features = self.kind.featurise(self.data.train.examples, self.tokenizer, self.settings)
        objective = self.kind.objective(features, self.tokenizer.pad_token_id)
        set_dropout(self.model, settings.dropout)
        lengths = objective.lengths
        plan = make_plan(lengths, settings, budget=values.budget, seed=values.seed, group_by_length=True)
        rows = fit_to_machine(
            self.model,
            objective,
            plan,
            Load(int(lengths.max())),
            runtime=self.runtime,
            settings=values.runtime,
            run_folder=self.run.folder,
        )
        with frozen_states(
            objective,
            self.model.to(self.runtime.device),
            settings.freeze,
            lengths=lengths,
            sets=1,
            passes=plan.passes,
            folder=self.run.folder,
            runtime=self.runtime,
        ) as cached:
            return TrainingLoop(
                self.model,
                cached,
                plan,
                settings,
                groups=parameter_groups(
                    self.model,
                    learning_rate=settings.learning_rate,
                    weight_decay=settings.weight_decay,
                    layer_decay=settings.layer_decay,
                ),
                run_folder=self.run.folder,
                runtime=self.runtime,
                runtime_settings=values.runtime,
                micro_batch_rows=rows,
                label="fine-tuning",
                on_epoch_end=self._end_epoch,
            ).run()

    def _end_epoch(self, epoch: int, step: int, model: nn.Module, notes: dict[str, Any]) -> None:
        """Scores the dev part; keeps the weights if they are the best so far."""
        metrics = self._score(model, self.data.dev.examples, self.dev_features, "dev")
        logger.info("epoch %d: %s", epoch + 1, ", ".join(f"{key} {value:.1f}" for key, value in metrics.items()))
        score = metrics[self.kind.selection_metric]
        best = notes.get("best")
        if best is None or score > best["metrics"][self.kind.selection_metric]:
            # A name of its own for each epoch: a state saved earlier may still need the best one before.
            file = f"best-{step:08d}.safetensors"
            _save_weights(model, self.run.folder / file)
            notes["best"] = {"epoch": epoch + 1, "file": file, "metrics": metrics}

    def _score(self, model: nn.Module, examples: Sequence[Any], features: Any, part: str) -> dict[str, float]:
        with meter(f"scoring the {part} part") as progress:
            logits = self.kind.logits(
                model,
                features,
                batch_size=32,
                device=self.runtime.device,
                pad_token_id=self.tokenizer.pad_token_id,
                on_progress=lambda done, total: progress.update(done),
            )
        predictions = self.kind.decode(logits, features, examples, self.settings)
        return self.kind.metric(examples, predictions)


def _save_weights(model: nn.Module, path: Path) -> None:
    from safetensors.torch import save_file

    from domain_adapt.training.state import model_tensors

    temporary = path.with_suffix(".tmp")
    save_file({key: value.contiguous() for key, value in model_tensors(model).items()}, temporary)
    temporary.replace(path)
