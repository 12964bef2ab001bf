"""Nested subsets of labelled examples for learning curves, and groups of examples that belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Example = TypeVar("Example")


def subset(examples: Sequence[Example], count: int, group_of: Callable[[Example], str], seed: int) -> list[Example]:
    """Returns ``count`` of the examples, or all if there are fewer, in their own order.

    Texts are taken in an order that the seed decides, each with all its examples until there are enough: so 50 labels
    are among the 100 of the same seed, and few labels are few texts, as they are when people label.

    Args:
        examples: To choose from.
        count: How many, at least 1.
        group_of: The text that an example is about.
        seed: Decides which.
    """
    order = {text: _rank(text, seed) for text in map(group_of, examples)}
    ranked = sorted(range(len(examples)), key=lambda index: (order[group_of(examples[index])], index))
    return [examples[index] for index in sorted(ranked[:count])]


def clusters(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Returns (texts,) numbers from 0 on, the same for the same text."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)


def _rank(text: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\n{text}".encode("utf-8", "surrogatepass")).digest()
