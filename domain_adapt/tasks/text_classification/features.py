"""Texts as rows of token ids."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from domain_adapt.tasks.text_classification.data import Example
from domain_adapt.tasks.text_classification.problem import Problem
from domain_adapt.tasks.token_rows import TokenRows

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What the recipe and the model say: tokens of a row, the label of each output, what a label is."""

    max_length: int
    labels: tuple[str, ...]
    problem: Problem = "single-label"


@dataclass(frozen=True)
class Features(TokenRows):
    """One row a text: ``[CLS] text [SEP]``, or ``[CLS] text [SEP] pair [SEP]`` as the tokenizer has it.

    Attributes:
        labels: (rows,) int64, index of the label, -1 where a text has none; of several labels (rows, labels) float32,
            1 where a text has the label; of a number (rows,) float32.
        label_count: Labels that there are.
    """

    labels: np.ndarray
    label_count: int


def featurise(examples: Sequence[Example], tokenizer: Any, settings: Settings) -> Features:
    """Returns the rows of the examples; what has more than ``max_length`` tokens is cut, and counted in the log.

    Of a pair the longer text is cut first.
    """
    limit = min(settings.max_length, tokenizer.model_max_length)
    texts = [example.text for example in examples]
    pairs = [example.pair for example in examples] if any(example.pair for example in examples) else None
    encoded = tokenizer(texts, pairs, padding=False, truncation="longest_first", max_length=limit)
    rows = [np.array(ids, dtype=np.int32) for ids in encoded["input_ids"]]
    cut = sum(bool(encoding.overflowing) for encoding in encoded.encodings)
    if cut:
        _log.warning("%d of %d texts of more than %d tokens were cut", cut, len(examples), limit)
    segments = encoded.get("token_type_ids") if "token_type_ids" in tokenizer.model_input_names else None
    return Features(
        input_ids=np.concatenate(rows),
        token_type_ids=np.concatenate([np.array(row, dtype=np.uint8) for row in segments]) if segments else None,
        row_splits=np.cumsum([0] + [len(row) for row in rows], dtype=np.int64),
        labels=_targets(examples, settings),
        label_count=len(settings.labels),
    )


def _targets(examples: Sequence[Example], settings: Settings) -> np.ndarray:
    if settings.problem == "regression":
        return np.array([example.label for example in examples], dtype=np.float32)
    known = {label: index for index, label in enumerate(settings.labels)}
    if settings.problem == "single-label":
        return np.array([known.get(str(example.label), -1) for example in examples], dtype=np.int64)
    targets = np.zeros((len(examples), len(known)), dtype=np.float32)
    for row, example in enumerate(examples):
        assert isinstance(example.label, tuple)
        targets[row, [known[label] for label in example.label]] = 1.0
    return targets
