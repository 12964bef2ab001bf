"""Span decoding of stage 2: seconds for many questions with three windows each, on one core, without a model.

The logits are random, the windows as a context of some 850 tokens makes them. Beside it, on the first questions, what
decoding looks like as loops over the best starts and ends of each window (n-best 20), as recipes for question answering
commonly do it; the sides alternate.

    taskset -c 0 python benchmarks/span_decoding.py
    python benchmarks/span_decoding.py --questions 2000 --rounds 1
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence

import numpy as np

from domain_adapt.recipes import QuestionAnsweringSettings
from domain_adapt.tasks.question_answering.data import Example
from domain_adapt.tasks.question_answering.decoding import best_spans
from domain_adapt.tasks.question_answering.windows import Features

LENGTH, STRIDE, WINDOWS, QUESTION = 384, 96, 3, 20  # tokens of a window and shared; windows; tokens of a question
N_BEST, LONGEST = 20, 30


def make(questions: int) -> tuple[list[Example], Features, np.ndarray, np.ndarray]:
    """Returns examples whose contexts are words of five characters, their windows, and random logits."""
    room = LENGTH - QUESTION - 3
    step = room - STRIDE
    context = " ".join(f"w{number:04d}" for number in range(room + (WINDOWS - 1) * step))
    examples = [Example(str(number), "Which?", context) for number in range(questions)]
    begin = QUESTION + 2
    token = np.arange(LENGTH)
    inside = (token >= begin) & (token < begin + room)
    first = np.arange(WINDOWS) * step
    words = np.where(inside, token - begin, 0) + first[:, None]
    offsets = np.where(inside[None, :, None], np.stack([words * 6, words * 6 + 5], axis=-1), 0)
    rows = questions * WINDOWS
    features = Features(
        input_ids=np.zeros(rows * LENGTH, dtype=np.int32),
        token_type_ids=None,
        row_splits=np.arange(rows + 1) * LENGTH,
        offsets=np.tile(offsets.reshape(-1, 2), (questions, 1)).astype(np.int32),
        answerable=np.tile(inside, rows),
        example_index=np.repeat(np.arange(questions), WINDOWS),
        context_begin=np.full(rows, begin),
        context_offset=np.tile(first, questions),
        start_labels=np.zeros(rows, dtype=np.int64),
        end_labels=np.zeros(rows, dtype=np.int64),
    )
    logits = np.random.default_rng(0).normal(scale=3, size=(2, rows, LENGTH)).astype(np.float32)
    return examples, features, logits[0], logits[1]


def by_loops(examples: Sequence[Example], features: Features, start: np.ndarray, end: np.ndarray) -> list[str]:
    """Returns the best answer of each example, looked for among the n best starts and ends of each window."""
    answers = []
    windows: dict[int, list[int]] = {}
    for row, number in enumerate(features.example_index.tolist()):
        windows.setdefault(number, []).append(row)
    for number, example in enumerate(examples):
        found: list[tuple[float, int, int]] = []
        for row in windows[number]:
            begin, stop = features.row_splits[row : row + 2]
            offsets, inside = features.offsets[begin:stop].tolist(), features.answerable[begin:stop].tolist()
            inside += [False] * (len(start[row]) - len(inside))  # padding
            for first in np.argsort(start[row])[-1 : -N_BEST - 1 : -1].tolist():
                for last in np.argsort(end[row])[-1 : -N_BEST - 1 : -1].tolist():
                    if not (inside[first] and inside[last] and first <= last < first + LONGEST):
                        continue
                    found.append((start[row][first] + end[row][last], offsets[first][0], offsets[last][1]))
        best = max(found, default=(0.0, 0, 0))
        answers.append(example.context[best[1] : best[2]])
    return answers


def main() -> None:
    """Prints seconds, questions a second, and the ratio to the loops."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--compared", type=int, default=200, help="questions that the loops decode too")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    examples, features, start, end = make(options.questions)
    settings = QuestionAnsweringSettings(max_length=LENGTH, stride=STRIDE, max_answer_length=LONGEST)
    few = options.compared
    ours, loops = [], []
    for _ in range(options.rounds):
        begin = time.perf_counter()
        predictions = best_spans(start, end, features, examples, settings, allow_null=True)
        ours.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        texts = by_loops(examples[:few], features, start, end)
        loops.append(time.perf_counter() - begin)
    spans = best_spans(start, end, features, examples, settings, allow_null=False)[:few]
    same = sum(one.text == text for one, text in zip(spans, texts, strict=True))
    seconds, each = statistics.median(ours), statistics.median(loops) / few
    print(
        f"{len(predictions):,} questions, {len(features):,} windows: {seconds:.2f} s, "
        f"{len(examples) / seconds:,.0f} a second"
    )
    print(f"loops over the {N_BEST} best: {1 / each:,.0f} a second; ratio {each * len(examples) / seconds:.1f}")
    print(f"the same answer for {same} of {few} (the loops do not see every span)")


if __name__ == "__main__":
    main()
