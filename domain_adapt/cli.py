"""The command line: parse, call, print."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from domain_adapt.cli_checkpoints import checkpoints_app
from domain_adapt.cli_compare import compare_command
from domain_adapt.cli_corpus import corpus_app
from domain_adapt.cli_data import data_app
from domain_adapt.cli_finetune import finetune_command
from domain_adapt.cli_hub import export_command, pull_command, push_command
from domain_adapt.cli_merge import merge_command
from domain_adapt.cli_options import (
    BaseOption,
    Force,
    Name,
    Overrides,
    Profile,
)
from domain_adapt.cli_predict import predict_command
from domain_adapt.cli_process import prepare_process
from domain_adapt.cli_questions import questions_command
from domain_adapt.cli_tune import tune_command
from domain_adapt.cli_variadic import ManyCheckpoints, ManyWeights
from domain_adapt.errors import DomainAdaptError, EndedElsewhere, Stopped
from domain_adapt.training.ranks import is_main

app = typer.Typer(
    name="domain-adapt",
    help="Adapt a language model to a specialised field, then fine-tune it on a task.\n\n"
    "Start with: domain-adapt adapt medical, then: domain-adapt finetune qa.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
recipes_app = typer.Typer(help="List the domains and tasks, or show one resolved recipe.", invoke_without_command=True)
app.add_typer(recipes_app, name="recipes")
app.add_typer(corpus_app, name="corpus")
app.add_typer(data_app, name="data")
app.add_typer(checkpoints_app, name="checkpoints")
for name, command in (("push", push_command), ("pull", pull_command), ("export", export_command)):
    checkpoints_app.command(name)(command)


@app.callback()
def root(
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """Options of every command."""
    if debug:
        os.environ["DOMAIN_ADAPT_DEBUG"] = "1"


@app.command("adapt")
def adapt_command(
    domain: Annotated[
        str | None, typer.Argument(help="a domain of `domain-adapt recipes`, or a folder such as ./my-domain")
    ] = None,
    corpus: Annotated[
        list[str] | None, typer.Option(help="instead of a domain: a file, folder or glob of text (may be repeated)")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="adapt to the unlabelled texts of a task; after the domain, if one is named")
    ] = None,
    name: Name = None,
    base: BaseOption = None,
    profile: Profile = "quick",
    text_field: Annotated[str, typer.Option(help="with --corpus: field or column that holds the text")] = "text",
    overrides: Overrides = [],  # noqa: B006  (typer copies it)
    force: Force = False,
) -> None:
    """Stage 1: continue masked-LM pretraining of a base on the text of a domain.

    Publishes checkpoints/<name>/v<N>. The same command again says "up to date"; after a kill it goes on where it was.
    """
    prepare_process()
    from domain_adapt.adapt import adapt

    adapt(
        domain,
        corpus=corpus or (),
        task=task,
        name=name,
        base=base,
        profile=profile,
        text_field=text_field,
        overrides=overrides,
        force=force,
    )


app.command("finetune")(finetune_command)
app.command("tune")(tune_command)
app.command("compare", cls=ManyCheckpoints)(compare_command)
app.command("merge", cls=ManyWeights)(merge_command)
app.command("predict")(predict_command)
app.command("questions")(questions_command)


@app.command("doctor")
def doctor_command(
    domain: Annotated[
        str | None, typer.Argument(help="measure with the recipe of this domain; default: base mini, default settings")
    ] = None,
    base: BaseOption = None,
    profile: Profile = "quick",
    overrides: Overrides = [],  # noqa: B006  (typer copies it)
    as_json: Annotated[bool, typer.Option("--json", help="print JSON: bytes, seconds, FLOP/s")] = False,
) -> None:
    """Measure what this machine makes of stage 1: speed, memory, time to the end, and what stands in the way.

    Takes about half a minute: some real training steps on random text, and matrix products to compare them with.
    "training" is what a run reports as tokens/s; "utilisation" is the share of the matrix products' speed that it
    reaches. What slows training down or may stop it is said below the table. Writes nothing to runs/ or checkpoints/.
    """
    import json

    from rich.console import Console

    prepare_process()
    from domain_adapt.doctor import examine
    from domain_adapt.report.tables import figure_table

    found = examine(domain, base=base, profile=profile, overrides=overrides)
    if as_json:
        print(json.dumps(found.as_json(), indent=2))
        return
    Console(width=None if sys.stdout.isatty() else 160).print(figure_table(found.lines()))
    for warning in found.warnings:
        print(f"\n{warning}")


@app.command("assess")
def assess_command(
    domain: Annotated[str, typer.Argument(help="a domain of `domain-adapt recipes`, or a folder such as ./my-domain")],
    base: BaseOption = None,
    profile: Profile = "quick",
    overrides: Overrides = [],  # noqa: B006  (typer copies it)
    as_json: Annotated[bool, typer.Option("--json", help="print JSON: nats a token, seconds")] = False,
) -> None:
    """Say whether adapting a base to a domain is worth it, and why, before anything is trained.

    Prepares the text, compares it with general English, and measures for half a minute how long stage 1 will take here.
    """
    import json

    from rich.console import Console

    prepare_process()
    from domain_adapt.assess import assess
    from domain_adapt.report.corpus_tables import reason_table

    found = assess(domain, base, profile=profile, overrides=overrides)
    if as_json:
        print(json.dumps(found.as_json(), indent=2))
        return
    print(f"{found.base} to {found.domain}: {found.verdict.outcome}")
    Console(width=None if sys.stdout.isatty() else 100).print(reason_table(found.as_json()["reasons"]))
    print(f"stage 1: {found.cost()}")
    for warning in found.warnings:
        print(f"\n{warning}")


@recipes_app.callback()
def recipes_command(context: typer.Context) -> None:
    """List the domains and tasks with a line each."""
    if context.invoked_subcommand is not None:
        return
    from domain_adapt.recipes import find_recipes, load_domain, load_task

    for kind, folder in find_recipes():
        load = load_domain if kind == "domain" else load_task
        print(f"{kind:<7} {folder.name:<12} {load(folder.name).values.description}")


@recipes_app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(help="a domain or a task, or a folder")],
    profile: Profile = "quick",
    overrides: Overrides = [],  # noqa: B006  (typer copies it)
) -> None:
    """Print one resolved recipe: every key, its value and what it means."""
    from domain_adapt.recipes import load_any, render

    print(render(load_any(name, profile=profile, overrides=overrides).values), end="")


def main() -> None:
    """Runs the command line; an error that the user can mend is one line, a hint, and exit code 2."""
    try:
        app()
    except DomainAdaptError as error:
        if os.environ.get("DOMAIN_ADAPT_DEBUG"):
            raise
        print(f"error: {' '.join(error.message.split())}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        sys.exit(2)
    except EndedElsewhere as ended:
        if os.environ.get("DOMAIN_ADAPT_DEBUG"):
            raise
        sys.exit(ended.code)
    except Stopped as stopped:
        if is_main():
            print(f"{stopped}; the same command goes on from there", file=sys.stderr)
        sys.exit(130)
