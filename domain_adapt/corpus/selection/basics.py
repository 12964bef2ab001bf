"""What the ways of selecting share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

# Gives the documents' texts in batches, the same every time.
Batches = Callable[[], Iterator[Sequence[str]]]

# What is being done, and documents done so far.
Progress = Callable[[str, int], None]


def count_kept(documents: int, keep: float) -> int:
    """Returns how many documents the share ``keep`` is, rounded up."""
    # 0.1 * 30 is 3.0000000000000004, and four documents would be wrong.
    return math.ceil(round(keep * documents, 6))
