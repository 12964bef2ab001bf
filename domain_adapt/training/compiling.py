"""torch.compile where it measures faster, and nowhere else.

The encoder's layers are compiled in place, one by one: they are where the time goes, all of them share one compiled
function, and the hook of the sparse LM head stays outside. The model keeps its class and its parameter names.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from domain_adapt.errors import first_line
from domain_adapt.randomness import integer_seed
from domain_adapt.recipes import RuntimeSettings
from domain_adapt.training.choices import settle
from domain_adapt.training.freezing import encoder_layers
from domain_adapt.training.objective import MicroBatch, Objective
from domain_adapt.training.plan import Plan
from domain_adapt.training.runtime import Runtime

logger = logging.getLogger(__name__)

# Compiling takes a minute or so, which a shorter run cannot earn back.
SHORTEST_RUN = 600.0
# Compiled kernels must win by more than two timings of the same thing differ.
LEAST_GAIN = 1.03
_TIMED_PASSES = 3


@dataclass(frozen=True)
class Trial:
    """Real forward and backward passes without an optimizer step; neither weights nor random state change.

    Every trial of a run reads the same rows, and before the first step. A compiled function depends on the shapes it
    has seen, so a resumed run gets the same one.

    Attributes:
        model: On the device.
        objective: Of the stage.
        plan: Of the run.
        rows: Rows in one pass.
        runtime: Device and precision.
    """

    model: nn.Module
    objective: Objective
    plan: Plan
    rows: int
    runtime: Runtime

    def batch(self, rows: int) -> MicroBatch:
        """Returns the first ``rows`` rows of the run."""
        return self.objective.batch(np.sort(self.plan.order(0)[:rows]), 0)

    def seconds(self, rows: int, passes: int) -> float:
        """Returns the seconds of the quickest of ``passes`` passes over ``rows`` rows."""
        device = torch.device(self.runtime.device)
        inputs = {key: value.to(device) for key, value in self.batch(rows).inputs.items()}
        was_training = self.model.training
        self.model.train()
        try:
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                torch.manual_seed(integer_seed(self.plan.seed, "trial"))
                return min(self._pass(inputs) for _ in range(passes))
        finally:
            self.model.train(was_training)
            self.model.zero_grad(set_to_none=True)

    def _pass(self, inputs: dict[str, torch.Tensor]) -> float:
        self._wait()
        started = time.perf_counter()
        with torch.autocast(self.runtime.device, torch.bfloat16, self.runtime.precision == "bf16"):
            sums = self.objective.loss(self.model, inputs)
        torch.stack([self.objective.weights[term] * value for term, value in sums.items()]).sum().backward()  # type: ignore[no-untyped-call]
        self.model.zero_grad(set_to_none=True)
        self._wait()
        return time.perf_counter() - started

    def _wait(self) -> None:
        if self.runtime.device == "cuda":
            torch.cuda.synchronize()


def settle_compilation(trial: Trial, settings: RuntimeSettings, run_folder: Path | None) -> bool:
    """Compiles the model's layers if the recipe, the run's earlier choice or a measurement says so.

    Args:
        trial: Passes to measure and to try with.
        settings: ``runtime.compile`` is what matters.
        run_folder: Where the choice is kept.

    Returns:
        Whether the layers are compiled now. What cannot be compiled is left as it is, with one warning.
    """
    given = None if settings.compile == "auto" else settings.compile == "on" and _try_to_compile(trial)
    return settle(
        run_folder,
        "compile",
        given=given,
        choose=lambda: _pays(trial),
        possible=lambda earlier: not earlier or (has_compiler(trial.runtime.device) and _try_to_compile(trial)),
    )


def has_compiler(device: str) -> bool:
    """Tells whether torch can make machine code for ``device`` here: it needs Triton for CUDA, else a C++ compiler."""
    if device == "cuda":
        return find_spec("triton") is not None
    return device == "cpu" and any(map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++")))


def is_compiled(model: nn.Module) -> bool:
    """Tells whether the encoder's layers are compiled."""
    return any(layer._compiled_call_impl is not None for layer in encoder_layers(model))


def compile_layers(model: nn.Module) -> None:
    """Compiles the encoder's layers in place, for rows and tokens of any number."""
    for layer in encoder_layers(model):
        # Dynamic from the start: what is compiled after a short batch came along would depend on when it came.
        layer.compile(dynamic=True)


def undo_compilation(model: nn.Module) -> None:
    """Makes :func:`compile_layers` undone."""
    for layer in encoder_layers(model):
        layer._compiled_call_impl = None


def _pays(trial: Trial) -> bool:
    """Measures whether compiled layers are faster, if there is a compiler and the run is long enough to matter."""
    if not has_compiler(trial.runtime.device) or not encoder_layers(trial.model):
        return False
    rows = int(trial.plan.starts[-1])
    # One row says roughly, and at hardly any cost, whether the run is a long one; the first pass is a cold one.
    if trial.seconds(1, 2) * rows < SHORTEST_RUN:
        return False
    eager = trial.seconds(trial.rows, _TIMED_PASSES)
    if eager * rows / trial.rows < SHORTEST_RUN or not _try_to_compile(trial):
        return False
    compiled = trial.seconds(trial.rows, _TIMED_PASSES)
    faster = eager / compiled >= LEAST_GAIN
    logger.info(
        "torch.compile: a pass of %d rows takes %.3f s compiled and %.3f s as it is: %s",
        *(trial.rows, compiled, eager, "compiled" if faster else "left as it is"),
    )
    if not faster:
        undo_compilation(trial.model)
    return faster


def _try_to_compile(trial: Trial) -> bool:
    """Compiles and runs one pass; says why and leaves the layers as they were if that cannot be done."""
    logger.info("compiling the model: a minute or so")
    compile_layers(trial.model)
    try:
        if not is_compiled(trial.model):
            raise ValueError("no layers are known in this architecture")
        trial.seconds(trial.rows, 1)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # compilers fail in many ways, each with an exception type of its own
        undo_compilation(trial.model)
        logger.warning("runtime.compile: the model cannot be compiled here and runs as it is: %s", _reason(error))
        return False
    return True


def _reason(error: BaseException) -> str:
    inner: Any = getattr(error, "inner_exception", None) or error
    return f"{type(inner).__name__}: {first_line(inner)}"
