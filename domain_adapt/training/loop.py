"""The only training loop: both stages use it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from domain_adapt.errors import Stopped
from domain_adapt.randomness import integer_seed
from domain_adapt.recipes.schema import OptimizerSettings, RuntimeSettings
from domain_adapt.training.feed import Feed, StepData
from domain_adapt.training.memory import explain_out_of_memory
from domain_adapt.training.metrics_file import MetricsFile
from domain_adapt.training.objective import MicroBatch, Objective
from domain_adapt.training.plan import Plan
from domain_adapt.training.progress import meter
from domain_adapt.training.runtime import Runtime
from domain_adapt.training.schedule import learning_rate_factor
from domain_adapt.training.signals import stop_signal
from domain_adapt.training.state import load_newest_state, restore, save_state

logger = logging.getLogger(__name__)

# Losses stay on the device for so many steps before they are read, so that a GPU never waits for the host.
STEPS_PER_READING = 10


@dataclass
class Totals:
    """What a run adds up over all its processes, kept in the saved state."""

    tokens: int = 0
    seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict)

    def metrics(self) -> dict[str, float]:
        """Returns the manifest's entries: tokens, seconds of training and tokens per second."""
        rate = self.tokens / self.seconds if self.seconds else 0.0
        return {
            "train/tokens": float(self.tokens),
            "train/seconds": round(self.seconds, 1),
            "train/tokens_per_second": round(rate, 1),
        }


# Called with the finished epoch and the unwrapped model; its answer is kept in the saved state and handed back.
EpochEnd = Callable[[int, int, nn.Module, dict[str, Any]], None]


class TrainingLoop:
    """Trains ``model`` on ``objective`` along ``plan``, resumably.

    The loss of a step is, for each term, the sum over all its target items in the accumulated, all-rank batch divided
    by their number; so batch 16 in one pass, in four passes and on two ranks is the same number.

    Args:
        model: Trained in place.
        objective: Builds batches and sums losses.
        plan: Which rows make up which step.
        settings: Optimizer keys of the recipe.
        groups: Parameter groups with ``peak`` learning rates.
        run_folder: Holds saved states and ``metrics.jsonl``.
        runtime: Device, precision, threads.
        runtime_settings: How often to save, how many states to keep.
        micro_batch_rows: Rows in one forward pass.
        label: Stands before the progress.
        on_epoch_end: Called after each pass over the data, and after the last step.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        plan: Plan,
        settings: OptimizerSettings,
        *,
        groups: list[dict[str, Any]],
        run_folder: Path,
        runtime: Runtime,
        runtime_settings: RuntimeSettings,
        micro_batch_rows: int,
        label: str,
        on_epoch_end: EpochEnd | None = None,
    ) -> None:
        self._accelerator = Accelerator(cpu=runtime.device == "cpu")
        self._objective, self._plan, self._settings = objective, plan, settings
        self._run_folder, self._runtime, self._machine = run_folder, runtime, runtime_settings
        self._rows, self._label, self._on_epoch_end = micro_batch_rows, label, on_epoch_end
        self._bare = model.to(self._accelerator.device)
        optimizer = torch.optim.AdamW(
            groups, betas=(settings.adam_beta1, settings.adam_beta2), eps=settings.adam_epsilon, fused=True
        )
        self._model, self._optimizer = self._accelerator.prepare(self._bare, optimizer)
        self._totals = Totals()
        self._pending: list[tuple[dict[str, Any], dict[str, torch.Tensor]]] = []

    def run(self) -> Totals:
        """Trains from the newest saved state, or from the start, to the end of the plan.

        Returns:
            Tokens, seconds and notes of the whole run, earlier processes included.

        Raises:
            Stopped: If SIGINT or SIGTERM came; the state is saved.
        """
        step = self._resume()
        metrics = MetricsFile(self._run_folder / "metrics.jsonl", step)
        saved = clock = time.monotonic()
        self._model.train()
        with stop_signal() as stop, meter(self._label, self._plan.steps) as progress, metrics:
            progress.update(step)
            for data in self._feed().steps(step):
                with explain_out_of_memory(self._rows):
                    self._step(data)
                step += 1
                if len(self._pending) >= STEPS_PER_READING or step == self._plan.steps:
                    clock = self._account(clock)
                    progress.update(step, self._read_losses(metrics))
                if self._plan.ends_epoch(step - 1) or step == self._plan.steps:
                    clock = self._account(clock)
                    self._end_epoch(data.epoch, step)
                    clock = time.monotonic()
                now = time.monotonic()
                if stop.is_set() or (now - saved >= self._machine.save_seconds and step < self._plan.steps):
                    self._read_losses(metrics)
                    clock = self._account(clock)
                    self._save_state(step)
                    saved = time.monotonic()
                    if stop.is_set() and step < self._plan.steps:
                        raise Stopped(step, self._plan.steps)
        return self._totals

    def _feed(self) -> Feed:
        accelerator = self._accelerator
        return Feed(
            self._plan,
            self._objective,
            self._rows,
            rank=accelerator.process_index,
            ranks=accelerator.num_processes,
            workers=self._machine.workers,
            pin=accelerator.device.type == "cuda",
        )

    def _resume(self) -> int:
        state = load_newest_state(self._run_folder)
        if state is None:
            return 0
        restore(state, self._bare, self._optimizer.optimizer)
        self._totals = Totals(**state.info)
        logger.info("going on after step %d of %d", state.step, self._plan.steps)
        return state.step

    def _step(self, data: StepData) -> None:
        """One optimizer step over this rank's share of the rows, in micro-batches."""
        accelerator = self._accelerator
        step, idle = data.step, data.idle
        counts, tokens = self._count([] if idle else data.batches)
        losses: dict[str, torch.Tensor] = {}
        for number, batch in enumerate(data.batches):
            last = number == len(data.batches) - 1
            inputs = {key: value.to(accelerator.device, non_blocking=True) for key, value in batch.inputs.items()}
            with nullcontext() if last else accelerator.no_sync(self._model), self._randomness(step, number):
                with torch.autocast(accelerator.device.type, torch.bfloat16, self._runtime.precision == "bf16"):
                    sums = self._objective.loss(self._model, inputs)
                means = {term: value / max(counts[term], 1) * (not idle) for term, value in sums.items()}
                # DistributedDataParallel averages gradients over ranks; the mean is over all ranks' targets already.
                total = sum(self._objective.weights[term] * mean for term, mean in means.items())
                accelerator.backward(total * accelerator.num_processes)
            for term, mean in means.items():
                losses[term] = losses.get(term, torch.zeros((), device=mean.device)) + mean.detach()
        factor = learning_rate_factor(step, self._plan.steps, self._settings)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        losses["grad_norm"] = accelerator.clip_grad_norm_(self._model.parameters(), self._settings.max_grad_norm)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._totals.tokens += tokens
        note = {"step": step + 1, "epoch": data.epoch, "learning_rate": self._settings.learning_rate * factor}
        self._pending.append((note | {"tokens": self._totals.tokens}, losses))

    def _count(self, batches: list[MicroBatch]) -> tuple[dict[str, int], int]:
        """Returns the target items of each term, and the tokens, of the whole step over all ranks."""
        terms = list(self._objective.weights)
        local = [sum(batch.targets[term] for batch in batches) for term in terms]
        local.append(sum(batch.tokens for batch in batches))
        if self._accelerator.num_processes > 1:
            summed = self._accelerator.reduce(torch.tensor(local, device=self._accelerator.device), "sum")
            local = summed.tolist()
        return dict(zip(terms, local[:-1], strict=True)), local[-1]

    @contextmanager
    def _randomness(self, step: int, number: int) -> Iterator[None]:
        """Makes dropout a function of (seed, step, micro-batch, rank), so that a resumed run draws the same."""
        rank = self._accelerator.process_index
        devices = [self._accelerator.device] if self._accelerator.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(integer_seed(self._plan.seed, f"dropout/{step}/{number}/{rank}"))
            yield

    def _read_losses(self, metrics: MetricsFile) -> str:
        """Writes the pending steps to ``metrics.jsonl`` and returns a note for the progress bar."""
        shown = 0.0
        for note, losses in self._pending:
            values = {term: float(value) for term, value in losses.items()}
            shown = sum(self._objective.weights[term] * values[term] for term in self._objective.weights)
            metrics.write(note | {"loss": shown} | values)
        self._pending.clear()
        rate = self._totals.tokens / self._totals.seconds if self._totals.seconds else 0.0
        return f"loss {shown:.3f}  {rate:,.0f} tokens/s"

    def _account(self, clock: float) -> float:
        """Adds the time since ``clock`` to the training time and returns the new clock."""
        now = time.monotonic()
        self._totals.seconds += now - clock
        return now

    def _end_epoch(self, epoch: int, step: int) -> None:
        if self._on_epoch_end is not None:
            self._model.eval()
            self._on_epoch_end(epoch, step, self._bare, self._totals.notes)
            self._model.train()

    def _save_state(self, step: int) -> None:
        if self._accelerator.is_main_process:
            info = {"tokens": self._totals.tokens, "seconds": self._totals.seconds, "notes": self._totals.notes}
            save_state(
                self._run_folder,
                step,
                self._bare,
                self._optimizer.optimizer,
                info,
                keep_last=self._machine.keep_last,
            )
        self._accelerator.wait_for_everyone()
