"""The machine's side of a run: device, precision, threads and memory."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import RuntimeSettings
from domain_adapt.training.ranks import local_count

if TYPE_CHECKING:
    import torch

_M_TRIM_THRESHOLD = -1  # parameters of mallopt(3)
_M_MMAP_THRESHOLD = -3


@dataclass(frozen=True)
class Runtime:
    """What a run found on its machine.

    Attributes:
        device: Torch device type, ``cpu``, ``cuda`` or ``mps``.
        precision: ``bf16`` (autocast) or ``fp32``.
        threads: CPU threads of torch.
    """

    device: str
    precision: str
    threads: int

    def describe(self) -> dict[str, str | int]:
        """Returns the environment entry of a manifest."""
        versions = {"python": platform.python_version(), "platform": platform.platform()}
        return versions | asdict(self)


def tune_allocator() -> None:
    """Keeps freed memory in the process instead of giving it back to the kernel after every step.

    A training step allocates and frees the same hundred buffers of some megabytes; glibc returns each to the kernel
    and pays page faults to get it again. Keeping them makes a CPU step of ``mini`` about a tenth faster
    (``benchmarks/allocator.py``). Huge pages for torch's own buffers gain a little more. To be called before torch
    allocates anything; does nothing where the C library is not glibc.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 2**31 - 1)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def detect(settings: RuntimeSettings) -> Runtime:
    """Chooses device, precision and threads, and tells torch the thread count.

    Raises:
        DomainAdaptError: If the recipe asks for a device or precision that is not there.
    """
    import torch

    device = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device not in available:
        raise DomainAdaptError(f"runtime.device: expected auto, cpu, cuda or mps (found {device!r})")
    if not available[device]:
        raise DomainAdaptError(f"runtime.device: no {device} device here", hint="leave runtime.device at auto")
    threads = settings.threads or max(1, usable_cpus() // local_count())
    torch.set_num_threads(threads)
    precision = settings.precision
    if precision == "auto":
        precision = "bf16" if has_fast_bf16(device) else "fp32"
    return Runtime(device, precision, threads)


def has_fast_bf16(device: str) -> bool:
    """Tells whether bf16 matrix products are done in hardware; emulated ones are many times slower than fp32."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "mps":
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def usable_cpus() -> int:
    """Returns the CPUs this process may use: its affinity, further limited by a cgroup quota."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        count = os.cpu_count() or 1
    return max(1, min(count, _cgroup_quota()))


def _cgroup_quota() -> int:
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()[:2]
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return sys.maxsize


def micro_batch_rows(settings: RuntimeSettings, batch_rows: int, row_tokens: int, device: str) -> int:
    """Returns the rows of one forward pass: what the recipe says, else so many that a pass fits comfortably.

    On a CPU some 4,096 tokens saturate the matrix products; on a GPU 32,768 tokens do.
    """
    if settings.micro_batch_size:
        return min(settings.micro_batch_size, batch_rows)
    tokens = 32_768 if device == "cuda" else 4_096
    return max(1, min(batch_rows, tokens // row_tokens))


def torch_device(runtime: Runtime) -> torch.device:
    """Returns the torch device of this process."""
    import torch

    return torch.device(runtime.device)
