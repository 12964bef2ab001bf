"""Examples that a system won or lost against the reference, as parts of a page."""

from __future__ import annotations

from collections.abc import Sequence

from domain_adapt.report.comparison import Comparison, ExampleChange
from domain_adapt.report.page_parts import details, paragraph, text

ANSWER = 600  # characters of an answer that are shown: a paragraph
AROUND = 350  # characters of the passage on each side of the right answer: three or four sentences
_HEADING = 110  # characters of a question on the line that opens it


def examples_of(comparison: Comparison, task: str, system: str) -> tuple[list[ExampleChange], list[ExampleChange]]:
    """Returns the examples won, the largest gains first, and those lost, the largest losses first."""
    found = [one for one in comparison.changes if (one.task, one.system) == (task, system)]
    won = sorted((one for one in found if one.gain > 0), key=lambda one: -one.gain)
    lost = sorted((one for one in found if one.gain < 0), key=lambda one: one.gain)
    return won, lost


def passage(comparison: Comparison, change: ExampleChange, around: int = AROUND) -> tuple[str, str, str]:
    """Returns the passage in three parts: before the right answer, the answer, after; the second is "" without one.

    Only answers of questions are parts of their passage; that a label is a word in a text means nothing.
    """
    kind = comparison.recipes.get(change.task, {}).get("type", "question-answering")
    start = change.context.find(change.right) if kind == "question-answering" and change.right else -1
    if start < 0:
        return clipped(change.context, 2 * around), "", ""
    end = start + len(change.right)
    before, after = change.context[:start], change.context[end:]
    before = before if len(before) <= around else "\u2026" + before[len(before) - around :]
    return before, clipped(change.right, ANSWER), clipped(after, around)


def clipped(value: str, length: int) -> str:
    """Returns the beginning of a text that is longer than that."""
    return value if len(value) <= length else value[:length] + "\u2026"


def example_parts(comparison: Comparison) -> str:
    """Returns the examples of all tasks and systems as HTML."""
    pieces = []
    for task in comparison.tasks:
        for system in comparison.systems:
            won, lost = examples_of(comparison, task, system.label)
            if won or lost:
                pieces.append(f"<h3>{text(task)}: {text(system.label)} against {text(comparison.reference)}</h3>")
                pieces.append(_group(comparison, f"Won by {system.label}", won))
                pieces.append(_group(comparison, f"Lost by {system.label}", lost))
    if not pieces:
        return paragraph("No example was answered better or worse than by the reference, or none was recorded.")
    return paragraph(
        "The largest gains and losses over all seeds. The figure is the mean score of the system on that example less "
        "that of the reference, from -1 to +1; the answers are the most frequent ones over the seeds."
    ) + "".join(pieces)


def _group(comparison: Comparison, heading: str, changes: Sequence[ExampleChange]) -> str:
    if not changes:
        return f"<h4>{text(heading)}: none</h4>"
    boxes = [_example(comparison, one, is_open=number == 0) for number, one in enumerate(changes)]
    return f"<h4>{text(heading)}: {len(changes):,}</h4>" + "".join(boxes)


def _example(comparison: Comparison, change: ExampleChange, *, is_open: bool) -> str:
    won, lost = ("better", "worse") if change.gain > 0 else ("worse", "better")
    sides = _answer(change.reference_answer, comparison.reference, lost) + _answer(
        change.system_answer, change.system, won
    )
    before, found, after = passage(comparison, change)
    context = f"{text(before)}<mark>{text(found)}</mark>{text(after)}" if found else text(before)
    content = (
        (f'<p class="asked">{text(clipped(change.text, ANSWER))}</p>' if len(change.text) > _HEADING else "")
        + f'<p class="right"><span>right</span> {_or_none(change.right)}</p>'
        + f'<div class="sides">{sides}</div>'
        + (f'<div class="text">{context}</div>' if context else "")
        + f'<p class="soft">example {text(clipped(change.id, _HEADING))}</p>'
    )
    return details(f"{change.gain:+.2f}  {clipped(change.text, _HEADING)}", content, is_open=is_open)


def _answer(answer: str, label: str, outcome: str) -> str:
    return f'<div class="side {outcome}"><span>{text(label)}, {outcome}</span><p>{_or_none(answer)}</p></div>'


def _or_none(answer: str) -> str:
    return text(clipped(answer, ANSWER)) if answer.strip() else '<em class="soft">no answer</em>'
