"""The command ``domain-adapt compare``: parse, call, print."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain_adapt.cli_options import Dev, LabelDomain, Overrides, Profile, Test, Train
from domain_adapt.cli_process import prepare_process
from domain_adapt.errors import DomainAdaptError

if TYPE_CHECKING:
    from domain_adapt.report.comparison import Comparison


def compare_command(
    tasks: Annotated[
        list[str],
        typer.Argument(metavar="TASK...", help="tasks of `domain-adapt recipes`, or folders such as ./my-task"),
    ],
    checkpoints: Annotated[
        list[str] | None,
        typer.Option(
            "--checkpoints",
            "--from",
            metavar="A B...",
            help="starting points, after spaces or commas; the first is what the others are compared with; "
            "default: base and the checkpoint adapted last",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="fine-tunings of each, from the recipe's seed on; more show more")] = 3,
    labels: Annotated[
        str, typer.Option(help="training examples, several for a learning curve: 50,100,200,500,all")
    ] = "all",
    folds: Annotated[int, typer.Option(help="cross-validation: every example is scored once a seed")] = 0,
    domain: LabelDomain = None,
    train: Train = None,
    dev: Dev = None,
    test: Test = None,
    general: Annotated[
        list[str] | None,
        typer.Option(help="labelled data of the same kind that is not of the domain: shows what was forgotten"),
    ] = None,
    profile: Profile = "quick",
    overrides: Overrides = [],  # noqa: B006  (typer copies it)
    html: Annotated[Path | None, typer.Option(help="write a page with plots, examples and recipe to this file")] = None,
    markdown: Annotated[Path | None, typer.Option(help="write the same as Markdown to this file")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="write all figures to this file")] = None,
) -> None:
    """Did it help? Fine-tune the same way from several starting points and compare them, paired by example and seed.

    Each line of the answer has an interval and a verdict; "no difference" says how large a difference would have been
    seen. Finished trainings are kept in .cache/comparisons: the same command goes on where it was killed, and more
    seeds, labels or checkpoints train only what is new. What is scored is the test part, else the dev part.
    """
    from rich.console import Console

    for path in (html, markdown, as_json):  # here and not after hours of training
        if path is not None and not path.parent.is_dir():
            raise DomainAdaptError(f"{path}: the folder {path.parent} does not exist", hint="make it first")
    prepare_process()
    from domain_adapt.compare import compare
    from domain_adapt.report.comparison_tables import comparison_tables

    found = compare(
        tasks,
        checkpoints=[name for entry in checkpoints or [] for name in entry.split(",") if name],
        seeds=seeds,
        labels=_counts(labels),
        folds=folds,
        domain=domain,
        train=train or (),
        dev=dev or (),
        test=test or (),
        general=general or (),
        profile=profile,
        overrides=overrides,
    )
    console = Console(width=None if sys.stdout.isatty() else 160)
    for table in comparison_tables(found):
        console.print(table)
    for contrast in found.contrasts:
        print(f"{contrast.task}, {contrast.labels} labels, {contrast.system}: {contrast.verdict}")
    _write(found, html, markdown, as_json)


def _write(found: Comparison, html: Path | None, markdown: Path | None, as_json: Path | None) -> None:
    from domain_adapt.report.comparison_markdown import render_markdown
    from domain_adapt.report.comparison_page import render_page

    if as_json is not None:
        as_json.write_text(json.dumps(found.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for path, render in ((html, render_page), (markdown, render_markdown)):
        if path is not None:
            path.write_text(render(found), encoding="utf-8")


def _counts(labels: str) -> list[int]:
    """Returns numbers of labels, 0 for all."""
    counts = []
    for entry in labels.replace(",", " ").split():
        if entry != "all" and not (entry.isdigit() and int(entry) > 0):
            raise DomainAdaptError(
                f"--labels: expected numbers above 0 or all (found {entry!r})", hint="--labels 50,200,all"
            )
        counts.append(0 if entry == "all" else int(entry))
    return counts
