"""The command ``domain-adapt questions``: parse, call, print."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain_adapt.cli_options import Force, Name, Overrides, Profile
from domain_adapt.cli_process import prepare_process
from domain_adapt.training.ranks import is_main

if TYPE_CHECKING:
    from collections.abc import Iterable

    from domain_adapt.practise import Practice


class Kind(StrEnum):
    """How questions are made; the recipe key ``questions.kind``."""

    recurring_span = "recurring-span"
    cloze = "cloze"
    both = "both"


def questions_command(
    domain: Annotated[str, typer.Argument(help="a domain of `domain-adapt recipes`, or a folder such as ./my-domain")],
    output: Annotated[
        Path | None, typer.Option(help="write them to a folder (train.jsonl, dev.jsonl), or to one file (.jsonl)")
    ] = None,
    kind: Annotated[Kind | None, typer.Option(help="how they are made; default: the recipe's questions.kind")] = None,
    count: Annotated[int | None, typer.Option(help="at most so many; default: the recipe's questions.count")] = None,
    unanswerable: Annotated[
        float, typer.Option(help="share of questions that their context does not answer; 0 for tasks without any")
    ] = 0.15,
    samples: Annotated[int, typer.Option(help="questions to print")] = 8,
    train: Annotated[bool, typer.Option("--train", help="practise on them: publishes <domain>-practice")] = False,
    start: Annotated[
        str | None,
        typer.Option("--from", help="with --train: checkpoint to start from, or base; default: the domain's newest"),
    ] = None,
    task: Annotated[str, typer.Option(help="with --train: the task whose recipe says how to train")] = "qa",
    name: Name = None,
    profile: Profile = "quick",
    overrides: Overrides = [],  # noqa: B006  (typer copies it)
    task_overrides: Annotated[
        list[str],
        typer.Option("--set-task", metavar="KEY=VALUE", help="with --train: override a key of the task's recipe"),
    ] = [],  # noqa: B006
    force: Force = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the counts as JSON")] = False,
) -> None:
    """Make questions out of a domain's unlabelled text, to practise on between the stages.

    Spans that a passage says twice, terms asked for by their definitions, and sentences turned into questions for a
    term, a number, a date or a name; by rules, without a model. Documents that the dev and test parts of tasks hold
    are left out. With --train, then: domain-adapt finetune qa --from <domain>-practice.
    """
    prepare_process()
    from domain_adapt.practise import make_and_practise, make_practice

    chosen = [*overrides]
    chosen += [] if kind is None else [f"questions.kind={kind.value}"]
    chosen += [] if count is None else [f"questions.count={count}"]
    shared: dict[str, Any] = {"unanswerable": unanswerable, "profile": profile, "overrides": chosen}
    if train:
        options: dict[str, Any] = {"start": start, "task": task, "task_overrides": task_overrides}
        practice, _ = make_and_practise(domain, name=name, force=force, **options, **shared)
    else:
        practice = make_practice(domain, **shared)
    if not is_main():
        return
    if output is not None:
        practice.write(output)
    if as_json:
        print(json.dumps(practice.statistics | {"folder": str(output or practice.folder)}, indent=2))
        return
    _show(practice, samples)
    print(f"questions: {output or practice.folder}")


def _show(practice: Practice, samples: int) -> None:
    from rich.console import Console

    from domain_adapt.report.tables import figure_table

    found = practice.statistics
    lines = [
        ("questions", f"{found['train']:,} to train on, {found['dev']:,} for the dev part"),
        ("out of", f"{found['passages']:,} passages of {found['documents']:,} documents"),
        ("made", _listed(found["made"].items())),
        ("ask for", _listed(found["kinds"].items())),
        ("sentence left out", f"{found['apart']:,} have their answer in another sentence than they were made of"),
    ]
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(figure_table(lines))
    console.print("\ncame to nothing:")
    console.print(figure_table([(f"{count:,}", reason) for reason, count in found["dropped"].items()]))
    if samples:
        console.print("\nsome of them:")
    total = found["train"] + found["dev"]
    for row in islice(practice.rows(), 0, None, max(1, total // max(1, samples))) if samples else ():
        answers = row["answers"]["text"]
        print(f"- {row['question']}  [{answers[0] if answers else 'no answer'}]")


def _listed(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts)
