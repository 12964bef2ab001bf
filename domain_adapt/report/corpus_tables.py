"""What was read, kept and dropped, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

_BAR = 40  # characters of the longest bar


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


def size_table(profile: Mapping[str, Any]) -> Table:
    """Returns how much text each source has: documents, characters, words, tokens."""
    table = Table(title="size", title_justify="left")
    table.add_column("source", overflow="fold")
    for heading in ("documents", "characters", "words", tokens_heading(profile)):
        table.add_column(heading, justify="right")
    table.add_column("licence", overflow="fold")
    for entry in profile["sources"]:
        table.add_row(escape(entry["name"]), *_sizes(entry), escape(entry["licence"]))
    if len(profile["sources"]) > 1:
        table.add_section()
        table.add_row("all", *_sizes(profile), "")
    return table


def tokens_heading(profile: Mapping[str, Any]) -> str:
    """Returns what the column of tokens is called."""
    return "tokens (est.)" if profile["is_estimated"] else "tokens"


def length_table(profile: Mapping[str, Any]) -> Table:
    """Returns how many documents are how long, with bars."""
    estimated = ", estimated" if profile["is_estimated"] else ""
    table = Table(title=f"length of documents{estimated}", title_justify="left")
    table.add_column("tokens", justify="right")
    table.add_column("documents", justify="right")
    table.add_column("")
    most = max((entry["documents"] for entry in profile["lengths"]), default=0)
    for entry in profile["lengths"]:
        bar = "\u2588" * round(_BAR * entry["documents"] / max(1, most))
        table.add_row(length_range(entry), f"{entry['documents']:,}", bar)
    return table


def length_range(entry: Mapping[str, int]) -> str:
    """Returns ``64 to 127`` for a bin of the histogram."""
    low, last = entry["low"], entry["high"] - 1
    return f"{low:,}" if low >= last else f"{low:,} to {last:,}"


def distance_table(profile: Mapping[str, Any]) -> Table:
    """Returns how far the text is from general English and from tasks: vocabulary overlap, fertility."""
    table = Table(title="nearness", title_justify="left")
    table.add_column("to")
    table.add_column("most frequent words in common", justify="right")
    table.add_column("of so many words each", justify="right")
    for entry in profile["overlaps"]:
        table.add_row(escape(_overlap_name(entry["name"])), f"{entry['share']:.1%}", f"{entry['words']:,}")
    return table


def fertility_text(profile: Mapping[str, Any]) -> str:
    """Returns a sentence on how many subwords the base splits words into."""
    general = profile["general_fertility"]
    compared = "" if general is None else f", {general:.3f} on general English (dictionary entries)"
    estimated = " (estimated)" if profile["is_estimated"] else ""
    return f"subwords a word: {profile['fertility']:.3f} on this corpus{estimated}{compared}"


def term_table(profile: Mapping[str, Any], columns: int = 3) -> Table:
    """Returns the most typical words, in several columns, read downward."""
    table = Table(title="typical words, and how often in a million words", title_justify="left")
    for _ in range(columns):
        table.add_column("word", no_wrap=True)
        table.add_column("here", justify="right")
        table.add_column("general", justify="right")
    cells = [
        (escape(term["word"]), f"{term['per_million']:,.0f}", f"{term['general_per_million']:,.1f}")
        for term in profile["terms"]
    ]
    height = -(-len(cells) // columns)
    for row in range(height):
        table.add_row(*(cell for found in cells[row::height] for cell in found))
    return table


def reason_table(reasons: Sequence[Mapping[str, str]]) -> Table:
    """Returns what each figure says for or against adapting."""
    table = Table(title="reasons", title_justify="left")
    for heading in ("figure", "value", "speaks", "why"):
        table.add_column(heading, overflow="fold")
    for reason in reasons:
        table.add_row(*(escape(reason[key]) for key in ("figure", "value", "speaks", "text")))
    return table


def _sizes(entry: Mapping[str, Any]) -> list[str]:
    return [f"{entry[figure]:,}" for figure in ("documents", "characters", "words", "tokens")]


def _overlap_name(name: str) -> str:
    return name if name == "general English" else f"task {name}"
