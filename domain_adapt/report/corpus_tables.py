"""What was read, kept and dropped, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table


def source_table(statistics: Mapping[str, Any]) -> Table:
    """Returns what each source gave: documents read and kept, characters kept, licence."""
    table = Table(title="sources", title_justify="left")
    table.add_column("source")
    for heading in ("read", "kept", "M characters", "kept share"):
        table.add_column(heading, justify="right")
    table.add_column("licence")
    for entry in statistics["sources"]:
        share = entry["characters"] / max(1, entry["characters_read"])
        table.add_row(
            entry["name"],
            f"{entry['documents_read']:,}",
            f"{entry['documents']:,}",
            f"{entry['characters'] / 1e6:,.2f}",
            f"{share:.1%}",
            entry["licence"],
        )
    return table


def dropped_table(statistics: Mapping[str, Any]) -> Table:
    """Returns how many documents were dropped for each reason, and what was scrubbed."""
    table = Table(title="dropped", title_justify="left")
    table.add_column("reason")
    table.add_column("documents", justify="right")
    table.add_column("of those read", justify="right")
    for reason, count in sorted(statistics["dropped"].items(), key=lambda item: -item[1]):
        table.add_row(reason, f"{count:,}", f"{count / max(1, statistics['documents_read']):.2%}")
    for kind, count in statistics["scrubbed"].items():
        table.add_row(f"scrubbed: {kind}", f"{count:,}", "")
    return table


def step_table(timings: Mapping[str, float], characters: int) -> Table:
    """Returns the seconds of every step, over all processes, and how fast it was."""
    table = Table(title="steps, when these documents were made", title_justify="left")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    table.add_column("M characters/s", justify="right")
    for step, seconds in timings.items():
        table.add_row(step, f"{seconds:,.1f}", f"{characters / 1e6 / seconds:,.1f}" if seconds >= 0.05 else "")
    return table
