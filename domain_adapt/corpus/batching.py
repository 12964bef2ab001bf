"""Documents in groups that are neither too many nor too long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

# Enough for the overhead of a call to vanish, few enough for the memory of several processes.
_DOCUMENTS, _CHARACTERS = 1000, 1_000_000


def batched(items: Iterable[Item], length: Callable[[Item], int]) -> Iterator[list[Item]]:
    """Yields the items in lists; one ends when it holds a thousand items or a million characters.

    Args:
        items: In any number; read as they are needed.
        length: Characters of an item: a list is at most one item longer than a million.
    """
    batch: list[Item] = []
    characters = 0
    for item in items:
        batch.append(item)
        characters += length(item)
        if len(batch) == _DOCUMENTS or characters >= _CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
