"""Which examples are held out where no dev part is given, and the parts of a cross-validation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from domain_adapt.errors import DomainAdaptError

Example = TypeVar("Example")


def hold_out(
    examples: Sequence[Example], text_of: Callable[[Example], str], share: float
) -> tuple[list[Example], list[Example]]:
    """Returns (train, dev): about ``share`` of the texts, chosen by their SHA-256, with all examples on them.

    A text keeps its side when the set grows. No text is on both sides, and neither side is empty.

    Args:
        examples: To be split.
        text_of: The text by which an example is placed.
        share: Of the texts that go to dev, in (0, 1).

    Raises:
        DomainAdaptError: If there are fewer than two texts.
    """
    keys = _keys(examples, text_of, 2, "none can be held out", "name a dev part of its own (--dev)")
    dev = {text for text, key in keys.items() if key < share}
    if not dev:
        dev = {min(keys, key=keys.__getitem__)}
    elif len(dev) == len(keys):
        dev.remove(max(keys, key=keys.__getitem__))
    return _sides(examples, text_of, dev)


def fold_out(
    examples: Sequence[Example], text_of: Callable[[Example], str], folds: int, fold: int
) -> tuple[list[Example], list[Example]]:
    """Returns (train, dev) of one fold of a cross-validation: dev has every ``folds``-th text in the order of SHA-256.

    No text is on both sides, each is in the dev part of exactly one fold, and folds differ by at most one text.

    Args:
        examples: To be split.
        text_of: The text by which an example is placed.
        folds: At least 2.
        fold: In [0, folds).

    Raises:
        DomainAdaptError: If there are fewer texts than folds.
    """
    keys = _keys(examples, text_of, folds, f"{folds} folds cannot be made", "set finetune.folds to fewer")
    ranked = sorted(keys, key=lambda text: (keys[text], text))
    return _sides(examples, text_of, set(ranked[fold::folds]))


def _keys(
    examples: Sequence[Example], text_of: Callable[[Example], str], least: int, consequence: str, hint: str
) -> dict[str, float]:
    """Returns each text with a number in [0, 1) that depends on it alone."""
    keys = {text: _unit_hash(text) for text in map(text_of, examples)}
    if len(keys) < least:
        count = "one text" if len(keys) == 1 else f"{len(keys)} texts"
        raise DomainAdaptError(f"all examples are about {count}, so {consequence}", hint=hint)
    return keys


def _sides(
    examples: Sequence[Example], text_of: Callable[[Example], str], dev: set[str]
) -> tuple[list[Example], list[Example]]:
    sides: tuple[list[Example], list[Example]] = ([], [])
    for example in examples:
        sides[text_of(example) in dev].append(example)
    return sides


def _unit_hash(text: str) -> float:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
