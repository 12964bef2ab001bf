"""What Linux control groups leave to this process: CPUs and memory, versions 1 and 2, nested groups included."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

UNLIMITED = sys.maxsize


def cpu_quota(root: Path = Path("/")) -> int:
    """Returns the CPUs that the quota of the nearest and of every enclosing group allows, rounded up.

    Args:
        root: Where ``proc`` and ``sys`` are.
    """
    return min((_quota(folder) for folder in _groups("cpu", root)), default=UNLIMITED)


def memory_limit(root: Path = Path("/")) -> int:
    """Returns the lowest memory limit in bytes of this process's groups, or :data:`UNLIMITED`."""
    return min((_limit(folder) for folder in _groups("memory", root)), default=UNLIMITED)


def memory_left(root: Path = Path("/")) -> int:
    """Returns the bytes that may still be allocated before a group's limit is reached, or :data:`UNLIMITED`.

    File pages that were not used lately count as free, since the kernel drops them first.
    """
    return min((_left(folder) for folder in _groups("memory", root)), default=UNLIMITED)


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Yields the folders of this process's group and of the groups around it, in both versions' hierarchies.

    Inside a container ``/proc/self/cgroup`` may name a path that only the host can see; the mount point itself is then
    the container's group, and it always comes last here.
    """
    mounts = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = ["0::/"]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            tops = [mounts, mounts / "unified"]
        elif controller in controllers.split(","):
            tops = [top for top in mounts.glob("*") if controller in top.name.split(",")]
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for top in tops:
            yield from (top.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1))


def _quota(group: Path) -> int:
    words = _words(group / "cpu.max")  # version 2: "max 100000" or "<quota> <period>", microseconds
    quota = _number(words[:1]) if words else _number(_words(group / "cpu.cfs_quota_us"))
    period = _number(words[1:2]) if words else _number(_words(group / "cpu.cfs_period_us"))
    if quota is None or period is None or quota < 0 or period <= 0:  # version 1 says -1 for no quota
        return UNLIMITED
    return math.ceil(quota / period)


def _limit(group: Path) -> int:
    words = _words(group / "memory.max") or _words(group / "memory.limit_in_bytes")
    limit = _number(words)
    return UNLIMITED if limit is None else limit


def _left(group: Path) -> int:
    limit = _limit(group)
    used = _number(_words(group / "memory.current") or _words(group / "memory.usage_in_bytes"))
    if limit == UNLIMITED or used is None:
        return UNLIMITED
    statistics = _words(group / "memory.stat")
    values = dict(zip(statistics[::2], statistics[1::2], strict=False))
    droppable = int(values.get("total_inactive_file", values.get("inactive_file", "0")))
    return max(0, limit - max(0, used - droppable))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _number(words: list[str]) -> int | None:
    try:
        return int(words[0])
    except (IndexError, ValueError):  # the file is missing, or says "max"
        return None
