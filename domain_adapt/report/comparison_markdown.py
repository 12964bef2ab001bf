"""A comparison of starting points as Markdown, for a README or a pull request: what the page has, without plots."""

from __future__ import annotations

import re
from collections.abc import Iterable

from domain_adapt.report import comparison_facts as facts
from domain_adapt.report import comparison_making as making
from domain_adapt.report.comparison import Comparison, ExampleChange
from domain_adapt.report.comparison_examples import clipped, examples_of, passage
from domain_adapt.report.markdown import code, code_block, literal, table
from domain_adapt.report.page_parts import text

_ANSWER = 160  # characters of a question or an answer in a cell
_SURROGATES = re.compile("[\ud800-\udfff]")  # halves of pairs, which JSON may have and UTF-8 may not
_AROUND = 120  # characters of the passage on each side of the right answer


def render_markdown(comparison: Comparison) -> str:
    """Returns Markdown as GitHub shows it; every text of the user's is shown as it is, and no markup in it counts."""
    sections = [
        ("Verdict", _verdict(comparison)),
        ("What was compared", _systems(comparison)),
        ("Scores", _scores(comparison)),
        ("Learning curves", _learning(comparison)),
        ("Loss of stage 1", _losses(comparison)),
        ("What was forgotten", [_cells(facts.ability_table(comparison))]),
        ("Examples won and lost", _examples(comparison)),
        ("Text", _corpora(comparison)),
        ("Recipes", [_folded(name, code_block(toml, "toml")) for name, toml in making.recipes(comparison)]),
        ("Do it again", _again(comparison)),
    ]
    parts = [f"# {literal(facts.title(comparison))}"]
    for heading, pieces in sections:
        shown = [piece for piece in pieces if piece]
        if shown:
            parts += [f"## {heading}", *shown]
    return _SURROGATES.sub("\ufffd", "\n\n".join(parts) + "\n")


def _verdict(comparison: Comparison) -> Iterable[str]:
    if not comparison.contrasts:
        yield f"Only {literal(comparison.reference)} was measured: there is nothing to compare it with."
        return
    yield "\n".join(
        f"- {facts.SIGNS[outcome]} **{literal(label)}** {literal(sentence)}."
        for label, outcome, sentence in facts.headline(comparison)
    )
    yield facts.HOW
    yield _cells(facts.overview(comparison))
    for task in comparison.tasks:
        found = [one for evaluation in facts.EVALUATIONS for one in facts.contrasts_of(comparison, task, evaluation)]
        lines = [
            f"- {facts.SIGNS[one.outcome]} **{literal(one.system)}** on "
            f"{literal(facts.evaluation_name(task, one.evaluation))}: {literal(one.verdict)} "
            f"({literal(facts.mean_of(comparison, one))})"
            for one in found
        ]
        if lines:
            yield "\n".join(lines)


def _systems(comparison: Comparison) -> Iterable[str]:
    yield f"The others are compared with {literal(comparison.reference)}."
    yield _cells(making.system_table(comparison))
    yield _folded("Whole hashes", _cells(making.hash_table(comparison)))
    settings = making.setting_table(comparison)
    if settings[1]:
        yield "### Settings that matter"
        yield _cells(settings)


def _scores(comparison: Comparison) -> Iterable[str]:
    for task in comparison.tasks:
        for evaluation in facts.EVALUATIONS:
            if facts.label_counts(comparison, task, evaluation):
                yield f"### {literal(facts.evaluation_name(task, evaluation))}"
                yield _cells(facts.score_table(comparison, task, evaluation))


def _learning(comparison: Comparison) -> Iterable[str]:
    for task in comparison.tasks:
        for evaluation in facts.EVALUATIONS:
            if len(facts.label_counts(comparison, task, evaluation)) > 1:
                name, metric = facts.evaluation_name(task, evaluation), facts.metric_of(comparison, task)
                yield f"### {literal(name)}: {literal(metric)}, mean ± deviation over the seeds"
                yield _cells(facts.learning_table(comparison, task, evaluation))


def _losses(comparison: Comparison) -> Iterable[str]:
    cells = facts.loss_table(comparison)
    if cells[1]:
        yield _cells(cells)


def _examples(comparison: Comparison) -> Iterable[str]:
    for task in comparison.tasks:
        for system in comparison.systems:
            won, lost = examples_of(comparison, task, system.label)
            if won or lost:
                yield f"### {literal(task)}: {literal(system.label)} against {literal(comparison.reference)}"
                heads = ["#gain", "example", "passage", "right", comparison.reference, system.label]
                rows = [_example(comparison, one) for one in [*won, *lost]]
                yield table([literal(head) for head in heads], rows)


def _example(comparison: Comparison, change: ExampleChange) -> list[str]:
    before, found, after = passage(comparison, change, _AROUND)
    answers = [change.right, change.reference_answer, change.system_answer]
    return [
        f"{change.gain:+.2f}",
        literal(clipped(change.text, _ANSWER)),
        _marked(before, found.strip(), after),
        *(literal(clipped(answer, _ANSWER)) if answer.strip() else "*no answer*" for answer in answers),
    ]


def _marked(before: str, found: str, after: str) -> str:
    """Returns the three in a row, the second bold; stars beside a sign that is no letter need a space to count."""
    if not found:
        return literal(before + after)
    left = " " if before[-1:].isspace() or not found[0].isalnum() else ""
    right = " " if after[:1].isspace() or not found[-1].isalnum() else ""
    return f"{literal(before)}{left}**{literal(found)}**{right}{literal(after)}"


def _corpora(comparison: Comparison) -> Iterable[str]:
    for found in making.corpora(comparison):
        yield f"### {literal(', '.join(found.labels))}"
        yield from (_cells(cells) for cells in (found.sources, found.figures, found.dropped) if cells[1])


def _again(comparison: Comparison) -> Iterable[str]:
    yield code_block("\n".join(making.commands(comparison)), "sh")
    seeds = ", ".join(map(str, comparison.seeds))
    yield f"Seeds of fine-tuning: {code(seeds)}. Compared {literal(comparison.created)}."
    yield _folded("Versions", _cells(making.version_table(comparison)))


def _cells(cells: facts.Cells) -> str:
    heads, rows = cells
    return table([literal(head) for head in heads], ([literal(cell) for cell in row] for row in rows))


def _folded(heading: str, content: str) -> str:
    return f"<details><summary>{text(' '.join(heading.split()))}</summary>\n\n{content}\n\n</details>"
