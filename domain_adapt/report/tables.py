"""Tables for the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from domain_adapt.checkpoints import Checkpoint
from domain_adapt.report.trials import STUDY, trial_rows

_SHOWN = {"heldout/mlm_loss": "MLM loss {:.3f}", "dev/f1": "F1 {:.1f}", "dev/exact_match": "EM {:.1f}"}


def checkpoint_table(
    checkpoints: Sequence[Checkpoint], aliases: Mapping[str, Sequence[str]], sizes: Mapping[str, int]
) -> Table:
    """Returns a table with one row a checkpoint: what it is, what it came from, how good.

    Args:
        checkpoints: In order.
        aliases: Reference -> names that stand for it.
        sizes: Reference -> bytes.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("checkpoint", "aliases", "stage", "from", "profile", "created (UTC)", "figures", "size", "folder"):
        table.add_column(column, justify="right" if column == "size" else "left")
    for checkpoint in checkpoints:
        manifest = checkpoint.manifest
        figures = [text.format(manifest.metrics[key]) for key, text in _SHOWN.items() if key in manifest.metrics]
        table.add_row(
            checkpoint.ref,
            ", ".join(aliases.get(checkpoint.ref, ())),
            manifest.stage,
            " + ".join(parent.name for parent in manifest.all_parents),
            manifest.profile,
            manifest.created[:16].replace("T", " "),
            ", ".join(figures),
            f"{sizes[checkpoint.ref] / 1e6:,.1f} MB",
            str(checkpoint.folder),
        )
    return table


def study_table(checkpoint: Checkpoint) -> Table:
    """Returns a table with one row a trial of the search that a checkpoint came out of."""
    header, rows = trial_rows(json.loads((checkpoint.folder / STUDY).read_text(encoding="utf-8")))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in header:
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    return table


def figure_table(lines: Sequence[tuple[str, str]]) -> Table:
    """Returns a table of names and their values."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in lines:
        table.add_row(name, Text(value))
    return table
