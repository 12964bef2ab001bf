"""Texts as rows of token ids with a BIO tag a word, and the training side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from domain_adapt.recipes import FinetuneSettings
from domain_adapt.tasks.label_loss import IGNORED, label_loss
from domain_adapt.tasks.row_objective import RowObjective
from domain_adapt.tasks.token_classification.data import Example
from domain_adapt.tasks.token_rows import TokenRows
from domain_adapt.training.objective import MicroBatch


@dataclass(frozen=True)
class Settings:
    """What the recipe and the model say: tokens in a row, and the tag of each output."""

    max_length: int
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Features(TokenRows):
    """Rows of ``[CLS] piece of a text [SEP]``, in the order of the examples and of their words.

    A word is what the tokenizer cuts into tokens on its own. Its first token stands for it: that one carries its tag.

    Attributes:
        word: (tokens,) int32, at the first token of a word its number in the text, else -1.
        tags: (tokens,) int64, index of the word's tag there, else -100.
        tag_count: Tags that there are.
        example_index: (rows,) int64, which example the row belongs to.
        word_spans: For each example (words, 2) int64, the characters of each word, the end not included.
    """

    word: np.ndarray
    tags: np.ndarray
    tag_count: int
    example_index: np.ndarray
    word_spans: list[np.ndarray]


def bio_tags(labels: Sequence[str]) -> list[str]:
    """Returns ``O`` and, for each label, its ``B-`` and ``I-`` tag (Ramshaw and Marcus 1995, arXiv:cmp-lg/9505040)."""
    return ["O", *(f"{letter}-{label}" for label in sorted(labels) for letter in "BI")]


def featurise(examples: Sequence[Example], tokenizer: Any, settings: Settings) -> Features:
    """Returns the rows of the examples; a text of more than ``max_length`` tokens makes several.

    A word belongs to the entity that holds its first character; the first word of an entity is tagged ``B-``.
    """
    limit = min(settings.max_length, tokenizer.model_max_length)
    encoded = tokenizer(
        [example.text for example in examples],
        padding=False,
        truncation=True,
        max_length=limit,
        stride=0,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    owners = np.array(encoded["overflow_to_sample_mapping"], dtype=np.int64)
    known = {tag: index for index, tag in enumerate(settings.tags)}
    rows, segments, words, tags = [], [], [], []
    spans: list[list[tuple[int, int]]] = [[] for _ in examples]
    numbers: list[dict[int, int]] = [{} for _ in examples]  # the tokenizer's word -> its number among those seen
    for row, owner in enumerate(owners):
        encoding = encoded.encodings[row]
        ids = np.array(encoding.ids, dtype=np.int32)
        word, tag = np.full(len(ids), -1, dtype=np.int32), np.full(len(ids), IGNORED, dtype=np.int64)
        for token, (name, (begin, end)) in enumerate(zip(encoding.word_ids, encoding.offsets, strict=True)):
            if name is None:
                continue
            text = examples[owner].text[begin:end]
            begin, end = begin + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())
            if begin >= end:
                continue
            number = numbers[owner].get(name)
            if number is not None:
                spans[owner][number] = (spans[owner][number][0], max(end, spans[owner][number][1]))
                continue
            numbers[owner][name] = word[token] = len(spans[owner])
            spans[owner].append((begin, end))
            tag[token] = known.get(_tag(examples[owner], begin, spans[owner]), 0)
        rows.append(ids)
        segments.append(np.array(encoding.type_ids, dtype=np.uint8))
        words.append(word)
        tags.append(tag)
    return Features(
        input_ids=np.concatenate(rows),
        token_type_ids=np.concatenate(segments) if "token_type_ids" in tokenizer.model_input_names else None,
        row_splits=np.cumsum([0] + [len(row) for row in rows], dtype=np.int64),
        word=np.concatenate(words),
        tags=np.concatenate(tags),
        tag_count=len(settings.tags),
        example_index=owners,
        word_spans=[np.array(one, dtype=np.int64).reshape(-1, 2) for one in spans],
    )


def _tag(example: Example, begin: int, spans: Sequence[tuple[int, int]]) -> str:
    """Returns the tag of the word that begins at ``begin``, the last of ``spans``."""
    for entity in example.entities:
        if entity.start <= begin < entity.end:
            is_first = len(spans) < 2 or spans[-2][0] < entity.start
            return f"{'B' if is_first else 'I'}-{entity.label}"
    return "O"


class Objective(RowObjective[Features]):
    """Cross-entropy of the tag of a word; its one loss term is ``tag``, one target item a word.

    See :class:`domain_adapt.training.objective.Objective`.
    """

    def __init__(self, features: Features, pad_token_id: int, settings: FinetuneSettings) -> None:
        super().__init__(features, pad_token_id, settings)
        self._loss = label_loss(features.tags, features.tag_count, settings)

    @property
    def weights(self) -> Mapping[str, float]:
        """``{"tag": 1.0}``."""
        return {"tag": 1.0}

    def batch(self, indices: np.ndarray, epoch: int, progress: float = 0.0) -> MicroBatch:
        """Returns the rows ``indices``, padded to the longest of them, with ``labels`` (rows, longest) int64."""
        inputs = self.features.inputs(indices, self.pad_token_id)
        tags = self.features.padded(self.features.tags, indices, IGNORED)
        inputs["labels"] = torch.from_numpy(tags)
        tokens = int(self.features.lengths[indices].sum())
        return MicroBatch(inputs, {"tag": int((tags != IGNORED).sum())}, tokens)

    def loss(self, model: nn.Module, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns ``{"tag": sum of the cross-entropy over words}``, computed in float32."""
        outputs = model(**{name: tensor for name, tensor in inputs.items() if name != "labels"})
        return {"tag": self._loss(outputs.logits.flatten(0, 1), inputs["labels"].flatten())}
