"""Several models on one encoder, and what each of them learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from domain_adapt.training.objective import MicroBatch, Objective


class Mixture(nn.Module):
    """Models with heads of their own on one encoder, that of the first.

    The models stay the stock classes that they are; the modules of the others' encoders are replaced by the first's.
    A pooler counts as part of a head.

    Args:
        models: By name, all of one architecture and with the same weights in their encoders; changed in place.

    Raises:
        ValueError: If an encoder has other modules than the first's.
    """

    def __init__(self, models: Mapping[str, PreTrainedModel]) -> None:
        super().__init__()
        first, *others = models.values()
        for other in others:
            _share_encoder(first, other)
        # Names of tasks may hold dots, names of modules may not.
        self._keys = {name: f"part_{number}" for number, name in enumerate(models)}
        self._parts = nn.ModuleDict({self._keys[name]: model for name, model in models.items()})

    def forward(self, part: str, **inputs: Any) -> Any:
        """Returns what the model called ``part`` returns."""
        return self._parts[self._keys[part]](**inputs)


def _share_encoder(source: PreTrainedModel, target: PreTrainedModel) -> None:
    shared = {name: module for name, module in source.base_model.named_children() if name != "pooler"}
    if shared.keys() != {name for name, _ in target.base_model.named_children()} - {"pooler"}:
        raise ValueError(f"{type(target).__name__} has another encoder than {type(source).__name__}")
    for name, module in shared.items():
        setattr(target.base_model, name, module)


@dataclass(frozen=True)
class Part:
    """What one model of a mixture learns from.

    Attributes:
        name: Of the model.
        objective: Its training side.
        lengths: Tokens in each of its rows, ``(rows,)`` int64.
        weight: Of its losses.
    """

    name: str
    objective: Objective
    lengths: np.ndarray
    weight: float = 1.0


class MixtureObjective:
    """The training side of a :class:`Mixture`; see :class:`domain_adapt.training.objective.Objective`.

    Rows are numbered on from one part to the next, and those of one batch are of one part. A term of the loss is called
    ``<part>/<term>``.

    Args:
        parts: In the order in which their rows are numbered.
    """

    def __init__(self, parts: list[Part]) -> None:
        self._parts = {part.name: part for part in parts}
        self._names = list(self._parts)
        self._ends = np.cumsum([len(part.lengths) for part in parts])
        # The parts' own weights times the weight of the part.
        self.weights: Mapping[str, float] = {
            f"{part.name}/{term}": part.weight * weight
            for part in parts
            for term, weight in part.objective.weights.items()
        }

    def __contains__(self, name: str) -> bool:
        """Tells whether there is a part called ``name``."""
        return name in self._parts

    def batch(self, indices: np.ndarray, epoch: int, progress: float = 0.0) -> MicroBatch:
        """Returns the micro-batch of rows ``indices`` ((rows,) int64), all of one part, whose name is in every key."""
        number = int(np.searchsorted(self._ends, indices[0], side="right"))
        name = self._names[number]
        objective = self._parts[name].objective
        found = objective.batch(indices - (self._ends[number - 1] if number else 0), epoch, progress)
        return MicroBatch(
            inputs={f"{name}/{key}": tensor for key, tensor in found.inputs.items()},
            targets=dict.fromkeys(self.weights, 0) | {f"{name}/{term}": n for term, n in found.targets.items()},
            tokens=found.tokens,
        )

    def loss(self, model: nn.Module, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns the sums of the losses of the part that the inputs belong to; the others have no entry."""
        name = next(iter(inputs)).rpartition("/")[0]
        own = {key.rpartition("/")[2]: tensor for key, tensor in inputs.items()}
        called = cast(nn.Module, _Called(model, name))
        return {f"{name}/{term}": total for term, total in self._parts[name].objective.loss(called, own).items()}


@dataclass(frozen=True)
class _Called:
    """One part of a mixture as its objective calls it."""

    mixture: nn.Module
    name: str

    def __call__(self, **inputs: Any) -> Any:
        return self.mixture(self.name, **inputs)
