"""The model as the ranks train it: alone, replicated (DistributedDataParallel) or sharded (FSDP2).

All three train the caller's own model object and leave it whole, so the rest of the program sees no difference. FSDP is
chosen as ``accelerate launch`` says it, by ``ACCELERATE_USE_FSDP=true`` in the environment; the sharding itself is
torch's ``fully_shard``, which works on CPUs and GPUs alike (Zhao et al. 2023, arXiv 2304.11277, describe the method).
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

import torch
from torch import nn

from domain_adapt.errors import DomainAdaptError
from domain_adapt.training import ranks

# How the supported encoders call the list of their layers; ALBERT calls one layer many times and stays in one piece.
_LAYER_LISTS = ("layer", "layers")


class Trainee(Protocol):
    """What the training loop asks of the model it trains.

    Attributes:
        model: The caller's model; its parameters are the optimizer's.
        called: What a forward pass calls: the model or a wrapper around it.
        groups: The caller's parameter groups, over the parameters that the optimizer updates.
        is_sharded: Whether saving and :meth:`whole` need all ranks.
    """

    model: nn.Module
    called: nn.Module
    groups: list[dict[str, Any]]
    is_sharded: bool

    def accumulating(self, *, last: bool) -> AbstractContextManager[None]:
        """Around a forward and backward pass: gradients are exchanged in a step's last one only."""

    def clip(self, max_norm: float) -> torch.Tensor:
        """Scales all gradients down to ``max_norm`` and returns their norm before, a scalar, the same on each rank."""

    def whole(self) -> AbstractContextManager[nn.Module]:
        """Gives the model back its stock form with the current weights, within the block."""

    def finish(self) -> None:
        """Gives the model back its stock form with the current weights, for good."""


class Alone:
    """One process."""

    is_sharded = False

    def __init__(self, model: nn.Module, groups: list[dict[str, Any]]) -> None:
        self.model: nn.Module = model
        self.called: nn.Module = model
        self.groups = groups

    def accumulating(self, *, last: bool) -> AbstractContextManager[None]:
        """Nothing is exchanged."""
        return nullcontext()

    def clip(self, max_norm: float) -> torch.Tensor:
        """See :class:`Trainee`."""
        return nn.utils.clip_grad_norm_(self.model.parameters(), max_norm)

    def whole(self) -> AbstractContextManager[nn.Module]:
        """The model is whole."""
        return nullcontext(self.model)

    def finish(self) -> None:
        """The model is whole."""


class Replicated(Alone):
    """The whole model on every rank, gradients averaged by DistributedDataParallel.

    Its parameters are rank 0's from the start. Frozen parameters take no part; every other one gets a gradient on every
    rank, as an idle rank computes with a stand-in row.
    """

    def __init__(self, model: nn.Module, groups: list[dict[str, Any]], device: torch.device) -> None:
        super().__init__(model, groups)
        wrapper = nn.parallel.DistributedDataParallel
        # Tables of positions and the like are the same everywhere and never change. (torch 2.13 renamed the option.)
        known = inspect.signature(wrapper).parameters
        names = ("forward_sync_buffers", "broadcast_buffers")
        options: dict[str, Any] = {next(name for name in names if name in known): False}
        self.called = self._replica = wrapper(
            model,
            device_ids=[device.index] if device.type == "cuda" else None,
            gradient_as_bucket_view=True,  # saves a copy of the gradients
            **options,
        )

    def accumulating(self, *, last: bool) -> AbstractContextManager[None]:
        """See :class:`Trainee`."""
        return nullcontext() if last else self._replica.no_sync()


# Class and attributes of every module of a model.
_Form = list[tuple[nn.Module, type, dict[str, Any]]]


class Sharded:
    """Parameters, gradients and optimizer state divided among the ranks by FSDP2, one unit for each encoder layer.

    ``fully_shard`` changes the modules in place. Their stock form (classes, parameters, hooks) is kept aside, its
    weights on the CPU, and put back into the same objects for evaluation and at the end; so references to them, such
    as the sparse head's, stay right.
    """

    is_sharded = True

    def __init__(self, model: nn.Module, groups: list[dict[str, Any]], device: torch.device) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        self.model = self.called = model
        self._device = device
        self._stock: _Form = [(module, type(module), _copied(module.__dict__)) for module in model.modules()]
        self._parameters = dict(model.named_parameters())
        names = {id(parameter): name for name, parameter in self._parameters.items()}
        mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
        options: dict[str, Any] = {"mesh": mesh, "reshard_after_forward": _reshard_after_forward()}
        for layer in _layers(model):
            fully_shard(layer, **options)
        fully_shard(model, **options)
        self._sharded: _Form = []
        for parameter in self._parameters.values():
            parameter.data = parameter.data.cpu()
        shards = dict(model.named_parameters())
        self.groups = [
            group | {"params": [shards[names[id(parameter)]] for parameter in group["params"]]} for group in groups
        ]

    def accumulating(self, *, last: bool) -> AbstractContextManager[None]:
        """See :class:`Trainee`."""
        self.model.set_requires_gradient_sync(last)  # type: ignore[operator]
        return nullcontext()

    def clip(self, max_norm: float) -> torch.Tensor:
        """See :class:`Trainee`; collective."""
        return full(nn.utils.clip_grad_norm_(self.model.parameters(), max_norm))

    @contextmanager
    def whole(self) -> Iterator[nn.Module]:
        """See :class:`Trainee`; collective."""
        self._gather()
        self._sharded = _form(self.model)
        _put(self._stock)
        self.model.to(self._device)
        try:
            yield self.model
        finally:
            self._stock = _form(self.model)
            _put(self._sharded)
            for parameter in self._parameters.values():
                parameter.data = parameter.data.cpu()

    def finish(self) -> None:
        """See :class:`Trainee`; collective."""
        self._gather()
        _put(self._stock)

    def _gather(self) -> None:
        with torch.no_grad():
            for name, shard in self.model.named_parameters():
                self._parameters[name].data.copy_(full(shard))


def make_trainee(model: nn.Module, groups: list[dict[str, Any]], device: torch.device) -> Trainee:
    """Returns ``model`` as the processes of this run train it.

    Args:
        model: On ``device``; the same on every rank.
        groups: Parameter groups of an optimizer.
        device: Of this process.

    Raises:
        DomainAdaptError: If the environment asks for a kind of FSDP that is not supported.
    """
    if ranks.count() == 1:
        return Alone(model, groups)
    if not _is_on("ACCELERATE_USE_FSDP"):
        return Replicated(model, groups, device)
    if os.environ.get("FSDP_VERSION", "2") != "2":
        raise DomainAdaptError("fsdp_version: expected 2", hint="see configs/accelerate/fsdp-gpus.yaml")
    for key, instead in (
        ("FSDP_OFFLOAD_PARAMS", "a smaller runtime.micro_batch_size"),
        ("FSDP_ACTIVATION_CHECKPOINTING", "runtime.gradient_checkpointing = true in the recipe"),
    ):
        if _is_on(key):
            raise DomainAdaptError(f"{key.lower()}: not supported", hint=f"instead: {instead}")
    return Sharded(model, groups, device)


def full(tensor: torch.Tensor) -> torch.Tensor:
    """Returns a tensor that may be sharded as a whole; collective if it is."""
    if ranks.count() == 1:
        return tensor
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(tensor: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Returns the whole ``tensor``, the same on every rank, where ``target`` is and sharded as ``target`` is."""
    tensor = tensor.to(target.device)
    if ranks.count() == 1:
        return tensor
    from torch.distributed.tensor import DTensor, distribute_tensor

    if isinstance(target, DTensor) and tensor.shape == target.shape:
        # Each rank cuts its own share out: all have read the same file.
        return distribute_tensor(tensor, target.device_mesh, target.placements, src_data_rank=None)
    return tensor


def _is_on(key: str) -> bool:
    return os.environ.get(key, "").lower() in ("1", "true")


def _reshard_after_forward() -> bool:
    return os.environ.get("FSDP_RESHARD_AFTER_FORWARD", "true").lower() != "false"


def _layers(model: nn.Module) -> Iterator[nn.Module]:
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and name.rsplit(".", 1)[-1] in _LAYER_LISTS:
            yield from module


def _form(model: nn.Module) -> _Form:
    return [(module, type(module), dict(module.__dict__)) for module in model.modules()]


def _put(form: _Form) -> None:
    for module, kind, attributes in form:
        module.__class__ = kind
        module.__dict__.clear()
        module.__dict__.update(attributes)


def _copied(attributes: dict[str, Any]) -> dict[str, Any]:
    """Returns attributes whose tables of parameters, buffers and hooks are copies: what is added to them stays out."""
    return {key: value.copy() if isinstance(value, dict | set) else value for key, value in attributes.items()}
