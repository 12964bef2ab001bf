"""The commands below ``domain-adapt corpus``: parse, call, print."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from domain_adapt.cli_options import BaseOption, Overrides, Profile
from domain_adapt.cli_process import prepare_process
from domain_adapt.errors import DomainAdaptError

if TYPE_CHECKING:
    from domain_adapt.corpus.documents import Documents
    from domain_adapt.corpus_show import Shown


class Executor(StrEnum):
    """Where ``corpus prepare`` shares its work out to."""

    local = "local"
    ray = "ray"
    slurm = "slurm"


corpus_app = typer.Typer(help="Prepare the text of a domain, and look at it.", no_args_is_help=True)
Domain = Annotated[str, typer.Argument(help="a domain of `domain-adapt recipes`, or a folder such as ./my-domain")]


@corpus_app.command("prepare")
def prepare_command(
    domain: Domain,
    profile: Profile = "quick",
    overrides: Overrides = [],  # noqa: B006  (typer copies it)
    processes: Annotated[int, typer.Option(help="processes that read; 0 is one for each usable CPU")] = 0,
    executor: Annotated[
        Executor | None, typer.Option(help="share the work out by datatrove: local, ray or slurm (extra `scale`)")
    ] = None,
    tasks: Annotated[int, typer.Option(help="with --executor: tasks that the work is divided into")] = 16,
    slurm_partition: Annotated[str | None, typer.Option(help="with --executor slurm: partition")] = None,
    slurm_time: Annotated[str, typer.Option(help="with --executor slurm: time limit of a task")] = "04:00:00",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Read, clean, filter and deduplicate the text of a domain, as `adapt` does before it trains.

    The documents end in .cache/documents/<fingerprint>, whose folder documents/ opens with datasets.load_from_disk;
    dropped/ holds the first hundred documents of each reason. After a kill the same command goes on; when a file was
    added, only that file is read.
    """
    from rich.console import Console

    prepare_process()
    from domain_adapt.report.corpus_tables import dropped_table, source_table, step_table

    found = _prepare(domain, profile, overrides, processes, executor, tasks, slurm_partition, slurm_time)
    if found is None:
        print("handed in; `squeue` shows the jobs, and the same command prints the result when they are done")
        return
    if as_json:
        print(json.dumps(found.statistics | {"folder": str(found.folder)}, indent=2, ensure_ascii=False))
        return
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(source_table(found.statistics))
    if found.statistics["dropped"]:
        console.print(dropped_table(found.statistics))
    console.print(step_table(found.timings(), found.statistics["characters_read"]))
    print(f"{found.folder}: {found.statistics['documents']:,} documents, {found.statistics['content_hash'][:16]}")


def _prepare(
    domain: str,
    profile: str,
    overrides: list[str],
    processes: int,
    executor: Executor | None,
    tasks: int,
    slurm_partition: str | None,
    slurm_time: str,
) -> Documents | None:
    from domain_adapt.corpora import domain_plan, open_documents

    if executor is None:
        return open_documents(domain, profile=profile, overrides=overrides, processes=processes)
    from domain_adapt.corpus.scale import SlurmOptions, prepare_at_scale
    from domain_adapt.workspace import Workspace

    plan = domain_plan(domain, profile=profile, overrides=overrides)
    slurm = SlurmOptions(slurm_partition, slurm_time) if slurm_partition else None
    return prepare_at_scale(plan, Workspace(), executor=executor.value, tasks=tasks, slurm=slurm)


@corpus_app.command("show")
def show_command(
    domain: Domain,
    html: Annotated[
        Path | None, typer.Option(help="write a page to this file, with examples of what was kept and dropped")
    ] = None,
    base: BaseOption = None,
    profile: Profile = "quick",
    overrides: Overrides = [],  # noqa: B006  (typer copies it)
    processes: Annotated[int, typer.Option(help="processes that read; 0 is one for each usable CPU")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Show what the text of a domain is like: how much, how long, how near to general English and to the tasks.

    Prepares the text first if that was not done. Counts tokens with the base's tokenizer.
    """
    prepare_process()
    from domain_adapt.corpus_show import page, show

    shown = show(domain, base=base, profile_name=profile, overrides=overrides, processes=processes)
    if html is not None:
        write_page(html, page(shown))
    if as_json:
        print(json.dumps(shown.as_json(), indent=2, ensure_ascii=False))
        return
    _print(shown)
    if html is not None:
        print(f"page: {html}")


def write_page(path: Path, text: str) -> None:
    """Writes a page; a folder that cannot be written to is the user's to mend."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DomainAdaptError(f"--html: {path}: {error.strerror}") from error


def _print(shown: Shown) -> None:
    from rich.console import Console

    from domain_adapt.report import corpus_tables as tables

    values = shown.as_json()
    console = Console(width=None if sys.stdout.isatty() else 100)
    print(f"{values['domain']}: {values['folder']}, tokens of {values['base']}")
    console.print(tables.size_table(values))
    if values["dropped"] or values["scrubbed"]:
        console.print(tables.dropped_table(values))
    for table in (tables.length_table, tables.distance_table):
        console.print(table(values))
    print(tables.fertility_text(values))
    console.print(tables.term_table(values))
    if values["is_estimated"]:
        print(f"estimated: from an even sample of {values['sampled_characters']:,} characters")
