"""The processes of one run: which one this is, and what all of them add up or agree on during training.

``accelerate launch`` and ``torchrun`` tell every process its rank in the environment. Rank 0, the main one, prepares,
logs, saves and publishes; the others compute. What they exchange here are small tensors on the CPU (gloo), so that a
GPU never waits for the host. How they wait for each other outside of training is in
:mod:`domain_adapt.training.meeting`.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from domain_adapt.errors import DomainAdaptError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch.distributed.distributed_c10d import Store

# Longest wait for another rank within training: writing a state or scoring a large dev part takes minutes. A process
# that dies is noticed at once, as its connections close.
PATIENCE = timedelta(hours=2)


def rank() -> int:
    """Returns the number of this process, 0 for the main one."""
    return int(os.environ.get("RANK", "0")) if count() > 1 else 0


def count() -> int:
    """Returns the number of processes of this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Returns the number of this process among those of this run on this machine."""
    return int(os.environ.get("LOCAL_RANK", "0")) if count() > 1 else 0


def local_count() -> int:
    """Returns the number of processes of this run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if count() > 1 else 1


def is_main() -> bool:
    """Tells whether this process prepares, logs, saves and publishes."""
    return rank() == 0


def rows_per_rank(batch_size: int) -> int:
    """Returns the rows of a batch that the rank with most of them gets."""
    return -(-batch_size // count())


def place(device: str) -> None:
    """Gives this process a GPU of its own, if the run is on GPUs.

    Args:
        device: Torch device type of the run.

    Raises:
        DomainAdaptError: If several processes cannot share this machine's devices.
    """
    import torch

    if count() == 1 or device == "cpu":
        return
    if device != "cuda":
        raise DomainAdaptError(f"runtime.device: {device} cannot be shared by several processes", hint="start one")
    if local_rank() >= torch.cuda.device_count():
        raise DomainAdaptError(
            f"{local_count()} processes on a machine with {torch.cuda.device_count()} GPUs: each needs one of its own",
            hint="start as many processes as there are GPUs, or add --set runtime.device=cpu",
        )
    torch.cuda.set_device(local_rank())


def own_device(device: str) -> torch.device:
    """Returns the torch device of this process in a run on ``device``."""
    import torch

    return torch.device(device, local_rank()) if device == "cuda" and count() > 1 else torch.device(device)


def join(device: str, store: Store | None = None) -> None:
    """Makes the process group, if there is more than one process and none yet; every rank has to call it.

    Args:
        device: Torch device type of the run: gradients on GPUs go over NCCL, everything on the CPU over gloo.
        store: Where the ranks find each other; None: the launcher's.
    """
    import torch.distributed as dist

    if count() == 1 or dist.is_initialized():
        return
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    if store is None:
        dist.init_process_group(backend, timeout=PATIENCE)
    else:
        dist.init_process_group(backend, store=store, rank=rank(), world_size=count(), timeout=PATIENCE)


def leave() -> None:
    """Ends the process group, if there is one."""
    if count() > 1:
        import torch.distributed as dist

        if dist.is_initialized():
            dist.destroy_process_group()


def abandon() -> None:
    """Closes the connections to the other ranks, so that they do not wait for this one, which has failed."""
    if count() > 1:
        import torch.distributed as dist

        # NCCL's end would wait for the others; their launcher, or its watchdog, ends them.
        if dist.is_initialized() and dist.get_backend() == "gloo":
            dist.destroy_process_group()


def summed(values: Sequence[float]) -> list[float]:
    """Returns each value's sum over the ranks; integers below 2^53 stay exact."""
    if count() == 1:
        return list(values)
    import torch
    import torch.distributed as dist

    tensor = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(tensor)
    return [float(value) for value in tensor]


def least(value: int) -> int:
    """Returns the smallest of the ranks' values."""
    if count() == 1:
        return value
    import torch
    import torch.distributed as dist

    tensor = torch.tensor(value)
    dist.all_reduce(tensor, op=dist.ReduceOp.MIN)
    return int(tensor)


def any_rank(*flags: bool) -> list[bool]:
    """Returns for each flag whether it is set on any rank."""
    return [total > 0 for total in summed([float(flag) for flag in flags])]


def wait_for_all() -> None:
    """Returns when every rank has come here."""
    summed([0.0])


def from_main(value: Any) -> Any:
    """Returns what the main process passed, on every rank; for values that JSON keeps as they are."""
    if count() == 1:
        return value
    import torch
    import torch.distributed as dist

    text = bytearray(json.dumps(value).encode() if is_main() else b"")
    length = torch.tensor(len(text))
    dist.broadcast(length, src=0)
    content = torch.frombuffer(text, dtype=torch.uint8) if is_main() else torch.empty(int(length), dtype=torch.uint8)
    dist.broadcast(content, src=0)
    return json.loads(bytes(content.tolist()))
