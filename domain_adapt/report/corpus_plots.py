"""Plots of a corpus as inline SVG, in the colours of the page around them."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from domain_adapt.report.corpus_tables import length_range

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that stand for variables of the page's style sheet, so that a plot follows light and dark.
_VARIABLES = {"#010101": "var(--ink)", "#020202": "var(--accent)", "#030303": "var(--line)", "#040404": "var(--soft)"}
_INK, _ACCENT, _LINE, _SOFT = _VARIABLES
_WIDTH, _ROW = 9.4, 0.34  # inches: as wide as the page's text; a bar and the space around it


def length_plot(profile: Mapping[str, Any]) -> str:
    """Returns a histogram of the documents' lengths in tokens."""
    bins = profile["lengths"]
    estimated = ", estimated" if profile["is_estimated"] else ""

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import StrMethodFormatter

        axes.bar(range(len(bins)), [entry["documents"] for entry in bins], width=0.86, color=_ACCENT)
        axes.set_xticks(range(len(bins)), [length_range(entry).replace(" to ", "\u2013") for entry in bins])
        axes.set_xlabel(f"tokens in a document{estimated}")
        axes.set_ylabel("documents")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.tick_params(axis="x", labelsize=8, rotation=30 if len(bins) > 8 else 0)
        axes.grid(axis="y", color=_LINE, linewidth=0.7)

    return _svg("lengths", 2.8, draw)


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
        drawn = axes.barh(range(len(bars)), values, height=0.68, color=_ACCENT)
        texts = [f"{value:.1%}" if percent else f"{value:,.0f}" for value in values]
        axes.bar_label(drawn, texts, padding=4, fontsize=9, color=_INK)
        axes.set_yticks(range(len(bars)), [text.replace("$", r"\$") for text, _ in bars])
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
        axes.grid(axis="x", color=_LINE, linewidth=0.7)

    return _svg(name, 0.8 + _ROW * len(bars), draw)


def _svg(name: str, height: float, draw: Any) -> str:
    """Returns a figure as an ``<svg>`` element, always the same text for the same figures."""
    import matplotlib
    from matplotlib.figure import Figure  # not pyplot, which keeps figures and chooses a window system

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",  # text stays text, in the page's font
        "svg.hashsalt": name,
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "axes.edgecolor": _LINE,
        "xtick.color": _LINE,
        "ytick.color": _LINE,
        "xtick.labelcolor": _INK,
        "ytick.labelcolor": _INK,
        "font.size": 9,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained", facecolor="none")
        axes = figure.subplots()
        axes.set_facecolor("none")
        axes.set_axisbelow(True)
        draw(axes)
        axes.spines[["top", "right"]].set_visible(False)
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    return _inline(written.getvalue(), name)


def _inline(svg: str, name: str) -> str:
    """Returns the element alone, with ids that no other plot has, colours as variables and a width that adapts."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\bid=\"", f'id="{name}-', svg)
    svg = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", svg)
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*" ', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*" ', r'<svg role="img" \1', svg, count=1)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", svg)  # the page's font
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    return svg
