"""What keeps a model near the weights it started from: a pull in training, an average afterwards, a new head first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import torch
from torch import nn

from domain_adapt.errors import DomainAdaptError
from domain_adapt.training import ranks

BeforeStep = Callable[[int], None]


def in_turn(hooks: Iterable[BeforeStep | None]) -> BeforeStep | None:
    """Returns what calls the given hooks one after the other, or None if there are none."""
    present = [hook for hook in hooks if hook is not None]
    if not present:
        return None

    def call(step: int) -> None:
        for hook in present:
            hook(step)

    return call


class PullToStart:
    """Called before each step: draws the weights back towards where they started (L2-SP).

    Li et al. 2018 (arXiv:1802.01483) add half the squared distance to the loss. Under Adam such a term is divided by
    the size of the gradients like any other, so here it is decoupled from them, as AdamW's weight decay is (Loshchilov
    and Hutter 2019; Chen et al. 2020, arXiv:2004.12651, do the same): before each step every weight goes the share
    ``learning rate * weight`` of its way back.

    Args:
        model: Holds the starting weights when this is made; what needs no gradient is left alone.
        weight: Strength; above 0.
        rate: Learning rate of a 0-based step.
        free: Names of parameters that are not pulled: a head that started untrained.

    Raises:
        DomainAdaptError: If the weights are spread over several processes.
    """

    def __init__(self, model: nn.Module, weight: float, rate: Callable[[int], float], free: Collection[str]) -> None:
        _check_alone("mlm.l2sp_weight")
        self._weight, self._rate = weight, rate
        self._pairs = [
            (parameter, parameter.detach().clone())
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and name not in free
        ]

    def __call__(self, step: int) -> None:
        """Pulls; ``step`` is 0-based."""
        share = min(1.0, self._rate(step) * self._weight)
        with torch.no_grad():
            for number, (parameter, start) in enumerate(self._pairs):
                if start.device != parameter.device:  # the model has moved to its device since
                    self._pairs[number] = (parameter, start := start.to(parameter.device))
                parameter.lerp_(start, share)


class HeadFirst:
    """Called before each step: for a share of the steps only a new head learns, so that the body is not torn about.

    An untrained head sends large and aimless gradients into the layers below it (Kumar et al. 2022, arXiv:2202.10054).

    Args:
        model: Its ``requires_grad`` are set; what is frozen when this is made stays frozen.
        head: Names of the head's parameters.
        steps: Steps in which the head learns alone.

    Raises:
        DomainAdaptError: If several processes train together: they have to agree on the parameters that learn.
    """

    def __init__(self, model: nn.Module, head: Collection[str], steps: int) -> None:
        _check_alone("mlm.head_warmup_ratio")
        self._steps = steps
        self._body = [one for name, one in model.named_parameters() if one.requires_grad and name not in head]

    def __call__(self, step: int) -> None:
        """Sets what learns in ``step`` (0-based), whichever step was the one before."""
        for parameter in self._body:
            parameter.requires_grad_(step >= self._steps)


class Average:
    """The weights at the start, kept to be averaged with those at the end (WiSE-FT: Wortsman et al. 2022).

    Args:
        model: On any device; holds the starting weights when this is made.
        share: Of the trained weights in the average, in (0, 1).
        free: Names of parameters that are not averaged: a head that started untrained.
    """

    def __init__(self, model: nn.Module, share: float, free: Collection[str]) -> None:
        self._share = share
        self._start = {
            name: parameter.detach().to("cpu", copy=True)
            for name, parameter in model.named_parameters()
            if parameter.requires_grad and name not in free
        }

    def apply(self, model: nn.Module) -> None:
        """Moves the model's weights to the average, in place."""
        named = dict(model.named_parameters())
        with torch.no_grad():
            for name, start in self._start.items():
                trained = named[name]
                trained.lerp_(start.to(trained.device), 1.0 - self._share)


def _check_alone(key: str) -> None:
    if ranks.count() > 1:
        raise DomainAdaptError(
            f"{key}: works in one process only (there are {ranks.count()})",
            hint="set it to 0, or train without a launcher",
        )
