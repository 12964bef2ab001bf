"""Question and context as windows of token ids, with the way back from tokens to characters."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from unicodedata import combining

import numpy as np

from domain_adapt.bases import longest_input
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import QuestionAnsweringSettings
from domain_adapt.tasks.question_answering.data import Example
from domain_adapt.tasks.token_rows import TokenRows

_log = logging.getLogger(__name__)

# Questions tokenised in one call: long contexts of 20,000 characters would otherwise fill the memory with lists.
_CHUNK = 128


@dataclass(frozen=True)
class Features(TokenRows):
    """Windows of ``[CLS] question [SEP] context piece [SEP]``, stored without padding; a window is a row.

    Windows are in the order of the examples, and those of one example in the order of its context.

    Attributes:
        offsets: (tokens, 2) int32, half-open character range in the context without surrounding whitespace; (0, 0)
            outside the context.
        answerable: (tokens,) bool, context tokens that stand for at least one visible character.
        example_index: (windows,) int64, which example the window belongs to; not decreasing.
        context_begin: (windows,) int64, position of the first context token in the window.
        context_offset: (windows,) int64, index of that token in the whole context.
        start_labels: (windows,) int64, token of the first character of the first answer; 0 (the CLS token) where the
            window does not hold the whole answer.
        end_labels: (windows,) int64, token of its last character; 0 likewise.
    """

    offsets: np.ndarray
    answerable: np.ndarray
    example_index: np.ndarray
    context_begin: np.ndarray
    context_offset: np.ndarray
    start_labels: np.ndarray
    end_labels: np.ndarray


@dataclass
class _Window:
    input_ids: np.ndarray
    token_type_ids: np.ndarray
    offsets: np.ndarray
    context_begin: int
    context_offset: int
    labels: tuple[int, int]


def featurise(examples: Sequence[Example], tokenizer: Any, settings: QuestionAnsweringSettings) -> Features:
    """Returns the windows of all examples.

    Neighbouring windows share ``settings.stride`` context tokens (fewer where long questions leave too little room). A
    question longer than half the window is cut. ``max_length`` is lowered to what the tokenizer says the model takes.

    Args:
        examples: At least one.
        tokenizer: A fast tokenizer; it is used, not changed.
        settings: Window length, stride.

    Raises:
        DomainAdaptError: If there are no examples, or the tokenizer is not a fast one that truncates on the right.
    """
    if not getattr(tokenizer, "is_fast", False) or tokenizer.truncation_side != "right":
        raise DomainAdaptError("question answering needs a fast tokenizer (tokenizer.json) that truncates on the right")
    if not examples:
        raise DomainAdaptError("no labelled examples to make windows of")
    windows: list[_Window] = []
    example_index: list[int] = []
    for begin in range(0, len(examples), _CHUNK):
        chunk = examples[begin : begin + _CHUNK]
        for index, window in _chunk_windows(chunk, tokenizer, settings):
            windows.append(window)
            example_index.append(begin + index)
    offsets = np.concatenate([window.offsets for window in windows])
    typed = "token_type_ids" in tokenizer.model_input_names
    labels = np.array([window.labels for window in windows], dtype=np.int64)
    return Features(
        input_ids=np.concatenate([window.input_ids for window in windows]),
        token_type_ids=np.concatenate([window.token_type_ids for window in windows]) if typed else None,
        offsets=offsets,
        answerable=offsets[:, 1] > offsets[:, 0],
        row_splits=np.cumsum([0] + [len(window.input_ids) for window in windows], dtype=np.int64),
        example_index=np.array(example_index, dtype=np.int64),
        context_begin=np.array([window.context_begin for window in windows], dtype=np.int64),
        context_offset=np.array([window.context_offset for window in windows], dtype=np.int64),
        start_labels=labels[:, 0],
        end_labels=labels[:, 1],
    )


def fit_to_model(settings: QuestionAnsweringSettings, config: Any) -> QuestionAnsweringSettings:
    """Returns the settings with ``max_length`` lowered to the positions that a model config offers.

    A threshold for "no answer" that the settings leave open is the one in the config, if there is one.
    """
    threshold = settings.no_answer_threshold
    if threshold is None:
        threshold = getattr(config, "no_answer_threshold", None)
    max_length = min(settings.max_length, longest_input(config) or settings.max_length)
    return settings.model_copy(update={"max_length": max_length, "no_answer_threshold": threshold})


def _chunk_windows(
    examples: Sequence[Example], tokenizer: Any, settings: QuestionAnsweringSettings
) -> Iterator[tuple[int, _Window]]:
    """Yields (example within the chunk, window)."""
    max_length = min(settings.max_length, tokenizer.model_max_length)
    longest_question = max_length // 2
    least_room = max_length - longest_question - tokenizer.num_special_tokens_to_add(pair=True)
    # Windows must move on by a good step even behind the longest question, or their number explodes.
    stride = min(settings.stride, least_room * 3 // 4)
    encoded = tokenizer(
        _cut_questions([example.question for example in examples], tokenizer, longest_question),
        [example.context for example in examples],
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        padding=False,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    owners = encoded["overflow_to_sample_mapping"]
    segments = encoded.get("token_type_ids") or [[0] * len(row) for row in encoded["input_ids"]]
    next_offset = 0
    for number, index in enumerate(owners):
        sequence = encoded.sequence_ids(number)
        context_tokens = sequence.count(1)
        context_begin = sequence.index(1) if context_tokens else len(sequence)
        context_offset = 0 if number == 0 or owners[number - 1] != index else next_offset
        next_offset = context_offset + context_tokens - stride
        is_last = number + 1 == len(owners) or owners[number + 1] != index
        example = examples[index]
        span = slice(context_begin, context_begin + context_tokens)
        offsets = np.zeros((len(sequence), 2), dtype=np.int32)
        if context_tokens:
            offsets[span] = _trim(np.array(encoded["offset_mapping"][number][span], dtype=np.int32), example.context)
        yield (
            index,
            _Window(
                input_ids=np.array(encoded["input_ids"][number], dtype=np.int32),
                token_type_ids=np.array(segments[number], dtype=np.uint8),
                offsets=offsets,
                context_begin=context_begin,
                context_offset=context_offset,
                labels=_label(example, offsets, context_offset == 0, is_last),
            ),
        )


def _cut_questions(questions: Sequence[str], tokenizer: Any, limit: int) -> list[str]:
    """Returns the questions, those of more than ``limit`` tokens cut behind that token."""
    encoded = tokenizer(
        list(questions), add_special_tokens=False, return_offsets_mapping=True, padding=False, verbose=False
    )
    cut = [
        question[: offsets[limit - 1][1]] if len(offsets) > limit else question
        for question, offsets in zip(questions, encoded["offset_mapping"], strict=True)
    ]
    shorter = sum(len(before) > len(after) for before, after in zip(questions, cut, strict=True))
    if shorter:
        _log.warning("%d questions of more than %d tokens were cut", shorter, limit)
    return cut


def _trim(offsets: np.ndarray, context: str) -> np.ndarray:
    """Returns (tokens, 2) offsets without whitespace at either end; equal ends where nothing visible is left.

    Byte-level and SentencePiece tokenizers differ in whether a token's range holds the space in front of it.
    """
    next_visible, last_visible = _visible_bounds(context)
    begins = next_visible[offsets[:, 0]]
    ends = last_visible[offsets[:, 1]]
    return np.stack([begins, np.maximum(begins, ends)], axis=1) * (offsets[:, 1:] > offsets[:, :1])


@lru_cache(maxsize=4)  # the questions about one context stand together
def _visible_bounds(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns, for every position 0..len(text), where the next visible character begins and where the last one ends.

    Accents that stand behind their letter belong to it: BERT's normaliser drops them, and no token would hold them.
    """
    visible = np.array([not character.isspace() for character in text] + [True])
    positions = np.arange(len(text) + 1, dtype=np.int32)
    next_visible = np.minimum.accumulate(np.where(visible, positions, len(text))[::-1])[::-1]
    last_visible = np.maximum.accumulate(np.concatenate([[0], np.where(visible[:-1], positions[1:], 0)]))
    if not text.isascii():
        accent = np.array([combining(character) > 0 for character in text] + [False])
        behind_accents = np.minimum.accumulate(np.where(accent, len(text), positions)[::-1])[::-1]
        last_visible = behind_accents[last_visible]
    return next_visible, last_visible


def _label(example: Example, offsets: np.ndarray, is_first: bool, is_last: bool) -> tuple[int, int]:
    """Returns the tokens of the first answer's first and last character; (0, 0) where the window lacks part of it."""
    usable = np.flatnonzero(offsets[:, 1] > offsets[:, 0])
    if not example.answers or not len(usable):
        return 0, 0
    answer = example.answers[0]
    begin = answer.start + len(answer.text) - len(answer.text.lstrip())
    end = answer.start + len(answer.text.rstrip())
    covered_from = 0 if is_first else offsets[usable[0], 0]
    covered_to = len(example.context) if is_last else offsets[usable[-1], 1]
    inside = usable[(offsets[usable, 1] > begin) & (offsets[usable, 0] < end)]
    if begin < covered_from or end > covered_to or not len(inside):
        return 0, 0
    return int(inside[0]), int(inside[-1])
