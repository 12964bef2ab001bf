"""Saved states of a run: whole, hashed, and the newest undamaged one is what a restart goes on from.

A state is a folder ``state-<step>`` of safetensors and JSON, written beside its place and renamed. There is no random
state in it: order, masks and dropout are functions of the seed and the step. Nor is there anything of the number of
ranks: the tensors are whole, so a state goes on anywhere.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from domain_adapt.fingerprint import fingerprint, hash_file
from domain_adapt.training.trainee import full, like
from domain_adapt.workspace import staged_folder, write_json

logger = logging.getLogger(__name__)

_MODEL, _OPTIMIZER, _INDEX = "model.safetensors", "optimizer.safetensors", "state.json"
_NAME = re.compile(r"state-(\d{8})")


@dataclass(frozen=True)
class State:
    """A loaded state.

    Attributes:
        step: Optimizer steps done.
        model: Parameter or buffer name -> tensor.
        optimizer: ``<parameter name>/<key>`` -> tensor.
        info: What the stage and the loop noted beside it.
    """

    step: int
    model: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]
    info: dict[str, Any]


def save_state(
    run_folder: Path,
    step: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    info: Mapping[str, Any],
    *,
    keep_last: int,
    write: bool = True,
) -> None:
    """Writes the state after ``step`` optimizer steps and removes all but the ``keep_last`` newest.

    Args:
        run_folder: Of the run.
        step: Optimizer steps done.
        model: If it is sharded, every rank has to call this, as the shards are put together.
        optimizer: Over the parameters of ``model``.
        info: JSON values kept beside the tensors.
        keep_last: States that stay.
        write: False on the ranks that only hand over their shards.
    """
    tensors, moments = _whole(model_tensors(model)), _whole(_optimizer_tensors(model, optimizer))
    if not write:
        return
    target = state_folder(run_folder, step)
    # A damaged state that the run has just gone past again, and the halves that killed processes left behind.
    for leftover in [target, *run_folder.glob(".state-*.tmp")]:
        shutil.rmtree(leftover, ignore_errors=True)
    with staged_folder(target) as staging:
        save_file(tensors, staging / _MODEL)
        save_file(moments, staging / _OPTIMIZER)
        hashes = {name: hash_file(staging / name) for name in (_MODEL, _OPTIMIZER)}
        index = {"step": step, "info": dict(info), "files": hashes}
        write_json(staging / _INDEX, index | {"sha256": fingerprint(index)})
    for old in _folders(run_folder)[:-keep_last]:
        shutil.rmtree(old, ignore_errors=True)


def load_newest_state(run_folder: Path) -> State | None:
    """Returns the newest undamaged state of a run, or None if there is none.

    A damaged state is reported in one warning that names the file, and the one before it is tried.
    """
    for folder in reversed(_folders(run_folder)):
        try:
            return _read(folder)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            logger.warning("saved state is damaged, using the one before it: %s: %s", folder, error)
    return None


def load_state(run_folder: Path, step: int) -> State:
    """Returns the state after ``step`` optimizer steps.

    Raises:
        ValueError: If it is damaged.
    """
    return _read(state_folder(run_folder, step))


def restore(state: State, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Puts a state's tensors into ``model`` and ``optimizer``.

    Raises:
        ValueError: If the state belongs to another architecture.
    """
    put_tensors(model, state.model)
    by_parameter: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in state.optimizer.items():
        name, entry = key.rsplit("/", 1)
        by_parameter.setdefault(name, {})[entry] = value
    for name, parameter in model.named_parameters():
        if name in by_parameter:
            optimizer.state[parameter] = {entry: like(value, parameter) for entry, value in by_parameter[name].items()}


def put_tensors(model: nn.Module, saved: Mapping[str, torch.Tensor]) -> None:
    """Copies ``saved``, as :func:`model_tensors` names it, into ``model``.

    Raises:
        ValueError: If they belong to another architecture.
    """
    targets = model_tensors(model)
    if set(targets) != set(saved):
        raise ValueError(f"saved state holds other tensors than the model: {set(targets) ^ set(saved)}")
    with torch.no_grad():
        for name, tensor in targets.items():
            tensor.copy_(like(saved[name], tensor))


def model_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Returns every parameter and buffer once, tied weights under their first name."""
    return dict(model.named_parameters()) | dict(model.named_buffers())


def _whole(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns the tensors, shards put together on the CPU."""
    found = {}
    for name, tensor in tensors.items():
        together = full(tensor)
        found[name] = tensor if together is tensor else together.cpu()
    return found


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"{name}/{entry}": value
        for name, parameter in model.named_parameters()
        for entry, value in optimizer.state.get(parameter, {}).items()
    }


def _read(folder: Path) -> State:
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{_INDEX}: not JSON: {error}") from error
    if not isinstance(index, dict) or index.pop("sha256", None) != fingerprint(index):
        raise ValueError(f"{_INDEX}: its SHA-256 is not the one written in it")
    for name, expected in index["files"].items():
        if hash_file(folder / name) != expected:
            raise ValueError(f"{name}: its SHA-256 is not the one in {_INDEX}")
    return State(
        step=int(index["step"]),
        model=load_file(folder / _MODEL),
        optimizer=load_file(folder / _OPTIMIZER),
        info=index["info"],
    )


def state_folder(run_folder: Path, step: int) -> Path:
    """Returns where the state after ``step`` optimizer steps lies."""
    return run_folder / f"state-{step:08d}"


def _folders(run_folder: Path) -> list[Path]:
    return sorted(path for path in run_folder.glob("state-*") if _NAME.fullmatch(path.name))
