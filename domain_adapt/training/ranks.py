"""One run on several processes: who is who, and how they agree.

The launcher (``accelerate launch`` or ``torchrun``) sets the environment. Rank 0 is the main process: it prepares,
logs, saves and publishes; the others compute. Until the process group exists they wait for files, which may take
hours; what they agree on afterwards are small tensors on the CPU, so that a GPU never waits for them.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from datetime import timedelta

logger = logging.getLogger(__name__)

# Longest wait for another rank: writing or scoring a large model takes minutes, a lost machine should not take a day.
PATIENCE = timedelta(hours=2)
_SECONDS_BETWEEN_LOOKS = 0.2


def rank() -> int:
    """Returns the number of this process, 0 for the main one."""
    return int(os.environ.get("RANK", "0"))


def count() -> int:
    """Returns the number of processes of this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_count() -> int:
    """Returns the number of processes of this run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def is_main() -> bool:
    """Tells whether this process prepares, logs, saves and publishes."""
    return rank() == 0


def rows_per_rank(batch_size: int) -> int:
    """Returns the rows of a batch that the rank with most of them gets."""
    return -(-batch_size // count())


def join(device: str) -> None:
    """Makes the process group, if there is more than one process; every rank calls it, the main one last.

    Args:
        device: Torch device type of the run.
    """
    import torch.distributed as dist

    if count() > 1 and not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE)


def leave() -> None:
    """Ends the process group."""
    if count() > 1:
        import torch.distributed as dist

        if dist.is_initialized():
            dist.destroy_process_group()


def summed(values: list[float]) -> list[float]:
    """Returns each value's sum over the ranks."""
    if count() == 1:
        return values
    import torch
    import torch.distributed as dist

    tensor = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(tensor)
    return [float(value) for value in tensor]


def any_rank(*flags: bool) -> list[bool]:
    """Returns for each flag whether it is set on any rank."""
    return [total > 0 for total in summed([float(flag) for flag in flags])]


def wait_for_all() -> None:
    """Returns when every rank has come here."""
    summed([0.0])


def wait_for_main(is_done: Callable[[], bool], what: str) -> None:
    """Returns when ``is_done()``; the main process brings that about by itself and must not call this.

    There is no time limit: the launcher ends this process if the main one fails.
    """
    line_due = time.monotonic() + 60
    while not is_done():
        if time.monotonic() > line_due:
            logger.error("rank %d: still waiting for rank 0: %s", rank(), what)
            line_due += 600
        time.sleep(_SECONDS_BETWEEN_LOOKS)
