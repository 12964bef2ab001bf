"""The commands below ``domain-adapt data``: parse, call, print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from domain_adapt.errors import DomainAdaptError

data_app = typer.Typer(help="Look at labelled data.", no_args_is_help=True)


@data_app.command("check")
def check_command(
    paths: Annotated[list[Path], typer.Argument(help="files, or folders that hold them", show_default=False)],
    strict: Annotated[bool, typer.Option("--strict", help="warnings count as errors")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, with every finding")] = False,
) -> None:
    """Check labelled data before training on it: schema, spans, duplicates, leakage, balance, wording.

    Reads JSON lines and JSON (and .gz) of questions, labelled texts and labelled spans. Files named train, dev and
    test in one folder are one set, whose parts must not share a text. An error makes the data unusable or its scores
    wrong, and exits with 2; a warning may be meant so. Lengths are in words; "word overlap" is the share of a
    question's content words that stand in its context, "copied" the share of questions that have eight words in a
    row from it.
    """
    import json

    from rich.console import Console

    from domain_adapt.data_check import check
    from domain_adapt.data_check.tables import finding_lines, show

    found = check(paths)
    if as_json:
        print(json.dumps([checked.as_json() for checked in found], ensure_ascii=False, indent=2))
    else:
        show(found, Console(width=None if sys.stdout.isatty() else 180))
        for checked in found:
            for line in finding_lines(checked.findings):
                print(line)
    errors, warned = (sum(checked.count(level) for checked in found) for level in ("error", "warning"))
    if errors or (strict and warned):
        raise DomainAdaptError(f"labelled data: {errors} errors, {warned} warnings")
    if not as_json:
        print(f"labelled data: no errors, {warned} warnings")
