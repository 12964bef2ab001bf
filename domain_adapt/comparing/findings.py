"""From the results of all cells to what a reader wants to know: means, differences, verdicts, examples won and lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from domain_adapt.comparing.cells import Cell, Evaluated, Result, example_clusters
from domain_adapt.comparing.question import Question, Results
from domain_adapt.comparing.statistics import Difference, paired_difference
from domain_adapt.recipes import TaskRecipe
from domain_adapt.report.comparison import Contrast, ExampleChange, Outcome, Score
from domain_adapt.tasks import task_type
from domain_adapt.tasks.counting import POINTS

Evaluation = Literal["task", "general"]
CHANGES = 10  # examples won, and lost, that are shown of a system: a screenful


def scores(question: Question, recipe: TaskRecipe, results: Results) -> list[Score]:
    """Returns mean and deviation of every starting point, evaluation and number of labels."""
    metric = task_type(recipe.type).selection_metric(recipe)
    found = []
    for evaluation, labels in _rows(question):
        for start in question.starts:
            counts = _counts(question, results, start, labels, evaluation)
            values = POINTS[_points(results, evaluation)](counts.sum(axis=1)).tolist()
            deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            trained = _labels_used(question, results, start, labels)
            mean = float(np.mean(values))
            found.append(Score(start, recipe.name, evaluation, trained, metric, values, mean, deviation))
    return found


def contrasts(question: Question, recipe: TaskRecipe, results: Results, cells: Mapping[int, Cell]) -> list[Contrast]:
    """Returns every starting point against the first, with a verdict."""
    metric = task_type(recipe.type).selection_metric(recipe)
    reference = question.starts[0]
    found = []
    for evaluation, labels in _rows(question):
        groups = _clusters(cells, evaluation)
        own = _counts(question, results, reference, labels, evaluation)
        for start in question.starts[1:]:
            other = _counts(question, results, start, labels, evaluation)
            points = POINTS[_points(results, evaluation)]
            difference = paired_difference(own, other, points, groups)
            outcome, verdict = judge(difference, metric, own.shape[1], len(question.seeds))
            found.append(
                Contrast(
                    system=start,
                    reference=reference,
                    task=recipe.name,
                    evaluation=evaluation,
                    labels=_labels_used(question, results, start, labels),
                    metric=metric,
                    difference=difference.value,
                    low=difference.low,
                    high=difference.high,
                    p=difference.p,
                    examples=own.shape[1],
                    seeds=len(question.seeds),
                    outcome=outcome,
                    verdict=verdict,
                )
            )
    return found


def judge(difference: Difference, metric: str, examples: int, seeds: int) -> tuple[Outcome, str]:
    """Returns the outcome in a word and in a sentence."""
    value = f"{difference.value:+.1f} {metric}, 95 % interval {difference.low:+.1f} to {difference.high:+.1f}"
    outcome: Outcome = "no difference shown"
    if seeds == 1:
        # With seeds that scatter by 2 points every third such interval leaves out zero though nothing differs.
        return outcome, f"one seed cannot tell: {value}, which leaves out the luck of seeds; try --seeds 5"
    if difference.low > 0:
        outcome, sentence = "helps", f"helps: {value}"
    elif difference.high < 0:
        outcome, sentence = "hurts", f"hurts: {value}"
    else:
        sentence = (
            f"no difference that {examples:,} examples and {seeds} seeds can show: "
            f"{value}; one of about {difference.detectable:.1f} would have been seen"
        )
    return outcome, sentence


def changes(question: Question, recipe: TaskRecipe, results: Results, cells: Mapping[int, Cell]) -> list[ExampleChange]:
    """Returns the examples on which each starting point gains and loses most against the first, with all labels."""
    labels = _most_labels(question)
    reference = question.starts[0]
    examples = [(fold, example) for fold, cell in sorted(cells.items()) for example in cell.scored[1].examples]
    own = _scores(question, results, reference, labels)
    found = []
    for start in question.starts[1:]:
        gains = _scores(question, results, start, labels).mean(axis=0) - own.mean(axis=0)
        order = np.argsort(-gains, kind="stable")
        chosen = [index for index in order[:CHANGES] if gains[index] > 0]
        chosen += [index for index in order[::-1][:CHANGES] if gains[index] < 0]
        for index in chosen:
            fold, example = examples[index]
            place = index - next(number for number, one in enumerate(examples) if one[0] == fold)
            answers = [_answer(question, results, one, labels, fold, place) for one in (reference, start)]
            kind = cells[fold].inputs.kind
            shown = kind.show(example, None)
            found.append(
                ExampleChange(
                    system=start,
                    task=recipe.name,
                    id=example.id,
                    text=shown.text,
                    context=shown.context,
                    right=shown.right,
                    reference_answer=answers[0],
                    system_answer=answers[1],
                    gain=float(gains[index]),
                )
            )
    return found


def _rows(question: Question) -> Iterator[tuple[Evaluation, int]]:
    evaluations: list[Evaluation] = ["task", "general"] if question.general else ["task"]
    for evaluation in evaluations:
        for labels in question.labels:
            yield evaluation, labels


def _part(result: Result, evaluation: Evaluation) -> Evaluated:
    part = result.task if evaluation == "task" else result.general
    assert part is not None
    return part


def _points(results: Results, evaluation: Evaluation) -> str:
    return _part(next(iter(results.values())), evaluation).points


def _folds(question: Question) -> range:
    return range(max(question.folds, 1))


def _counts(
    question: Question, results: Results, start: str, labels: int, evaluation: Evaluation
) -> npt.NDArray[np.float64]:
    """Returns (seeds, examples, k), the folds of a seed one after the other."""
    rows = []
    for seed in question.seeds:
        parts = [_part(results[start, labels, seed, fold], evaluation).values for fold in _folds(question)]
        # The general examples are the same in every fold: a fold is another training, not other examples.
        rows.append(np.concatenate(parts) if evaluation == "task" else np.mean(parts, axis=0))
    return np.stack(rows)


def _clusters(cells: Mapping[int, Cell], evaluation: Evaluation) -> npt.NDArray[np.int64]:
    first = cells[min(cells)]
    if evaluation == "general":
        return example_clusters(first, first.general)
    examples = [example for _, cell in sorted(cells.items()) for example in cell.scored[1].examples]
    return example_clusters(first, examples)


def _scores(question: Question, results: Results, start: str, labels: int) -> npt.NDArray[np.float64]:
    """Returns (seeds, examples) in [0, 1]."""
    return np.stack(
        [
            np.concatenate([results[start, labels, seed, fold].task.scores for fold in _folds(question)])
            for seed in question.seeds
        ]
    )


def _answer(question: Question, results: Results, start: str, labels: int, fold: int, place: int) -> str:
    """Returns the most frequent prediction over the seeds, the first of equals."""
    answers = Counter(results[start, labels, seed, fold].task.answers[place] for seed in question.seeds)
    return answers.most_common(1)[0][0]


def _most_labels(question: Question) -> int:
    return 0 if 0 in question.labels else max(question.labels)


def _labels_used(question: Question, results: Results, start: str, labels: int) -> int:
    """Returns the training examples of one training, of the largest fold."""
    return max(results[start, labels, seed, fold].labels for seed in question.seeds for fold in _folds(question))
