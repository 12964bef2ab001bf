"""Fits a training run to its machine: gradient checkpointing, rows of one pass, compilation."""

from __future__ import annotations

import logging
from pathlib import Path

from torch import nn
from transformers import PreTrainedModel

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import RuntimeSettings
from domain_adapt.training.choices import settle
from domain_adapt.training.compiling import Trial, settle_compilation
from domain_adapt.training.memory import USABLE_SHARE, Load, MemoryPlan, explain_out_of_memory, plan_memory
from domain_adapt.training.objective import Objective
from domain_adapt.training.plan import Plan
from domain_adapt.training.ranks import rows_per_rank
from domain_adapt.training.runtime import Runtime, torch_device


def fit_to_machine(
    model: PreTrainedModel,
    objective: Objective,
    plan: Plan,
    load: Load,
    *,
    runtime: Runtime,
    settings: RuntimeSettings,
    run_folder: Path | None,
    mixture: nn.Module | None = None,
) -> int:
    """Prepares ``model`` for training on this machine and returns the rows of one pass.

    Nothing here changes what is learnt, beyond the order in which floating-point numbers are added; the choices are
    kept in the run's folder for when it goes on.

    Args:
        model: Moved to the device, in place, with dropout and freezing already set.
        objective: Of the stage; a teacher it has is on the device already.
        plan: Of the run.
        load: What a row asks of the memory.
        runtime: Device, precision, threads.
        settings: ``runtime`` table of the recipe; what it names wins.
        run_folder: Of the run, or None if nothing is to be kept.
        mixture: What is trained where ``model`` is but a part of it, with the encoder that all parts share.

    Raises:
        DomainAdaptError: If ``runtime.gradient_checkpointing`` is on and the architecture has no support for it.
    """
    trained = model if mixture is None else mixture
    trained.to(torch_device(runtime))
    if settings.gradient_checkpointing:
        enable_checkpointing(model)
    memory = settle_rows(
        model, load, batch_size=plan.batch_size, runtime=runtime, settings=settings, run_folder=run_folder
    )
    if not memory.fits:
        memory.warn()
    rows = memory.rows
    with explain_out_of_memory(rows):
        settle_compilation(Trial(trained, objective, plan, rows, runtime), settings, run_folder)
    return rows


def settle_rows(
    model: PreTrainedModel,
    load: Load,
    *,
    batch_size: int,
    runtime: Runtime,
    settings: RuntimeSettings,
    run_folder: Path | None,
) -> MemoryPlan:
    """Returns the rows of one pass and the memory that they need, which may be more than is free.

    Args:
        model: On the device, before its first training step.
        load: What a row asks of the memory.
        batch_size: Rows of one optimizer step over all ranks.
        runtime: Device and precision.
        settings: ``micro_batch_size`` and ``gradient_checkpointing``.
        run_folder: Where the choice is kept.
    """
    batch_rows = rows_per_rank(batch_size)
    checkpointing = settings.gradient_checkpointing
    best = plan_memory(model, load, runtime, batch_rows=batch_rows, checkpointing=checkpointing)
    usable = best.free * USABLE_SHARE[runtime.device]
    rows = settle(
        run_folder,
        "micro_batch_rows",
        given=min(settings.micro_batch_size, batch_rows) or None,
        choose=lambda: best.rows,
        possible=lambda rows: rows <= batch_rows and best.with_rows(rows).needed <= usable,
    )
    return best.with_rows(rows)


def enable_checkpointing(model: PreTrainedModel) -> None:
    """Makes ``model`` keep a layer's input only and compute the rest again in the backward pass.

    Chen et al. 2016 (arXiv 1604.06174). The gradients are the same; saved files know nothing of it.

    Raises:
        DomainAdaptError: If the architecture has no support for it.
    """
    if not model.supports_gradient_checkpointing:
        raise DomainAdaptError(
            f"runtime.gradient_checkpointing: {type(model).__name__} does not support it",
            hint="set runtime.micro_batch_size to fewer rows instead",
        )
    # transformers warns once about a cache that an encoder never fills.
    logging.getLogger("transformers.utils.generic").addFilter(_is_not_about_caches)
    # Frozen embeddings give a first layer inputs without gradient, which the reentrant kind cannot handle.
    options = {"use_reentrant": False}
    if hasattr(model, "activation_checkpointing_enable"):  # its name in later releases of transformers 5
        model.activation_checkpointing_enable(options)
    else:
        model.gradient_checkpointing_enable(options)


def _is_not_about_caches(record: logging.LogRecord) -> bool:
    return "use_cache" not in record.getMessage()
