"""Frozen lower layers are computed once for each row and kept on disk, where their input comes again.

With the embeddings and the lowest layers frozen and no dropout, the states that reach the first learning layer depend
on the row alone. A run of several passes over the same rows (stage 2; stage 1 with ``mlm.mask_sets``) need not compute
them again: it reads them from a memory-mapped file in the run folder.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from domain_adapt.recipes import Freeze
from domain_adapt.training import ranks
from domain_adapt.training.freezing import has_dropout, layer_count, layer_of
from domain_adapt.training.objective import MicroBatch, Objective
from domain_adapt.training.progress import meter
from domain_adapt.training.runtime import Runtime
from domain_adapt.workspace import fsync_path

logger = logging.getLogger(__name__)

_INPUT = "frozen_states"
# Model types whose layers take the states first and return them alone.
_SKIPPABLE = frozenset({"roberta", "xlm-roberta", "camembert", "bert", "distilbert", "electra", "modernbert"})
# Rows computed together. The groups never change, so that a restarted run computes the same bits.
_GROUP = 16


@contextmanager
def frozen_states(
    objective: Objective,
    model: PreTrainedModel,
    settings: Freeze,
    *,
    lengths: np.ndarray,
    sets: int,
    passes: float,
    folder: Path,
    runtime: Runtime,
) -> Iterator[Objective]:
    """Yields ``objective``, or one around it that lets ``model`` skip its frozen layers where that pays.

    It pays if the same inputs come more than once, dropout is off, everything below the first learning layer is frozen
    and the states fit on the disk; otherwise a line says why not, if something is frozen.

    Args:
        objective: Of the stage; the same epoch modulo ``sets`` must give the same inputs.
        model: On the training device, frozen already.
        settings: What is frozen.
        lengths: ``(rows,)`` int64 tokens of each training row.
        sets: Different inputs each row has; 0 if every epoch has its own.
        passes: Passes over the data.
        folder: Of the run; the file disappears when the block ends.
        runtime: Device and precision.
    """
    if not settings.layers:
        yield objective
        return
    trunk = _Trunk(model, min(settings.layers, layer_count(model) - 1))
    store = _Store(folder / "frozen-states.raw", lengths, sets, model.config.hidden_size)
    reason = _why_not(trunk, objective, store, passes)
    if reason:
        logger.info("frozen layers are computed in every step: %s", reason)
        yield objective
        return
    logger.info(
        "frozen layers are computed once and kept (%.2f GB on disk): saves about %.0f %% of the encoder's work",
        store.size / 1e9,
        100 * trunk.share_of_step() * (1 - sets / passes),
    )
    with trunk.installed():
        if not store.path.exists():
            _fill(store, trunk, objective, runtime)
        yield _Skipping(objective, trunk, store)
    store.path.unlink(missing_ok=True)


def _why_not(trunk: _Trunk, objective: Objective, store: _Store, passes: float) -> str | None:
    """Returns what stands against keeping the states, or None."""
    if ranks.count() > 1:
        return "several processes share the work"
    kind = trunk.model.config.model_type
    if kind not in _SKIPPABLE:
        return f"layers of a model of type {kind!r} cannot be skipped"
    if trunk.layers < 1:
        return "no layer above them would be left"
    if store.sets == 0:
        return "every epoch draws new masks (mlm.mask_sets = 1 or more repeats them)"
    if passes <= store.sets:
        return "no input comes twice"
    if has_dropout(trunk.model):
        return "dropout is on"
    states = trunk.states_of_one_row(objective)
    if states.requires_grad:
        return "something below them learns (freeze.embeddings = true freezes the embeddings)"
    if len(states) > 1:
        return "a training example is several rows of the encoder, one for each choice"
    free = shutil.disk_usage(store.path.parent).free
    if store.size > free / 2 and not store.path.exists():
        return f"their output needs {store.size / 1e9:.1f} GB, more than half of the {free / 1e9:.1f} GB free on disk"
    return None


class _ReachedError(Exception):
    """The forward pass has come to the first learning layer."""


class _Trunk:
    """The lowest ``layers`` layers of a model and its embeddings."""

    def __init__(self, model: PreTrainedModel, layers: int) -> None:
        self.layers = layers
        self.states: torch.Tensor | None = None
        self.model = model
        named = [(layer_of(name + "."), module) for name, module in model.named_modules()]
        # The outermost module of each layer comes first in the walk.
        found: dict[int, nn.Module] = {}
        for number, module in named:
            if number is not None:
                found.setdefault(number, module)
        self._layers = [found[number] for number in sorted(found)]
        self._embeddings = next(
            module for name, module in model.named_modules() if name.rsplit(".", 1)[-1] == "embeddings"
        )

    def share_of_step(self) -> float:
        """Returns the share of the trunk's forward pass in a step's matrix products.

        A frozen layer costs its forward pass (1), a learning one its backward pass too (3).
        """
        learning = len(self._layers) - self.layers
        return self.layers / (self.layers + 3 * learning)

    def compute(self, objective: Objective, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Returns the states that reach the first learning layer, ``(rows, longest, hidden)``."""
        reached: list[torch.Tensor] = []

        def stop(module: nn.Module, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> NoReturn:
            reached.append(arguments[0] if arguments else keywords["hidden_states"])
            raise _ReachedError

        handle = self._layers[self.layers].register_forward_pre_hook(stop, with_kwargs=True)
        try:
            objective.loss(self.model, inputs)
        except _ReachedError:
            return reached[0]
        finally:
            handle.remove()
        raise RuntimeError("the forward pass never came to the first learning layer")

    def states_of_one_row(self, objective: Objective) -> torch.Tensor:
        """Returns what :meth:`compute` does for the first row; it needs a gradient if something in the trunk learns."""
        inputs = objective.batch(np.array([0]), 0).inputs
        device = next(self.model.parameters()).device
        return self.compute(objective, {key: value.to(device) for key, value in inputs.items()})

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Lets the model skip the trunk whenever :attr:`states` is set."""
        skipped = [self._embeddings, *self._layers[: self.layers]]
        for module in skipped:
            self._let_skip(module)
        try:
            yield
        finally:
            for module in skipped:
                del module.forward

    def _let_skip(self, module: nn.Module) -> None:
        original: Callable[..., Any] = module.forward

        def forward(*arguments: Any, **keywords: Any) -> Any:
            return original(*arguments, **keywords) if self.states is None else self.states

        module.forward = forward


@dataclass
class _Store:
    """States of every row and set in one raw float32 file, row after row."""

    path: Path
    lengths: np.ndarray
    sets: int
    hidden: int

    def __post_init__(self) -> None:
        self._ends = np.cumsum(self.lengths)
        self._mapped: np.ndarray | None = None

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return int(self.lengths.sum()) * max(self.sets, 1) * self.hidden * 4

    def read(self, rows: np.ndarray, number: int) -> np.ndarray:
        """Returns the states of some rows in one set, ``(rows, longest, hidden)`` float32, zero behind the end."""
        if self._mapped is None:
            shape = (self.sets * int(self._ends[-1]), self.hidden)
            self._mapped = np.memmap(self.path, dtype=np.float32, mode="r", shape=shape)
        lengths = self.lengths[rows]
        found = np.zeros((len(rows), lengths.max(), self.hidden), dtype=np.float32)
        ends = self._ends[rows] + number * self._ends[-1]
        for line, (end, length) in enumerate(zip(ends, lengths, strict=True)):
            found[line, :length] = self._mapped[end - length : end]
        return found


def _fill(store: _Store, trunk: _Trunk, objective: Objective, runtime: Runtime) -> None:
    """Computes all states; a killed process leaves a temporary file that the next one writes anew."""
    rows, done = len(store.lengths), 0
    temporary = store.path.with_suffix(".tmp")
    with (
        temporary.open("wb") as file,
        meter("frozen layers", rows * store.sets) as progress,
        torch.no_grad(),
        torch.autocast(runtime.device, torch.bfloat16, runtime.precision == "bf16"),
    ):
        for number in range(store.sets):
            for start in range(0, rows, _GROUP):
                group = np.arange(start, min(start + _GROUP, rows))
                inputs = objective.batch(group, number).inputs
                states = trunk.compute(objective, {key: value.to(runtime.device) for key, value in inputs.items()})
                for line, length in zip(states.float().cpu().numpy(), store.lengths[group], strict=True):
                    file.write(np.ascontiguousarray(line[:length]).data)
                done += len(group)
                progress.update(done)
    fsync_path(temporary)
    temporary.replace(store.path)


class _Skipping:
    """An objective whose batches carry the frozen states, and whose loss starts from them."""

    def __init__(self, objective: Objective, trunk: _Trunk, store: _Store) -> None:
        self._objective, self._trunk, self._store = objective, trunk, store

    @property
    def weights(self) -> Mapping[str, float]:
        """Those of the objective within."""
        return self._objective.weights

    def batch(self, indices: np.ndarray, epoch: int, progress: float = 0.0) -> MicroBatch:
        """Returns the batch of the objective within, with ``frozen_states`` ``(rows, longest, hidden)`` float32."""
        inner = self._objective.batch(indices, epoch, progress)
        states = torch.from_numpy(self._store.read(indices, epoch % self._store.sets))
        return replace(inner, inputs=inner.inputs | {_INPUT: states})

    def loss(self, model: nn.Module, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns the loss of the objective within."""
        self._trunk.states = inputs[_INPUT]
        try:
            return self._objective.loss(model, {key: value for key, value in inputs.items() if key != _INPUT})
        finally:
            self._trunk.states = None
