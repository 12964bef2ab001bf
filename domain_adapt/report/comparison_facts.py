"""What a comparison says, in words and tables of plain text: the same for the page and for Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from domain_adapt.report.comparison import Comparison, Contrast, Outcome, Score

# Heads and rows; columns whose head begins with # hold numbers.
Cells = tuple[list[str], list[list[str]]]

EVALUATIONS = ("task", "general")
NOTHING: Final = "no difference shown"
SIGNS = {"helps": "\u25b2", "hurts": "\u25bc", NOTHING: "\u25cf"}
_FEW_TASKS = 3  # up to so many, a sentence over all tasks has their intervals, too
_METRICS = {
    "f1": "F1",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "exact_match": "exact match",
    "mcc": "Matthews' correlation",
    "r2": "R\u00b2",
}
HOW = (
    "Every start was fine-tuned the same way: same seeds, same order of the data, same labels. An interval of 95 % "
    "covers the true difference in 19 of 20 such comparisons; where it contains zero, no difference was shown, which "
    "does not say that there is none."
)


def metric_name(metric: str) -> str:
    """Returns what people call a metric."""
    return _METRICS.get(metric, metric.replace("_", " "))


def metric_of(comparison: Comparison, task: str) -> str:
    """Returns what people call the metric of a task."""
    return next((metric_name(score.metric) for score in comparison.scores if score.task == task), "metric")


def label_counts(comparison: Comparison, task: str, evaluation: str = "task") -> list[int]:
    """Returns the numbers of labels a task was trained with, ascending."""
    return sorted({one.labels for one in comparison.scores if (one.task, one.evaluation) == (task, evaluation)})


def scores_of(comparison: Comparison, task: str, evaluation: str, labels: int | None = None) -> list[Score]:
    """Returns the scores with a number of labels (None: the largest), in the order of the systems."""
    counts = label_counts(comparison, task, evaluation)
    wanted = labels if labels is not None else (counts[-1] if counts else None)
    order = [system.label for system in comparison.systems]
    found = [one for one in comparison.scores if (one.task, one.evaluation, one.labels) == (task, evaluation, wanted)]
    return sorted(found, key=lambda one: order.index(one.system) if one.system in order else len(order))


def contrasts_of(comparison: Comparison, task: str, evaluation: str) -> list[Contrast]:
    """Returns the differences with the largest number of labels, in the order of the systems."""
    scores = scores_of(comparison, task, evaluation)
    return [found for score in scores if (found := contrast_of(comparison, score)) is not None]


def contrast_of(comparison: Comparison, score: Score) -> Contrast | None:
    """Returns how a score differs from the reference's; None for the reference itself."""
    key = (score.system, score.task, score.evaluation, score.labels)
    return next(
        (one for one in comparison.contrasts if (one.system, one.task, one.evaluation, one.labels) == key), None
    )


def has_general(comparison: Comparison, task: str) -> bool:
    """Tells whether a task was scored on labelled data of no domain, too."""
    return bool(label_counts(comparison, task, "general"))


def title(comparison: Comparison) -> str:
    """Returns the heading of a report."""
    others = [system.label for system in comparison.systems if system.label != comparison.reference]
    if not others:
        return f"How well does {comparison.reference} do?"
    if len(others) == 1:
        return f"Does {others[0]} do better than {comparison.reference}?"
    return f"Which of {len(others)} starts does better than {comparison.reference}?"


def headline(comparison: Comparison) -> list[tuple[str, Outcome, str]]:
    """Returns for each system but the reference its label, the graver outcome and a sentence, over all tasks."""
    found = []
    for system in comparison.systems:
        ones = [
            one
            for task in comparison.tasks
            for one in contrasts_of(comparison, task, "task")
            if one.system == system.label
        ]
        if ones:
            outcomes = [one.outcome for one in ones]
            outcome: Outcome = "hurts" if "hurts" in outcomes else "helps" if "helps" in outcomes else NOTHING
            found.append((system.label, outcome, _over_tasks(ones)))
    return found


def _over_tasks(ones: Sequence[Contrast]) -> str:
    clauses = []
    for outcome, words in (("hurts", "hurts on"), ("helps", "helps on"), (NOTHING, "shows no difference on")):
        named = [f"{one.task} ({_points(one, len(ones))})" for one in ones if one.outcome == outcome]
        if named:
            clauses.append(f"{words} {', '.join(named)}")
    return "; ".join(clauses)


def _points(one: Contrast, tasks: int) -> str:
    points = f"{signed(one.difference)} {metric_name(one.metric)}"
    return points if tasks > _FEW_TASKS else f"{points}, 95 % interval {interval(one)}"


def interval(one: Contrast) -> str:
    """Returns the interval of a difference, in points."""
    return f"{signed(one.low)} to {signed(one.high)}"


def signed(value: float) -> str:
    """Returns points with their sign; what rounds to zero is +0.0."""
    return f"{round(value, 1) + 0.0:+.1f}"  # adding makes minus zero zero


def mean_of(comparison: Comparison, one: Contrast) -> str:
    """Returns the two means that a difference is of, on what they rest, as a sentence."""
    means = {score.system: score.mean for score in scores_of(comparison, one.task, one.evaluation, one.labels)}
    compared = ""
    if one.system in means and one.reference in means:
        compared = f"{metric_name(one.metric)} {means[one.system]:.1f} instead of {means[one.reference]:.1f}; "
    seeds = f"{one.seeds:,} {'seed' if one.seeds == 1 else 'seeds'}"
    return f"{compared}{one.examples:,} test examples, {seeds}, {one.labels:,} labels, p {p_value(one.p)}"


def p_value(p: float) -> str:
    """Returns a p with three digits, as far as it goes."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def overview(comparison: Comparison) -> Cells:
    """Returns task by system: differences from the reference with the largest number of labels."""
    others = [system.label for system in comparison.systems if system.label != comparison.reference]
    rows = []
    for task in comparison.tasks:
        for evaluation in EVALUATIONS:
            found = {one.system: one for one in contrasts_of(comparison, task, evaluation)}
            base = {one.system: one for one in scores_of(comparison, task, evaluation)}.get(comparison.reference)
            if found and base is not None:
                cells = [_cell(found[other]) if other in found else "" for other in others]
                rows.append([evaluation_name(task, evaluation), f"{base.mean:.1f}", *cells])
    return ["task", f"#{comparison.reference}", *others], rows


def _cell(one: Contrast) -> str:
    return f"{SIGNS[one.outcome]}\u00a0{signed(one.difference)} ({interval(one)})".replace(" to ", "\u00a0to\u00a0")


def evaluation_name(task: str, evaluation: str) -> str:
    """Returns what is scored."""
    return task if evaluation == "task" else f"{task}, general examples"


def score_table(comparison: Comparison, task: str, evaluation: str) -> Cells:
    """Returns every start and number of labels: mean, deviation, difference, interval, p, outcome."""
    heads = ["start", "#labels", f"#{metric_of(comparison, task)}, mean", "#deviation over seeds"]
    heads += ["#difference", "#95 % interval", "#p", "outcome"]
    rows = []
    for labels in label_counts(comparison, task, evaluation):
        for score in scores_of(comparison, task, evaluation, labels):
            one = contrast_of(comparison, score)
            deviation = f"{score.deviation:.1f}" if len(score.values) > 1 else "one seed"
            difference = ["", "", "", "reference" if score.system == comparison.reference else ""]
            if one is not None:
                outcome = f"{SIGNS[one.outcome]} {one.outcome}".replace(" ", "\u00a0")  # on one line
                difference = [f"{signed(one.difference)}", interval(one), p_value(one.p), outcome]
            rows.append([score.system, f"{labels:,}", f"{score.mean:.1f}", deviation, *difference])
    return heads, rows


def learning_table(comparison: Comparison, task: str, evaluation: str) -> Cells:
    """Returns number of labels by start: mean and deviation over the seeds."""
    shown = [system.label for system in comparison.systems]
    rows = []
    for labels in label_counts(comparison, task, evaluation):
        found = {one.system: one for one in scores_of(comparison, task, evaluation, labels)}
        cells = [f"{found[one].mean:.1f} \u00b1 {found[one].deviation:.1f}" if one in found else "" for one in shown]
        rows.append([f"{labels:,}", *cells])
    return ["#labels", *(f"#{label}" for label in shown)], rows


def loss_table(comparison: Comparison) -> Cells:
    """Returns where the loss of stage 1 began and ended."""
    rows = [
        [system.label, f"{system.curve[-1][0]:,.0f}", loss(system.curve[0][1]), loss(system.curve[-1][1])]
        for system in comparison.systems
        if system.curve
    ]
    return ["start", "#tokens", "#first loss", "#last loss"], rows


def ability_table(comparison: Comparison) -> Cells:
    """Returns what each start knows of general English and of the domain, and how it does on the tasks."""
    general = [task for task in comparison.tasks if has_general(comparison, task)]
    heads = ["start", "#general masked-LM loss", "#domain masked-LM loss"]
    heads += [f"#{task}, {metric_of(comparison, task)}" for task in comparison.tasks]
    heads += [f"#{task}, general {metric_of(comparison, task)}" for task in general]
    rows = []
    for system in comparison.systems:
        means = [_mean(comparison, system.label, task, "task") for task in comparison.tasks]
        means += [_mean(comparison, system.label, task, "general") for task in general]
        rows.append([system.label, loss(system.general_loss), loss(system.domain_loss), *means])
    return heads, rows


def loss(value: float | None) -> str:
    """Returns a loss in nats a token."""
    return "unknown" if value is None else f"{value:.3f}"


def _mean(comparison: Comparison, label: str, task: str, evaluation: str) -> str:
    found = {one.system: one for one in scores_of(comparison, task, evaluation)}
    return f"{found[label].mean:.1f}" if label in found else ""


def seed_interval(score: Score) -> float:
    """Returns half the 95 % interval of a mean over its seeds (Student's t), in points; 0 for one seed."""
    if len(score.values) < 2:
        return 0.0
    from scipy import stats

    return float(stats.t.ppf(0.975, len(score.values) - 1)) * score.deviation / math.sqrt(len(score.values))
