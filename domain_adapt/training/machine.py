"""Facts about the machine that decide how fast a run is, and what to say about them."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from domain_adapt.training.cgroups import UNLIMITED, cpu_quota, memory_limit
from domain_adapt.training.memory import free_memory, gigabytes, meminfo
from domain_adapt.training.runtime import affinity

_PACKAGES = ("domain-adapt", "torch", "transformers", "accelerate", "numpy")


@dataclass(frozen=True)
class Machine:
    """What was found; bytes for memory.

    Attributes:
        processor: Name of the CPU.
        cpus: CPUs of the machine.
        affinity: CPUs that the scheduler may put this process on.
        quota: CPUs that the control group allows, or None.
        cores: Physical cores among the CPUs of the affinity; fewer than those where two share a core.
        load: Processes that wanted a CPU on average over the last minute, or None where nobody counts.
        memory: Of the machine.
        memory_free: What this process may still allocate.
        memory_limit: Of the control group, or None.
        swap_used: Memory that was moved to the disk.
        accelerator: Name of the GPU, or None.
        versions: Of Python and the packages that matter.
    """

    processor: str
    cpus: int
    affinity: int
    quota: int | None
    cores: int
    load: float | None
    memory: int
    memory_free: int
    memory_limit: int | None
    swap_used: int
    accelerator: str | None
    versions: dict[str, str]

    @property
    def usable_cpus(self) -> int:
        """CPUs that affinity and control group leave to this process."""
        return min(self.affinity, self.quota or self.affinity)

    def warnings(self) -> list[str]:
        """Returns a sentence for each thing that slows runs down or may stop them."""
        found = []
        if self.load is not None and self.load > self.cpus + 0.5:
            found.append(
                f"The machine is busy: {self.load:.1f} processes want its {self.cpus} CPUs, so every figure here is "
                "lower than it would be on an idle one."
            )
        if self.quota is not None and self.quota < self.affinity:
            found.append(f"The control group allows {self.quota} of the machine's {self.cpus} CPUs.")
        if self.affinity < self.cpus:
            found.append(f"The affinity of this process allows {self.affinity} of the machine's {self.cpus} CPUs.")
        if self.cores < self.usable_cpus:
            found.append(
                f"The {self.usable_cpus} usable CPUs are hardware threads of {self.cores} cores; matrix products may "
                f"be faster with runtime.threads = {self.cores}: try both."
            )
        if self.memory_limit is not None and self.memory_limit < self.memory:
            found.append(
                f"The control group allows {gigabytes(self.memory_limit)} of the machine's {gigabytes(self.memory)} "
                "of memory."
            )
        if self.swap_used > 2**28:
            found.append(
                f"{gigabytes(self.swap_used)} are swapped out: memory is short, and what is read back is slow."
            )
        return found


def survey(device: str = "cpu", root: Path = Path("/")) -> Machine:
    """Returns what there is to know of this machine.

    Args:
        device: Whose free memory is asked for.
        root: Where ``proc`` and ``sys`` are.
    """
    memory = meminfo(root)
    quota, limit = cpu_quota(root), memory_limit(root)
    total = memory.get("MemTotal", 0)
    return Machine(
        processor=processor(root),
        cpus=os.cpu_count() or 1,
        affinity=len(affinity()),
        quota=quota if quota < UNLIMITED else None,
        cores=physical_cores(affinity(), root),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        memory=total,
        memory_free=free_memory(device, root),
        memory_limit=limit if limit < min(UNLIMITED, total or UNLIMITED) else None,
        swap_used=memory.get("SwapTotal", 0) - memory.get("SwapFree", 0),
        accelerator=_accelerator(device),
        versions={"python": platform.python_version()} | {name: metadata.version(name) for name in _PACKAGES},
    )


def processor(root: Path = Path("/")) -> str:
    """Returns the name of the CPU as the kernel knows it."""
    try:
        lines = (root / "proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())


def hardware(device: str) -> str:
    """Returns the name of what computes: the GPU's, or the CPU's."""
    return _accelerator(device) or processor()


def physical_cores(cpus: set[int], root: Path = Path("/")) -> int:
    """Returns how many physical cores the numbered CPUs lie on; their number where the kernel does not say."""
    folder = root / "sys/devices/system/cpu"
    cores = set()
    for cpu in cpus:
        try:
            cores.add((folder / f"cpu{cpu}/topology/thread_siblings_list").read_text().strip())
        except OSError:
            return len(cpus)
    return len(cores)


def bf16_reason(device: str, precision: str, asked: str, *, fast: bool) -> str:
    """Returns in a few words why ``precision`` was chosen on ``device``."""
    if asked != "auto":
        return "runtime.precision says so" + (", but it is emulated here" if precision == "bf16" and not fast else "")
    name = {"cuda": "the GPU", "mps": "the GPU"}.get(device, "the CPU")
    return f"{name} multiplies bf16 in hardware" if fast else f"{name} has no bf16 units, and emulated ones are slower"


def allocator() -> str:
    """Returns which allocator the CPU's tensors come from."""
    name, version = platform.libc_ver()
    if sys.platform != "linux" or name != "glibc":
        return "of the system"
    return f"glibc {version}, keeps freed memory"


def _accelerator(device: str) -> str | None:
    if device != "cuda":
        return None
    import torch

    return str(torch.cuda.get_device_name())
