"""The training of stage 2, on one task or on several: parameter groups, unfreezing, the loop, the best epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from domain_adapt.best_epoch import BestEpoch, EpochListener
from domain_adapt.stages import Run
from domain_adapt.task_in_run import TaskInRun

if TYPE_CHECKING:
    from torch import nn

    from domain_adapt.training.loop import Totals
    from domain_adapt.training.objective import Objective
    from domain_adapt.training.plan import Plan
    from domain_adapt.training.runtime import Runtime


def train_tasks(
    tasks: Sequence[TaskInRun],
    model: nn.Module,
    objective: Objective,
    plan: Plan,
    *,
    run: Run,
    runtime: Runtime,
    micro_batch_rows: int,
    listener: EpochListener | None = None,
) -> Totals:
    """Trains a model in place, resumably, and returns what the run added up; the best epoch is in its notes.

    Args:
        tasks: Scored after each epoch; the settings are those of the first.
        model: Of the only task, or a mixture of the models of all.
        objective: Of ``model``.
        plan: Which rows make up which step.
        run: Its folder.
        runtime: Device and precision.
        micro_batch_rows: Rows in one forward pass.
        listener: Hears of every epoch.
    """
    from domain_adapt.training.freezing import parameter_groups
    from domain_adapt.training.loop import TrainingLoop
    from domain_adapt.training.unfreezing import GradualUnfreezing

    values, settings = tasks[0].values, tasks[0].values.finetune
    groups = parameter_groups(
        model,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        layer_decay=settings.layer_decay,
    )
    share = settings.gradual_unfreezing
    return TrainingLoop(
        model,
        objective,
        plan,
        settings,
        groups=groups,
        run_folder=run.folder,
        runtime=runtime,
        runtime_settings=values.runtime,
        micro_batch_rows=micro_batch_rows,
        label="fine-tuning",
        on_epoch_end=BestEpoch(tasks, run.folder, settings.patience, listener),
        before_step=GradualUnfreezing(model, share, plan.steps) if share else None,
    ).run()
