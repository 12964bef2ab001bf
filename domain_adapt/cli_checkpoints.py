"""The commands below ``domain-adapt checkpoints``: parse, call, print."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain_adapt.cli_process import prepare_process, set_up_logging
from domain_adapt.errors import DomainAdaptError

if TYPE_CHECKING:
    from domain_adapt.checkpoints import Checkpoint, CheckpointStore
    from domain_adapt.checkpoints.pruning import Pruning
    from domain_adapt.reproduce import Reproduction

checkpoints_app = typer.Typer(
    help="List the published checkpoints, and look after them.", invoke_without_command=True, rich_markup_mode=None
)
Reference = Annotated[str, typer.Argument(metavar="REF", help="medical, medical@v1 or medical@ALIAS")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
_PROBLEM = 2  # the exit code of anything that the user must see to


@checkpoints_app.callback()
def checkpoints_command(context: typer.Context) -> None:
    """List the published checkpoints."""
    if context.invoked_subcommand is None:
        list_command()


@checkpoints_app.command("list")
def list_command(as_json: Json = False) -> None:
    """List the published checkpoints: what each is, what it came from, how good, how large."""
    from domain_adapt.checkpoints.pruning import size
    from domain_adapt.report.tables import checkpoint_table

    store = _store()
    found = store.list()
    aliases, sizes = _aliases(store, found), {one.ref: size(one) for one in found}
    if as_json:
        rows = [
            one.manifest.model_dump(mode="json", include={"stage", "domain", "task", "profile", "created", "metrics"})
            | {"ref": one.ref, "parents": [parent.name for parent in one.manifest.all_parents]}
            | {"aliases": aliases[one.ref], "bytes": sizes[one.ref], "folder": str(one.folder)}
            for one in found
        ]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    if not found:
        raise DomainAdaptError("there are no checkpoints here yet", hint="domain-adapt adapt medical makes the first")
    _show(checkpoint_table(found, aliases, sizes))


@checkpoints_app.command("show")
def show_command(ref: Reference, as_json: Json = False) -> None:
    """Tell of one checkpoint what it is, from what it was made, how, and how good it is."""
    from domain_adapt.checkpoints.pruning import size
    from domain_adapt.report.checkpoint_words import describe_checkpoint
    from domain_adapt.report.tables import figure_table

    store = _store()
    found = store.find(ref)
    aliases, total = _aliases(store, [found])[found.ref], size(found)
    if as_json:
        own = {"ref": found.ref, "folder": str(found.folder), "bytes": total, "aliases": aliases}
        print(json.dumps(own | found.manifest.model_dump(mode="json"), indent=2, ensure_ascii=False))
        return
    _show(figure_table(describe_checkpoint(found, aliases, total)))


@checkpoints_app.command("lineage")
def lineage_command(ref: Reference, as_json: Json = False) -> None:
    """Draw what a checkpoint came from, down to the base and its hash, and what came from it."""
    from domain_adapt.report.lineage import Family, lineage_tree

    store = _store()
    node = Family(store.list()).node(store.find(ref))
    if as_json:
        print(json.dumps(node.as_json(), indent=2, ensure_ascii=False))
        return
    _show(lineage_tree(node))


@checkpoints_app.command("diff")
def diff_command(one: Reference, other: Reference, as_json: Json = False) -> None:
    """Tell two checkpoints apart: recipe, data, figures, packages, machine, and the distance of their weights."""
    from domain_adapt.report.difference import compare_checkpoints, difference_tables

    store = _store()
    found = compare_checkpoints(store.find(one), store.find(other))
    if as_json:
        print(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
        return
    for part in difference_tables(found):
        _show(part)
        print()


@checkpoints_app.command("verify")
def verify_command(
    refs: Annotated[list[str] | None, typer.Argument(metavar="[REF...]", help="default: all")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="hashes only; load no weights")] = False,
) -> None:
    """Check that checkpoints are what was published; exit code 2 if one is not.

    Every file is hashed again, the weights are loaded and compared with the config, and one forward pass is done.
    """
    from domain_adapt.checkpoints import verify
    from domain_adapt.checkpoints.pruning import unreadable
    from domain_adapt.training.progress import meter

    store = _store()
    problems = [] if refs else unreadable(store)
    checkpoints = [store.find(ref) for ref in refs] if refs else store.list()
    with meter("verifying", len(checkpoints)) as progress:
        for done, checkpoint in enumerate(checkpoints, start=1):
            problems += verify(checkpoint, deep=not quick)
            progress.update(done, checkpoint.ref)
    for problem in problems:
        print(problem)
    if problems:
        raise typer.Exit(_PROBLEM)
    print(f"{len(checkpoints)} checkpoint{'s' * (len(checkpoints) != 1)}: all as published")


@checkpoints_app.command("alias")
def alias_command(
    ref: Annotated[str | None, typer.Argument(metavar="REF", help="medical or medical@v1")] = None,
    alias: Annotated[str | None, typer.Argument(metavar="NAME", help="then REF is found as medical@NAME")] = None,
    remove: Annotated[str | None, typer.Option(metavar="NAME@ALIAS", help="remove this alias instead")] = None,
) -> None:
    """Give a version a name of its own, or move that name to it: alias medical@v3 production."""
    store = _store()
    if remove is not None:
        name, at, old = remove.partition("@")
        if ref is not None or not at or not old:
            raise DomainAdaptError(f"--remove {remove}: expected NAME@ALIAS and nothing else")
        store.remove_alias(name, old)
        print(f"{remove} is no alias any more")
        return
    if ref is None or alias is None:
        raise DomainAdaptError("expected a checkpoint and a name for it", hint="e.g. alias medical@v3 production")
    found = store.find(ref)
    before = store.aliases(found.name).get(alias)
    store.set_alias(found.name, alias, found.version)
    moved = f" (before: v{before})" if before not in (None, found.version) else ""
    print(f"{found.name}@{alias} is {found.ref}{moved}")


@checkpoints_app.command("prune")
def prune_command(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="of the checkpoints; default: all")] = None,
    keep: Annotated[int, typer.Option(help="newest versions of each name that stay")] = 3,
    yes: Annotated[bool, typer.Option("--yes", help="remove them; without it, only what would go is shown")] = False,
) -> None:
    """Remove old versions, but none that another checkpoint came from, that an alias stands for, or the latest."""
    from domain_adapt.checkpoints.pruning import plan_pruning

    store = _store()
    plan = plan_pruning(store, name, keep=keep)
    _show_pruning(plan, yes)
    if yes:
        for checkpoint in plan.going:
            store.remove(checkpoint)


@checkpoints_app.command("reproduce")
def reproduce_command(
    ref: Reference,
    keep: Annotated[bool, typer.Option("--keep", help="leave what came out in runs/reproduce-NAME-vN")] = False,
    as_json: Json = False,
) -> None:
    """Make a checkpoint again from its manifest and say whether the same bytes come out; exit code 2 if not.

    Takes as long as the first time. Nothing is published; base, data and the number of CPU threads are those recorded.
    """
    prepare_process()
    from domain_adapt.reproduce import reproduce

    found = reproduce(ref, keep=keep)
    if as_json:
        print(json.dumps(found.as_json(), indent=2, ensure_ascii=False))
    else:
        _say_reproduction(found)
    if not found.same:
        raise typer.Exit(_PROBLEM)


def _store() -> CheckpointStore:
    from domain_adapt.checkpoints import CheckpointStore
    from domain_adapt.workspace import Workspace

    set_up_logging()
    return CheckpointStore(Workspace().checkpoints)


def _aliases(store: CheckpointStore, checkpoints: list[Checkpoint]) -> dict[str, list[str]]:
    """Returns the aliases of each checkpoint by its reference."""
    known = {name: store.aliases(name) for name in {one.name for one in checkpoints}}
    return {
        one.ref: sorted(alias for alias, version in known[one.name].items() if version == one.version)
        for one in checkpoints
    }


def _show(what: Any) -> None:
    from rich.console import Console

    # 160 columns where nobody looks: a table in a file should not be cut at 80.
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(what)


def _show_pruning(plan: Pruning, yes: bool) -> None:
    from domain_adapt.checkpoints.pruning import size

    freed = 0
    for checkpoint in plan.going:
        freed += (own := size(checkpoint))
        print(f"{'removed' if yes else 'would go'}: {checkpoint.ref} ({own / 1e6:,.1f} MB)")
    for checkpoint, reason in plan.kept:
        print(f"stays: {checkpoint.ref} ({reason})")
    if not plan.going:
        print("nothing to remove")
    elif not yes:
        print(f"{freed / 1e6:,.1f} MB in all; add --yes to remove them")


def _say_reproduction(found: Reproduction) -> None:
    words = {True: "the same bytes", False: "different", None: "not made by a plain run"}
    for note in found.notes:
        print(note)
    for name, same in found.files.items():
        print(f"  {name}: {words[same]}")
    if found.same:
        print(f"{found.ref} is reproduced: config, weights and tokenizer are byte-identical")
    else:
        print(f"{found.ref} is not reproduced")
        if found.relative is not None:
            print(f"relative distance of the weights, largest of all layers: {found.relative:.2e}")
            print(f"largest difference of a weight: {found.largest:.2e}")
        for reason in found.reasons:
            print(f"  {reason}")
    if found.folder:
        print(f"what came out: {found.folder}")
