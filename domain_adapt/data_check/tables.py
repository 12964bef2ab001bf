"""What ``domain-adapt data check`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from domain_adapt.data_check.check import Checked
from domain_adapt.data_check.finding import Finding
from domain_adapt.data_check.labels import label_order
from domain_adapt.data_check.wording import TYPES

SHOWN_OF_A_CHECK = 10


def show(sets: Sequence[Checked], console: Console) -> None:
    """Prints the tables of all sets."""
    asked = [checked for checked in sets if checked.questions]
    if asked:
        console.print(question_table(asked))
        console.print()
        console.print(type_table(asked))
        console.print()
    for checked in sets:
        if checked.texts:
            console.print(label_table(checked))
            console.print()


def question_table(sets: Sequence[Checked]) -> Table:
    """Returns the figures of question-answering sets, one row a part; lengths in words."""
    lengths = ["words/context", "longest", "words/question", "words/answer"]
    shares = ["unanswerable", "several answers", "word overlap", "copied"]
    table = _table(["set", "part", "questions", "contexts", *lengths, *shares])
    for checked in sets:
        for number, one in enumerate(checked.questions):
            table.add_row(
                "" if number else checked.name,
                one.part,
                f"{one.questions:,}",
                f"{one.contexts:,}",
                f"{one.context_words:.0f}",
                f"{one.longest_context:,}",
                f"{one.question_words:.1f}",
                f"{one.answer_words:.1f}",
                f"{one.unanswerable:.1%}",
                f"{one.several_answers:.1%}",
                f"{one.overlap:.2f}",
                f"{one.copied:.1%}",
            )
    return table


def type_table(sets: Sequence[Checked]) -> Table:
    """Returns the share of each type of question, one row a set."""
    table = _table(["question types", *TYPES])
    for checked in sets:
        total: Counter[str] = Counter()
        for one in checked.questions:
            total.update(one.types)
        table.add_row(checked.name, *(f"{total[name] / total.total():.1%}" for name in TYPES))
    return table


def label_table(checked: Checked) -> Table:
    """Returns the figures of one set of labelled texts or spans: a column a part, a row a label; lengths in words."""
    table = _table([f"{checked.name}  ({checked.kind})", *(one.part for one in checked.texts)])
    rows = {
        "texts": [f"{one.texts:,}" for one in checked.texts],
        "words, mean": [f"{one.words:.1f}" for one in checked.texts],
        "words, longest": [f"{one.longest:,}" for one in checked.texts],
    }
    rows |= {
        f"  {label}": [f"{one.labels.get(label, 0):,}" for one in checked.texts] for label in label_order(checked.texts)
    }
    for name, values in rows.items():
        table.add_row(name, *values)
    return table


def finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yields a line a finding; of many by the same check the first ten, and how many more there are."""
    counts: Counter[tuple[str, str]] = Counter()
    for finding in findings:
        key = (finding.level, finding.check)
        counts[key] += 1
        if counts[key] <= SHOWN_OF_A_CHECK:
            yield f"{finding.level}: {finding.check}: {finding.place}: {finding.message}"
    for (level, check), count in counts.items():
        if count > SHOWN_OF_A_CHECK:
            yield f"{level}: {check}: and {count - SHOWN_OF_A_CHECK} more"


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number > 1 else "left", no_wrap=not number)
    return table
