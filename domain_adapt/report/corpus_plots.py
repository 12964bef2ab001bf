"""Plots of a corpus as inline SVG, in the colours of the page around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from domain_adapt.report.corpus_tables import length_range
from domain_adapt.report.svg import ACCENT, INK, LINE, plain, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _ROW = 9.4, 0.34  # inches: as wide as the page's text; a bar and the space around it


def length_plot(profile: Mapping[str, Any]) -> str:
    """Returns a histogram of the documents' lengths in tokens."""
    bins = profile["lengths"]
    estimated = ", estimated" if profile["is_estimated"] else ""

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import StrMethodFormatter

        axes.bar(range(len(bins)), [entry["documents"] for entry in bins], width=0.86, color=ACCENT)
        axes.set_xticks(range(len(bins)), [length_range(entry).replace(" to ", "\u2013") for entry in bins])
        axes.set_xlabel(f"tokens in a document{estimated}")
        axes.set_ylabel("documents")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.tick_params(axis="x", labelsize=8, rotation=30 if len(bins) > 8 else 0)
        axes.grid(axis="y", color=LINE, linewidth=0.7)

    return svg("lengths", (_WIDTH, 2.8), draw)


def bar_plot(name: str, bars: Sequence[tuple[str, float]], label: str, *, percent: bool = False) -> str:
    """Returns horizontal bars, the first on top, with their values beside them.

    Args:
        name: Of the plot, unlike that of any other on the page.
        bars: Names and values.
        label: What is measured, with its unit.
        percent: Values are shares in [0, 1].
    """

    def draw(axes: Axes) -> None:
        values = [value for _, value in bars]
        drawn = axes.barh(range(len(bars)), values, height=0.68, color=ACCENT)
        texts = [f"{value:.1%}" if percent else f"{value:,.0f}" for value in values]
        axes.bar_label(drawn, texts, padding=4, fontsize=9, color=INK)
        axes.set_yticks(range(len(bars)), [plain(text) for text, _ in bars])
        axes.invert_yaxis()
        axes.set_xlim(0, 1 if percent else max([*values, 1]) * 1.12)  # room for the longest bar's value
        if percent:
            from matplotlib.ticker import PercentFormatter

            axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        else:
            from matplotlib.ticker import MaxNLocator, StrMethodFormatter

            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_xlabel(label)
        axes.grid(axis="x", color=LINE, linewidth=0.7)

    return svg(name, (_WIDTH, 0.8 + _ROW * len(bars)), draw)
