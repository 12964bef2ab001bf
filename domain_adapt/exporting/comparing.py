"""Whether an exported model says what PyTorch says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from domain_adapt.bases import longest_input
from domain_adapt.errors import DomainAdaptError
from domain_adapt.exporting.subject import Subject
from domain_adapt.randomness import stream_key

TOLERANCE = 1e-4  # of a logit: what float32 sums in another order stay well below
_LONGEST = 512  # tokens; the limit of the classic encoders, and more only costs time
_CHOICES = 3  # rows that are one question of a multiple-choice model

Inputs = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Comparison:
    """The largest absolute difference of an output, over tokens that are not padding.

    Attributes:
        difference: Over all batches.
        largest: Largest absolute output of PyTorch, to measure the difference by.
        shapes: Rows and tokens of each batch.
    """

    difference: float
    largest: float
    shapes: list[list[int]]

    def check(self, ref: str) -> None:
        """Raises DomainAdaptError if they do not agree."""
        if not self.difference <= TOLERANCE:  # a NaN is no agreement
            raise DomainAdaptError(
                f"{ref}: the ONNX file differs from PyTorch by {self.difference:.2e}, more than {TOLERANCE:.0e}; "
                "nothing was exported",
                hint="another version of torch or onnxruntime may do better",
            )

    def as_json(self) -> dict[str, Any]:
        """Returns the figures."""
        return {"max_difference": self.difference, "largest_output": self.largest, "shapes": self.shapes}


def sample_inputs(subject: Subject) -> Iterator[Inputs]:
    """Yields batches of several sizes, rows of unlike length in one, from one token to the longest the model reads."""
    limit = min(longest_input(subject.model.config) or _LONGEST, subject.tokenizer.model_max_length, _LONGEST)
    for number, lengths in enumerate(([8], [33, 5, 20], [64, 63, 40, 12, 3, 3], [limit, limit // 2])):
        yield rows_of(subject, [min(length, limit) for length in lengths], purpose=f"batch {number}")


def rows_of(subject: Subject, lengths: Sequence[int], *, purpose: str) -> Inputs:
    """Returns padded rows of random tokens between the tokenizer's begin and end, one of each length.

    Each of shape (rows, longest) int64, or (rows, 3, longest) for multiple choice; the second half of a row is its
    second text, where the model knows segments.
    """
    tokenizer = subject.tokenizer
    generator = np.random.Generator(np.random.Philox(key=stream_key(0, f"export/{purpose}")))
    ordinary = np.setdiff1d(np.arange(subject.model.config.vocab_size), tokenizer.all_special_ids)
    copies = _CHOICES if subject.kind == "multiple-choice" else 1
    shape = (len(lengths), copies, max(lengths))
    ids = generator.choice(ordinary, size=shape)
    place = np.broadcast_to(np.arange(shape[-1]), shape)
    ends = np.array(lengths)[:, None, None]
    ids = np.where(place == 0, tokenizer.cls_token_id, ids)
    ids = np.where((place == ends - 1) & (place > 0), tokenizer.sep_token_id, ids)
    ids = np.where(place < ends, ids, tokenizer.pad_token_id)
    values = {
        "input_ids": ids,
        "attention_mask": place < ends,
        "token_type_ids": (place >= (ends + 1) // 2) & (place < ends),
    }
    found = {name: torch.from_numpy(values[name].astype(np.int64)) for name in subject.inputs}
    return found if copies > 1 else {name: value.squeeze(1) for name, value in found.items()}


def largest_difference(subject: Subject, other: nn.Module, batches: Sequence[Inputs]) -> Comparison:
    """Returns how far the outputs of ``other`` are from those of the subject's own model."""
    difference, largest = 0.0, 0.0
    shapes: list[list[int]] = []
    for inputs in batches:
        with torch.inference_mode():
            expected, found = subject.model(**inputs), other(**inputs)
        for name in subject.outputs:
            wanted, got = getattr(expected, name), getattr(found, name)
            if wanted.shape != got.shape:
                return Comparison(float("inf"), largest, [*shapes, list(inputs["input_ids"].shape)])
            if "sequence" in subject.axes[name].values():  # what a model says about padding is nobody's business
                kept = inputs["attention_mask"].bool()
                wanted, got = wanted[kept], got[kept]
            gap = (wanted - got).abs().max()
            difference = float("nan") if gap.isnan() else max(difference, float(gap))
            largest = max(largest, float(wanted.abs().max()))
        shapes.append(list(inputs["input_ids"].shape))
    return Comparison(difference, largest, shapes)
