"""The commands below ``domain-adapt corpus``: parse, call, print."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from domain_adapt.cli_options import Overrides, Profile
from domain_adapt.cli_process import prepare_process

corpus_app = typer.Typer(help="Prepare the text of a domain, and look at it.", no_args_is_help=True)
Domain = Annotated[str, typer.Argument(help="a domain of `domain-adapt recipes`, or a folder such as ./my-domain")]


@corpus_app.command("prepare")
def prepare_command(
    domain: Domain,
    profile: Profile = "quick",
    overrides: Overrides = [],  # noqa: B006  (typer copies it)
    processes: Annotated[int, typer.Option(help="processes that read; 0 is one for each usable CPU")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Read, clean, filter and deduplicate the text of a domain, as `adapt` does before it trains.

    The documents end in .cache/documents/<fingerprint>, whose folder documents/ opens with datasets.load_from_disk;
    dropped/ holds the first hundred documents of each reason. After a kill the same command goes on; when a file was
    added, only that file is read.
    """
    from rich.console import Console

    prepare_process()
    from domain_adapt.corpora import open_documents
    from domain_adapt.report.corpus_tables import dropped_table, source_table, step_table

    found = open_documents(domain, profile=profile, overrides=overrides, processes=processes)
    if as_json:
        print(json.dumps(found.statistics | {"folder": str(found.folder)}, indent=2, ensure_ascii=False))
        return
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(source_table(found.statistics))
    if found.statistics["dropped"]:
        console.print(dropped_table(found.statistics))
    console.print(step_table(found.timings(), found.statistics["characters_read"]))
    print(f"{found.folder}: {found.statistics['documents']:,} documents, {found.statistics['content_hash'][:16]}")
