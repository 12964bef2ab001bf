"""The model's side of stage 2: training, and the publication of the best epoch."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import load_tokenizer
from domain_adapt.best_epoch import EpochListener
from domain_adapt.checkpoints import Checkpoint
from domain_adapt.stages import Run, await_publication
from domain_adapt.task_in_run import Inputs, TaskInRun
from domain_adapt.task_training import train_tasks
from domain_adapt.training.ranks import is_main, place
from domain_adapt.workspace import Workspace

if TYPE_CHECKING:
    from domain_adapt.training.loop import Totals
    from domain_adapt.training.lora import Adapters

logger = logging.getLogger(__name__)


class Finetuning:
    """One run of stage 2 on one task.

    Args:
        inputs: What it works on.
        run: Its folder.
        workspace: Where checkpoints are.
        on_epoch: Hears of every epoch.
        extra_files: Names and texts of files that are published beside the model.
    """

    def __init__(
        self,
        inputs: Inputs,
        run: Run,
        workspace: Workspace,
        on_epoch: EpochListener | None = None,
        extra_files: Mapping[str, str] | None = None,
    ) -> None:
        from domain_adapt.training.runtime import detect

        self._run, self._workspace, self._on_epoch = run, workspace, on_epoch
        self._extra_files = extra_files or {}
        self._best: dict[str, Any] = {}
        self._values = inputs.recipe.values
        self._runtime = detect(self._values.runtime, run.folder)
        place(self._runtime.device)
        self._task = TaskInRun(inputs, load_tokenizer(inputs.start.folder), self._runtime)
        self._model = self._task.model

    def publish(self) -> Checkpoint:
        """Trains, takes the best epoch's weights and publishes them."""
        adapters = self._prepare()
        totals = self._train()
        if not is_main():
            return await_publication(self._run, self._workspace)
        best = self._take_best(totals, adapters)
        return self._task.publish(best, totals, self._run, self._workspace, self._extra_files)

    def train(self) -> float:
        """Trains, takes the best epoch's weights and returns the seconds; :meth:`predictions` can follow."""
        adapters = self._prepare()
        totals = self._train()
        self._best = self._take_best(totals, adapters)
        return totals.seconds

    def predictions(self, examples: Sequence[Any]) -> list[Any]:
        """Returns what the model that :meth:`train` has left says of examples."""
        return self._task.predict(examples, self._best["tasks"][self._values.name]["tuned"])

    def try_out(self) -> float:
        """Trains as :meth:`publish` does and returns the best epoch's score; nothing is published."""
        self._prepare()
        return float(self._train().notes["best"]["score"])

    def _take_best(self, totals: Totals, adapters: Adapters | None) -> dict[str, Any]:
        """Puts the best epoch's weights into the model and returns what is known of it."""
        from safetensors.torch import load_file

        from domain_adapt.training.state import put_tensors

        best: dict[str, Any] = totals.notes["best"]
        put_tensors(self._model, load_file(self._run.folder / best["file"]))
        logger.info("best epoch: %d", best["epoch"])
        if adapters is not None:
            adapters.merge()
        return best

    def _prepare(self) -> Adapters | None:
        from domain_adapt.training.preparing import prepare_encoder

        return prepare_encoder(self._model, self._values.finetune, seed=self._values.seed, runtime=self._runtime)

    def _train(self) -> Totals:
        from domain_adapt.training.fitting import fit_to_machine
        from domain_adapt.training.freezing import set_dropout
        from domain_adapt.training.frozen_states import frozen_states
        from domain_adapt.training.memory import Load
        from domain_adapt.training.plan import make_plan

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
            return train_tasks(
                [self._task],
                self._model,
                cached,
                plan,
                run=self._run,
                runtime=self._runtime,
                micro_batch_rows=rows,
                listener=self._on_epoch,
            )
