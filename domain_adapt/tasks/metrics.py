"""What the metrics of all task types share."""

from __future__ import annotations

from typing import Any


class WithoutNetwork:
    """Put in front of ``evaluate.Metric``: computes in memory, and leaves nothing on the disk."""

    def __init__(self, **options: Any) -> None:
        super().__init__(keep_in_memory=True, seed=0, **options)  # type: ignore[call-arg]

    def _build_data_dir(self) -> str:
        """Stays without a folder: the parent would make one under the home directory although all is in memory."""
        return str(self._data_dir_root)  # type: ignore[attr-defined]
