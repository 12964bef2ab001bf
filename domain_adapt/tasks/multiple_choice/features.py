"""Questions with choices as rows of token ids, one row a choice."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from domain_adapt.recipes import MultipleChoiceSettings
from domain_adapt.tasks.multiple_choice.data import Example
from domain_adapt.tasks.token_rows import TokenRows

_log = logging.getLogger(__name__)
_CHUNK = 256  # examples tokenised together: the tokenizer keeps some hundred bytes a token until they are done


@dataclass(frozen=True)
class Features(TokenRows):
    """A row for each choice of each example: ``[CLS] context question [SEP] choice [SEP]``.

    Attributes:
        example_splits: (examples + 1,) int64; the rows of example ``e`` are ``example_splits[e] :
            example_splits[e + 1]``, in the order of its choices.
        answers: (examples,) int64, index of the right choice among the example's own; -1 where it is not known.
    """

    example_splits: np.ndarray
    answers: np.ndarray

    def inputs(self, rows: np.ndarray, pad_token_id: int) -> dict[str, torch.Tensor]:
        """Returns the model's inputs for some rows, each (1, rows, longest) int64 on the CPU.

        As if they were the choices of one question: a stock model for multiple choice scores each row by itself, and
        examples with different numbers of choices need no rows to fill up.
        """
        return {name: value.unsqueeze(0) for name, value in super().inputs(rows, pad_token_id).items()}


def featurise(examples: Sequence[Example], tokenizer: Any, settings: MultipleChoiceSettings) -> Features:
    """Returns the rows of the examples, none longer than ``max_length`` tokens.

    What is too long loses the end of its context, as much for one choice as for the other; where question and choice
    alone are too long, the end of the longer of the two. Cut examples are counted in the log.
    """
    limit = min(settings.max_length, tokenizer.model_max_length)
    rows: list[np.ndarray] = []
    segments: list[np.ndarray] = []
    cut = 0
    for begin in range(0, len(examples), _CHUNK):
        for encodings, was_cut in _encode(examples[begin : begin + _CHUNK], tokenizer, limit):
            rows.extend(np.array(encoding.ids, dtype=np.int32) for encoding in encodings)
            segments.extend(np.array(encoding.type_ids, dtype=np.uint8) for encoding in encodings)
            cut += was_cut
    if cut:
        _log.warning("%d of %d questions of more than %d tokens were cut", cut, len(examples), limit)
    return Features(
        input_ids=np.concatenate(rows),
        token_type_ids=np.concatenate(segments) if "token_type_ids" in tokenizer.model_input_names else None,
        row_splits=np.cumsum([0] + [len(row) for row in rows], dtype=np.int64),
        example_splits=np.cumsum([0] + [len(example.choices) for example in examples], dtype=np.int64),
        answers=np.array([example.answer for example in examples], dtype=np.int64),
    )


def _encode(examples: Sequence[Example], tokenizer: Any, limit: int) -> Iterator[tuple[list[Any], bool]]:
    """Yields the encodings of each example's rows, and whether something was cut."""
    pairs = [(example.text, choice) for example in examples for choice in example.choices]
    encodings = _pairs(pairs, tokenizer)
    first = 0
    for example in examples:
        mine = encodings[first : first + len(example.choices)]
        first += len(mine)
        longest = max(mine, key=len)
        if len(longest) <= limit:
            yield mine, False
            continue
        room = limit - (len(longest) - longest.sequence_ids.count(0))
        text = _shortened(example, tokenizer, room)
        pairs = [(text, choice) for choice in example.choices]
        yield _pairs(pairs, tokenizer, truncation="longest_first", max_length=limit), True


def _pairs(pairs: Sequence[tuple[str, str]], tokenizer: Any, **options: Any) -> list[Any]:
    texts, choices = zip(*pairs, strict=True)
    found: list[Any] = tokenizer(list(texts), list(choices), padding=False, verbose=False, **options).encodings
    return found


def _shortened(example: Example, tokenizer: Any, room: int) -> str:
    """Returns the context, cut at its end to ``room`` tokens together with the question, and the question."""
    context = example.context if example.context.strip() else ""
    while context:
        text = f"{context} {example.question}"
        (encoding,) = tokenizer([text], add_special_tokens=False, padding=False, verbose=False).encodings
        excess = len(encoding) - room
        if excess <= 0:
            return text
        begins = [begin for begin, end in encoding.offsets if begin < len(context)]
        # What is left may fall into other tokens, hence the loop; it gets shorter every time.
        context = context[: begins[-excess]].rstrip() if excess < len(begins) else ""
    return example.question
