"""The energy that a machine's CPUs take while a run is at work, where the kernel lets it be read.

Intel and AMD processors count it themselves (RAPL); Linux shows the counters below ``/sys/class/powercap``, on most
machines to root only. It is what the whole packages take, whatever else they work on. GPUs are not in it.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path

# One zone a package; their parts (intel-rapl:0:1) and the same packages by another way (intel-rapl-mmio) would count
# twice, and so would the whole platform (psys).
_ZONE = re.compile(r"intel-rapl:\d+")
# A counter starts anew after some 65 to 260 kJ, at 400 W after less than three minutes: read it well before.
_SECONDS_BETWEEN_READINGS = 30.0


@dataclass
class _Counter:
    """One counter: its file, where it starts anew, and its last value; microjoules."""

    path: Path
    range: int
    last: int

    def advanced(self) -> int:
        """Returns how far it has gone on since it was last read."""
        now = int(self.path.read_text())
        step = now - self.last if now >= self.last else now + self.range - self.last
        self.last = now
        return step


class EnergyMeter:
    """Counts from when it is made until :meth:`stop`; reads now and then, as the counters start anew."""

    def __init__(self, root: Path = Path("/sys/class/powercap")) -> None:
        self._counters = _counters(root)
        self._microjoules = 0
        self._lock, self._over = threading.Lock(), threading.Event()
        if self._counters:
            threading.Thread(target=self._read_on, daemon=True, name="energy").start()

    def joules(self) -> float | None:
        """Returns the energy taken so far, or None if it cannot be measured."""
        self._read()
        return round(self._microjoules / 1e6, 1) if self._counters else None

    def stop(self) -> None:
        """Ends the counting."""
        self._over.set()

    def _read_on(self) -> None:
        while not self._over.wait(_SECONDS_BETWEEN_READINGS):
            self._read()

    def _read(self) -> None:
        with self._lock:
            try:
                self._microjoules += sum(counter.advanced() for counter in self._counters)
            except (OSError, ValueError):  # half a sum would be worse than none
                self._counters = []


def _counters(root: Path) -> list[_Counter]:
    """Returns the counters of all packages, or none if one of them cannot be read."""
    try:
        zones = [path for path in sorted(root.iterdir()) if _ZONE.fullmatch(path.name)]
        packages = [zone for zone in zones if (zone / "name").read_text().startswith("package")]
        return [
            _Counter(zone / "energy_uj", int((zone / "max_energy_range_uj").read_text()), int(energy))
            for zone in packages
            for energy in [(zone / "energy_uj").read_text()]
        ]
    except (OSError, ValueError):
        return []
