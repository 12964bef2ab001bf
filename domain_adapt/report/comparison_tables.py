"""A comparison as tables in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain_adapt.report.comparison import Comparison, Contrast, Score

if TYPE_CHECKING:
    from rich.table import Table


def comparison_tables(comparison: Comparison) -> list[Table]:
    """Returns a table for each task and evaluation."""
    tables = []
    for task in comparison.tasks:
        for evaluation in ("task", "general"):
            scores = [one for one in comparison.scores if (one.task, one.evaluation) == (task, evaluation)]
            if scores:
                tables.append(_table(comparison, scores, f"{task}{' (general)' if evaluation == 'general' else ''}"))
    return tables


def _table(comparison: Comparison, scores: list[Score], title: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for heading in ("start", "labels", scores[0].metric, "difference", "95 % interval", "p", "general loss"):
        table.add_column(heading, justify="left" if heading == "start" else "right")
    losses = {system.label: system.general_loss for system in comparison.systems}
    for score in sorted(scores, key=lambda one: one.labels):
        contrast = _contrast(comparison, score)
        cells = ["", "", ""]
        if contrast is not None:
            interval = f"{contrast.low:+.1f} to {contrast.high:+.1f}"
            cells = [f"{contrast.difference:+.1f}", interval, f"{contrast.p:.3f}"]
        loss = losses[score.system]
        mean = f"{score.mean:.1f} ± {score.deviation:.1f}"
        table.add_row(score.system, f"{score.labels:,}", mean, *cells, "" if loss is None else f"{loss:.3f}")
    return table


def _contrast(comparison: Comparison, score: Score) -> Contrast | None:
    for one in comparison.contrasts:
        if (one.system, one.task, one.evaluation, one.labels) == (
            score.system,
            score.task,
            score.evaluation,
            score.labels,
        ):
            return one
    return None
