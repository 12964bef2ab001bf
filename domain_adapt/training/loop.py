"""The only training loop: both stages use it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from domain_adapt.errors import Stopped
from domain_adapt.randomness import integer_seed
from domain_adapt.recipes.schema import OptimizerSettings, RuntimeSettings
from domain_adapt.training import ranks
from domain_adapt.training.feed import Feed, StepData
from domain_adapt.training.meeting import wait_until_seen
from domain_adapt.training.memory import explain_out_of_memory
from domain_adapt.training.metrics_file import METRICS, MetricsFile
from domain_adapt.training.objective import Objective
from domain_adapt.training.plan import Plan
from domain_adapt.training.progress import meter
from domain_adapt.training.runtime import Runtime
from domain_adapt.training.schedule import learning_rate_factor
from domain_adapt.training.signals import stop_signal
from domain_adapt.training.state import load_newest_state, load_state, restore, save_state, state_folder
from domain_adapt.training.trainee import make_trainee

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


@dataclass(frozen=True)
class _Share:
    """One step over all ranks.

    Attributes:
        targets: Loss term -> target items.
        tokens: Non-padding tokens.
        stop: Some rank was asked to stop: the step is not done any more.
        save: A state is to be saved before the step.
    """

    targets: dict[str, int]
    tokens: int
    stop: bool
    save: bool


# Called on the main process with the finished epoch, the steps done, the unwrapped model on its device, and the notes:
# what it writes into them is kept in the saved state and handed back to every rank.
EpochEnd = Callable[[int, int, nn.Module, dict[str, Any]], None]


class TrainingLoop:
    """Trains ``model`` on ``objective`` along ``plan``, resumably.

    The loss of a step is, for each term, the sum over all its target items in the accumulated, all-rank batch divided
    by their number; so batch 16 in one pass, in four passes and on two ranks is the same number.

    Every rank makes one and calls :meth:`run`, with the same arguments. Before each step all ranks add up their target
    items, and with them whether one was asked to stop and whether rank 0 wants a state to be saved: so they save and
    stop at the same step, and a GPU waits for none of it.

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
        on_epoch_end: Called after each pass over the data, and after the last step; training ends there if it puts
            ``stop`` into the notes.
        before_step: Called with the 0-based number of each step before it.
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
        before_step: Callable[[int], None] | None = None,
    ) -> None:
        self._objective, self._plan, self._settings = objective, plan, settings
        self._run_folder, self._runtime, self._machine = run_folder, runtime, runtime_settings
        self._label, self._on_epoch_end, self._before_step = label, on_epoch_end, before_step
        ranks.join(runtime.device)
        self._rows = ranks.least(micro_batch_rows)
        self._device = ranks.own_device(runtime.device)
        self._trainee = make_trainee(model.to(self._device), groups, self._device)
        self._optimizer = torch.optim.AdamW(
            self._trainee.groups,
            betas=(settings.adam_beta1, settings.adam_beta2),
            eps=settings.adam_epsilon,
            fused=True,
        )
        self._totals = Totals()
        self._pending: list[tuple[dict[str, Any], dict[str, torch.Tensor]]] = []

    def run(self) -> Totals:
        """Trains from the newest saved state, or from the start, to the end of the plan.

        Returns:
            Tokens, seconds and notes of the whole run, earlier processes included.

        Raises:
            Stopped: If SIGINT or SIGTERM came; the state is saved.
        """
        first = step = self._resume()
        metrics = MetricsFile(self._run_folder / METRICS, step)
        saved = clock = time.monotonic()
        self._trainee.called.train()
        with stop_signal() as stop, meter(self._label, self._plan.steps) as progress, metrics:
            progress.update(step)
            for data in [] if self._totals.notes.get("stop") else self._feed().steps(step):
                due = step > first and time.monotonic() - saved >= self._machine.save_seconds
                share = self._consult(data, stop=stop.is_set(), save=due)
                if share.save or share.stop:
                    clock = self._account(clock)
                    self._read_losses(metrics)
                    self._save_state(step, first)
                    saved = time.monotonic()
                if share.stop:
                    raise Stopped(step, self._plan.steps)
                if self._before_step is not None:
                    self._before_step(step)
                with explain_out_of_memory(self._rows):
                    self._step(data, share)
                step += 1
                if len(self._pending) >= STEPS_PER_READING or step == self._plan.steps:
                    clock = self._account(clock)
                    progress.update(step, self._read_losses(metrics))
                if self._plan.ends_epoch(step - 1) or step == self._plan.steps:
                    clock = self._account(clock)
                    self._end_epoch(data.epoch, step)
                    clock = time.monotonic()
                    if self._totals.notes.get("stop"):
                        break
            if ranks.any_rank(stop.is_set())[0]:  # too late to stop, but what follows can still be interrupted
                self._save_state(step, first)
        self._trainee.finish()
        return self._totals

    def _feed(self) -> Feed:
        return Feed(
            self._plan,
            self._objective,
            self._rows,
            rank=ranks.rank(),
            ranks=ranks.count(),
            workers=self._machine.workers,
            pin=self._device.type == "cuda",
        )

    def _resume(self) -> int:
        # Rank 0 alone looks for the newest state that is whole, so that all go on from the same one.
        state = load_newest_state(self._run_folder) if ranks.is_main() else None
        step: int | None = ranks.from_main(state.step if state else None)
        if step is None:
            return 0
        if state is None:
            wait_until_seen(state_folder(self._run_folder, step))
            state = load_state(self._run_folder, step)
        restore(state, self._trainee.model, self._optimizer)
        self._totals = Totals(**state.info)
        logger.info("going on after step %d of %d", step, self._plan.steps)
        return step

    def _consult(self, data: StepData, *, stop: bool, save: bool) -> _Share:
        """Returns what the step consists of over all ranks, and what they have decided to do before it.

        Args:
            data: This rank's share.
            stop: This rank was asked to stop.
            save: This rank wants to save; only the main one is heard, as clocks differ.
        """
        terms = list(self._objective.weights)
        batches = data.batches[: len(data.batches) - data.stand_ins]
        local = [sum(batch.targets[term] for batch in batches) for term in terms]
        local += [sum(batch.tokens for batch in batches), stop, save and ranks.is_main()]
        *counts, tokens, stops, saves = (int(total) for total in ranks.summed(local))
        return _Share(dict(zip(terms, counts, strict=True)), tokens, stops > 0, saves > 0)

    def _step(self, data: StepData, share: _Share) -> None:
        """One optimizer step over this rank's share of the rows, in micro-batches."""
        losses: dict[str, torch.Tensor] = {}
        for number, batch in enumerate(data.batches):
            last, counts = number == len(data.batches) - 1, number < len(data.batches) - data.stand_ins
            inputs = {key: value.to(self._device, non_blocking=True) for key, value in batch.inputs.items()}
            with self._trainee.accumulating(last=last), self._randomness(data.step, number):
                with torch.autocast(self._device.type, torch.bfloat16, self._runtime.precision == "bf16"):
                    sums = self._objective.loss(self._trainee.called, inputs)
                means = {term: value / max(share.targets[term], 1) * counts for term, value in sums.items()}
                # Gradients are averaged over the ranks, but each mean is over all ranks' targets already.
                total = sum((self._objective.weights[term] * mean for term, mean in means.items()), torch.zeros(()))
                torch.autograd.backward(total * ranks.count())
            for term, mean in means.items():
                losses[term] = losses.get(term, torch.zeros((), device=mean.device)) + mean.detach()
        factor = learning_rate_factor(data.step, self._plan.steps, self._settings)
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        losses["grad_norm"] = self._trainee.clip(self._settings.max_grad_norm)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._totals.tokens += share.tokens
        note = {"step": data.step + 1, "epoch": data.epoch, "learning_rate": self._settings.learning_rate * factor}
        self._pending.append((note | {"tokens": self._totals.tokens}, losses))

    @contextmanager
    def _randomness(self, step: int, number: int) -> Iterator[None]:
        """Makes dropout a function of (seed, step, micro-batch, rank), so that a resumed run draws the same."""
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(integer_seed(self._plan.seed, f"dropout/{step}/{number}/{ranks.rank()}"))
            yield

    def _read_losses(self, metrics: MetricsFile) -> str:
        """Writes the pending steps, losses added up over the ranks, and returns a note for the progress bar."""
        shown = 0.0
        terms = list(self._objective.weights)
        totals = iter(ranks.summed([float(losses.get(term, 0.0)) for _, losses in self._pending for term in terms]))
        for note, losses in self._pending:
            values = {term: next(totals) for term in terms}
            values = {term: value for term, value in values.items() if term in losses}  # of several tasks, the step's
            shown = sum(self._objective.weights[term] * value for term, value in values.items())
            metrics.write(note | {"loss": shown} | values | {"grad_norm": float(losses["grad_norm"])})
        self._pending.clear()
        rate = self._totals.tokens / self._totals.seconds if self._totals.seconds else 0.0
        return f"loss {shown:.3f}  {rate:,.0f} tokens/s"

    def _account(self, clock: float) -> float:
        """Adds the time since ``clock`` to the training time and returns the new clock."""
        now = time.monotonic()
        self._totals.seconds += now - clock
        return now

    def _end_epoch(self, epoch: int, step: int) -> None:
        if self._on_epoch_end is None:
            return
        with self._trainee.whole() as model:
            if ranks.is_main():
                model.eval()
                self._on_epoch_end(epoch, step, model, self._totals.notes)
                model.train()
        self._totals.notes = ranks.from_main(self._totals.notes)

    def _save_state(self, step: int, first: int) -> None:
        """Saves, unless nothing has been done since the state that the run went on from."""
        if step > first and (ranks.is_main() or self._trainee.is_sharded):
            save_state(
                self._run_folder,
                step,
                self._trainee.model,
                self._optimizer,
                {"tokens": self._totals.tokens, "seconds": self._totals.seconds, "notes": self._totals.notes},
                keep_last=self._machine.keep_last,
                write=ranks.is_main(),
            )
