"""Which examples are held out where no dev part is given."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from domain_adapt.errors import DomainAdaptError

Example = TypeVar("Example")


def split_by_text(
    examples: Sequence[Example], text_of: Callable[[Example], str], share: float, what: str
) -> tuple[list[Example], list[Example]]:
    """Returns (train, dev): about ``share`` of the texts, chosen by their SHA-256, with all examples on them.

    A text keeps its side when the set grows. No text is on both sides, and neither side is empty.

    Args:
        examples: To be split.
        text_of: The text by which an example is placed.
        share: Of the texts that go to dev, in (0, 1).
        what: Says in an error what has one text only, e.g. "all questions are about one context".

    Raises:
        DomainAdaptError: If there are fewer than two texts.
    """
    texts = [text_of(example) for example in examples]
    keys = {text: _unit_hash(text) for text in texts}
    if len(keys) < 2:
        raise DomainAdaptError(f"{what}, so none can be held out", hint="name a dev part of its own (--dev)")
    dev = {text for text, key in keys.items() if key < share}
    if not dev:
        dev = {min(keys, key=keys.__getitem__)}
    elif len(dev) == len(keys):
        dev.remove(max(keys, key=keys.__getitem__))
    train_side = [example for example, text in zip(examples, texts, strict=True) if text not in dev]
    return train_side, [example for example, text in zip(examples, texts, strict=True) if text in dev]


def _unit_hash(text: str) -> float:
    """Returns a number in [0, 1) that depends on the text alone."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
