"""The model's side of stage 2: training, and the publication of the best epoch."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from domain_adapt.bases import Base, load_tokenizer
from domain_adapt.best_epoch import BestEpoch, EpochListener
from domain_adapt.checkpoints import Checkpoint
from domain_adapt.labelled import Data
from domain_adapt.recipes import Recipe, TaskRecipe
from domain_adapt.stages import Run, await_publication
from domain_adapt.task_in_run import TaskInRun
from domain_adapt.tasks import TaskType
from domain_adapt.training.ranks import is_main, place
from domain_adapt.workspace import Workspace

if TYPE_CHECKING:
    from domain_adapt.training.loop import Totals
    from domain_adapt.training.lora import Adapters

logger = logging.getLogger(__name__)


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
            Load(objective.row_tokens),
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
