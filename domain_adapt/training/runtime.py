"""Device, precision and threads of a run."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import RuntimeSettings
from domain_adapt.training.cgroups import cpu_quota
from domain_adapt.training.choices import settle

if TYPE_CHECKING:
    import torch


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


def detect(settings: RuntimeSettings, run_folder: Path | None = None) -> Runtime:
    """Chooses device, precision and threads, and tells torch the thread count.

    Args:
        settings: ``runtime`` table of the recipe; what it names wins.
        run_folder: Of a run that may have been started before: what it chose then is chosen again, so that it ends
            with the same bytes.

    Raises:
        DomainAdaptError: If the recipe asks for a device or precision that is not there.
    """
    import torch

    device = settle(
        run_folder,
        "device",
        given=None if settings.device == "auto" else settings.device,
        choose=lambda: next(name for name in ("cuda", "mps", "cpu") if _available(name)),
        possible=_available,
    )
    if device not in ("cpu", "cuda", "mps"):
        raise DomainAdaptError(f"runtime.device: expected auto, cpu, cuda or mps (found {device!r})")
    if not _available(device):
        raise DomainAdaptError(f"runtime.device: no {device} device here", hint="leave runtime.device at auto")
    threads = settle(
        run_folder,
        "threads",
        given=settings.threads or None,
        choose=usable_cpus,
        possible=lambda threads: threads <= usable_cpus(),
    )
    torch.set_num_threads(threads)
    precision = settle(
        run_folder,
        "precision",
        given=None if settings.precision == "auto" else str(settings.precision),
        choose=lambda: "bf16" if has_fast_bf16(device) else "fp32",
        possible=lambda precision: precision == "fp32" or has_fast_bf16(device),
    )
    return Runtime(device, precision, threads)


def _available(device: str) -> bool:
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return there.get(device, False)


def has_fast_bf16(device: str) -> bool:
    """Tells whether bf16 matrix products are done in hardware; emulated ones are many times slower than fp32."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "mps":
        return False
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def usable_cpus() -> int:
    """Returns the CPUs this process may use: its affinity and cgroup quota, shared with the other local ranks."""
    return max(1, min(len(affinity()), cpu_quota()) // local_ranks())


def affinity() -> set[int]:
    """Returns the numbers of the CPUs that the scheduler may put this process on."""
    try:
        return set(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return set(range(os.cpu_count() or 1))


def local_ranks() -> int:
    """Returns how many processes of this run share the machine, as their launcher says; 1 without a launcher."""
    return max(1, int(os.environ.get("LOCAL_WORLD_SIZE") or 1))


def torch_device(runtime: Runtime) -> torch.device:
    """Returns the torch device of this process."""
    import torch

    return torch.device(runtime.device)
