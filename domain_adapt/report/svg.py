"""Figures as inline SVG in the colours of the page around them, so that they follow light and dark."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SERIES = 10  # colours in the style sheet; the first is for what the others are compared with
# Colours that stand for variables of the page's style sheet.
_VARIABLES = {
    "#010101": "var(--ink)",
    "#020202": "var(--accent)",
    "#030303": "var(--line)",
    "#040404": "var(--soft)",
    "#050505": "var(--paper)",
    **{f"#06060{number}": f"var(--series{number})" for number in range(SERIES)},
}
INK, ACCENT, LINE, SOFT, PAPER, *_SERIES_COLOURS = _VARIABLES
# Characters that XML does not allow.
_REPLACED = "\ufffd"
_FORBIDDEN = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def series_colour(number: int) -> str:
    """Returns the colour of a series; 0 is what the others are compared with."""
    return _SERIES_COLOURS[number if number < SERIES else 1 + (number - 1) % (SERIES - 1)]


def shorten(label: str, length: int) -> str:
    """Returns a label on one line, its middle left out where it is too long for a plot."""
    label = " ".join(label.split())
    if len(label) <= length:
        return label
    head = (length - 1) // 2
    return f"{label[:head]}\u2026{label[len(label) - (length - 1 - head) :]}"


def plain(label: str) -> str:
    """Returns a label in which dollar signs are no formulas, without the characters that XML does not allow."""
    return _FORBIDDEN.sub(_REPLACED, label).replace("$", r"\$")


def svg(
    name: str,
    size: tuple[float, float],
    draw: Callable[[Axes], None],
    *,
    alternative: str = "",
    font_size: float = 9,
) -> str:
    """Returns a figure as an ``<svg>`` element, always the same text for the same figures.

    Args:
        name: Of the figure, unlike that of any other on the page: letters, digits, hyphens.
        size: Width and height in inches.
        draw: Draws into the axes.
        alternative: What the figure shows, for those who do not see it.
        font_size: In points of the size above.
    """
    import matplotlib
    from matplotlib.figure import Figure  # not pyplot, which keeps figures and chooses a window system

    settings: dict[Any, Any] = {
        "svg.fonttype": "none",  # text stays text, in the page's font
        "svg.hashsalt": name,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": LINE,
        "xtick.color": LINE,
        "ytick.color": LINE,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "font.size": font_size,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # The browser has the characters that matplotlib's own font lacks; here they are only measured.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font|Matplotlib currently does not support")
        figure = Figure(figsize=size, layout="constrained", facecolor="none")
        axes = figure.subplots()
        axes.set_facecolor("none")
        axes.set_axisbelow(True)
        draw(axes)
        axes.spines[["top", "right"]].set_visible(False)
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    return _inline(written.getvalue(), name, alternative)


def _inline(drawn: str, name: str, alternative: str) -> str:
    """Returns the element alone, with ids that no other plot has, colours as variables and a width that adapts."""
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>\s*", "", drawn, flags=re.DOTALL)
    label = f'aria-label="{escape(_FORBIDDEN.sub(_REPLACED, alternative))}" ' if alternative else ""
    drawn = re.sub(r'<svg ([^>]*?)width="[^"]*" ', r"<svg \1", drawn, count=1)
    drawn = re.sub(r'<svg ([^>]*?)height="[^"]*" ', lambda found: f'<svg role="img" {label}{found[1]}', drawn, count=1)
    start = drawn.index(">")
    return drawn[:start] + re.sub(r"<[^>]*>", lambda found: _tag(found[0], name), drawn[start:])


def _tag(tag: str, name: str) -> str:
    """Returns a tag with its own ids and colours; what stands between tags is the user's text."""
    tag = re.sub(r"\bid=\"", f'id="{name}-', tag)
    tag = re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", tag)
    tag = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", tag)  # the page's font
    tag = re.sub(r"(\.\d\d)\d+", r"\1", tag)  # hundredths of a point are more than a screen shows
    return re.sub(r"#0[1-6]0[1-6]0\d", lambda found: _VARIABLES.get(found[0], found[0]), tag)
