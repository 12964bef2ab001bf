"""From start and end logits to answers, in numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from domain_adapt.recipes import QuestionAnsweringSettings
from domain_adapt.tasks.question_answering.data import Example
from domain_adapt.tasks.question_answering.windows import Features

# Below every real logit, and two of them still add up to a finite float32.
IMPOSSIBLE = np.float32(-1e30)
# Windows decoded at once: 64 windows x 384 tokens x 30 span lengths x 4 bytes = 3 MB, which stay in a core's cache.
_CHUNK_WINDOWS = 64


@dataclass(frozen=True)
class Prediction:
    """An answer; ``context[start:end] == text``, and "" with start = end = 0 means that there is none.

    Attributes:
        score: Probability among all allowed spans of the example and "no answer", in (0, 1].
        span_score: Start logit plus end logit of this answer.
        null_score: Start logit plus end logit of "no answer": the least over the example's windows.
        margin: Log-odds that there is an answer: of all allowed spans together against "no answer".
    """

    id: str
    text: str
    start: int
    end: int
    score: float
    span_score: float
    null_score: float
    margin: float


def best_spans(
    start_logits: np.ndarray,
    end_logits: np.ndarray,
    features: Features,
    examples: Sequence[Example],
    settings: QuestionAnsweringSettings,
    *,
    allow_null: bool,
) -> list[Prediction]:
    """Returns the best answer of each example: :func:`rank_spans` with one rank."""
    ranked = rank_spans(start_logits, end_logits, features, examples, settings, n_best=1, allow_null=allow_null)
    return [predictions[0] for predictions in ranked]


def rank_spans(
    start_logits: np.ndarray,
    end_logits: np.ndarray,
    features: Features,
    examples: Sequence[Example],
    settings: QuestionAnsweringSettings,
    *,
    n_best: int,
    allow_null: bool,
) -> list[list[Prediction]]:
    """Returns at most ``n_best`` answers of each example, best first, at least one.

    A span starts and ends in the context, does not end before it starts and has at most ``max_answer_length`` tokens.
    A span seen in several windows counts once, with the best of its scores. With ``allow_null`` "no answer" comes first
    where the margin of all spans together over it is below ``no_answer_threshold``; to compare it with the best span
    alone would favour it whenever the model knows that there is an answer but not quite where. Without, it is given
    only where the context has no visible token.

    Args:
        start_logits: (windows, longest window) float32; what stands behind the end of a window is not read.
        end_logits: The same shape.
        features: The windows.
        examples: What the features were made of.
        settings: ``max_answer_length`` and ``no_answer_threshold`` (unset is 0, the likelier of the two) are read.
        n_best: Answers an example.
        allow_null: Whether "" is a possible answer.
    """
    ranked: list[list[Prediction]] = []
    threshold = settings.no_answer_threshold or 0.0
    for first, last in _example_chunks(features, len(examples)):
        rows = np.arange(*np.searchsorted(features.example_index, [first, last]))
        width = features.lengths[rows].max(initial=1)
        start = start_logits[rows, :width].astype(np.float32)
        end = end_logits[rows, :width].astype(np.float32)
        owners = features.example_index[rows] - first
        null = np.full(last - first, np.inf, dtype=np.float32)
        np.minimum.at(null, owners, start[:, 0] + end[:, 0])
        table = _span_table(start, end, features, rows, owners, settings.max_answer_length)
        ranked.extend(_rank(table, null, examples[first:last], n_best, threshold if allow_null else None))
    return ranked


@dataclass(frozen=True)
class _SpanTable:
    """The spans of some examples, a row for each context token as the first and a column for each length.

    Attributes:
        scores: (context tokens of all examples, longest answer) float32.
        offsets: (context tokens, 2) int32.
        splits: (examples + 1,) int64, rows of each example.
    """

    scores: np.ndarray
    offsets: np.ndarray
    splits: np.ndarray


def _example_chunks(features: Features, examples: int) -> Iterator[tuple[int, int]]:
    """Yields half-open ranges of examples that have about ``_CHUNK_WINDOWS`` windows together."""
    windows_before = np.searchsorted(features.example_index, np.arange(examples + 1))
    first = 0
    while first < examples:
        last = int(np.searchsorted(windows_before, windows_before[first] + _CHUNK_WINDOWS, side="right")) - 1
        last = min(max(last, first + 1), examples)
        yield first, last
        first = last


def _span_table(
    start: np.ndarray, end: np.ndarray, features: Features, rows: np.ndarray, owners: np.ndarray, longest: int
) -> _SpanTable:
    """Merges the windows of each example into one table over its whole context."""
    answerable = features.padded(features.answerable, rows, False)
    start = np.where(answerable, start, IMPOSSIBLE)
    end = np.where(answerable, end, IMPOSSIBLE)
    behind = np.full((len(rows), longest - 1), IMPOSSIBLE, dtype=np.float32)
    ends = np.lib.stride_tricks.sliding_window_view(np.concatenate([end, behind], axis=1), longest, axis=1)

    # The tokens of a window, from the first of the context on, are one run of the table: whole blocks are compared.
    begins, lengths = features.context_begin[rows], features.lengths[rows] - features.context_begin[rows]
    counts = np.zeros(int(owners[-1]) + 1, dtype=np.int64)
    np.maximum.at(counts, owners, features.context_offset[rows] + lengths)
    splits = np.concatenate([[0], np.cumsum(counts)])
    targets = splits[owners] + features.context_offset[rows]
    scores = np.full((splits[-1], longest), 2 * IMPOSSIBLE, dtype=np.float32)
    offsets = np.zeros((splits[-1], 2), dtype=np.int32)
    origins = features.row_splits[rows] + begins
    runs = zip(begins.tolist(), lengths.tolist(), targets.tolist(), origins.tolist(), strict=True)
    for row, (begin, length, target, origin) in enumerate(runs):
        tokens = slice(begin, begin + length)
        block = scores[target : target + length]
        np.maximum(block, start[row, tokens, None] + ends[row, tokens], out=block)
        offsets[target : target + length] = features.offsets[origin : origin + length]
    return _SpanTable(scores, offsets, splits)


def _rank(
    table: _SpanTable, null: np.ndarray, examples: Sequence[Example], n_best: int, threshold: float | None
) -> Iterator[list[Prediction]]:
    """Yields the ranked answers of each example; without a threshold "no answer" is not one of them."""
    longest = table.scores.shape[1]
    for index, example in enumerate(examples):
        rows = slice(table.splits[index], table.splits[index + 1])
        scores = table.scores[rows].ravel()
        null_score = float(null[index])
        best = scores.max(initial=2 * IMPOSSIBLE)
        relative = scores - best
        spread = float(np.exp(relative, out=relative).sum(dtype=np.float64))  # 0 only without a token
        margin = float(best) + float(np.log(max(spread, 1.0))) - null_score
        top = max(float(best), null_score)
        mass = spread * float(np.exp(float(best) - top)) + float(np.exp(null_score - top))
        cells = _best_cells(scores, n_best)
        candidates = [(float(scores[cell]), int(cell)) for cell in cells if scores[cell] > IMPOSSIBLE / 2]
        if threshold is not None or not candidates:
            candidates = _with_null(candidates, null_score, null_wins=margin < (threshold or 0.0))
        predictions = []
        for value, cell in candidates[:n_best]:
            begin, finish = 0, 0
            if cell >= 0:
                token, extra = divmod(cell, longest)
                begin, finish = int(table.offsets[rows][token, 0]), int(table.offsets[rows][token + extra, 1])
            score = max(float(np.exp(value - top)) / mass, float(np.finfo(np.float32).tiny))
            text = example.context[begin:finish]
            predictions.append(Prediction(example.id, text, begin, finish, min(score, 1.0), value, null_score, margin))
        yield predictions


def _best_cells(scores: np.ndarray, n_best: int) -> np.ndarray:
    """Returns the cells of the best scores, best first; of equal ones the earlier, shorter span first."""
    if n_best == 1 and len(scores):
        return np.array([scores.argmax()])  # the first of the highest, without sorting
    kept = min(n_best, len(scores))
    cells = np.argpartition(-scores, kept - 1)[:kept] if 0 < kept < len(scores) else np.arange(len(scores))
    return cells[np.lexsort((cells, -scores[cells]))]


def _with_null(candidates: list[tuple[float, int]], null_score: float, *, null_wins: bool) -> list[tuple[float, int]]:
    """Ranks "no answer" (-1) among the spans: first if it wins, else by its score, but never first."""
    if null_wins or not candidates:
        return [(null_score, -1), *candidates]
    best, *others = candidates
    return [best, *sorted([*others, (null_score, -1)], key=lambda candidate: -candidate[0])]
