"""Plots of a comparison as inline SVG: scores, differences, learning curves, losses, what was forgotten."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from domain_adapt.report.comparison import Contrast, Score
from domain_adapt.report.comparison_facts import interval, seed_interval, signed
from domain_adapt.report.svg import INK, LINE, PAPER, SOFT, plain, series_colour, shorten, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

# Inches, and points of type: as wide as a telephone's page (317 points on 335 pixels), so that type stays legible
# there; on a wide page two stand side by side.
_WIDTH, _TYPE = 4.4, 10.0
_ROW = 0.44  # inches: a bar and the space around it
_LABEL = 20  # characters of a label beside a bar or in a legend of two columns
_MARKERS = "osD^vPX<>*"
_POINTS = 150  # of a loss curve: two a pixel of the line would only make the page heavy
_CLOSE = 0.09  # share of the axis below which two tick labels would touch

Numbers = Mapping[str, int]  # label of a system -> number of its colour and marker


class Ability(NamedTuple):
    """A point of the plot of what was learnt and forgotten: the domain's metric, and what is measured in general."""

    system: str
    domain: float
    general: float


def score_plot(name: str, scores: Sequence[Score], numbers: Numbers, label: str) -> str:
    """Returns bars of the means, the first on top, with a ring for each seed and the mean's 95 % interval over seeds.

    Args:
        name: Of the plot, unlike that of any other on the page.
        scores: At least one.
        numbers: Of the systems' colours.
        label: What is measured.
    """

    def draw(axes: Axes) -> None:
        floor = min(0.0, *(min(score.values) for score in scores))
        ends = []
        for row, score in enumerate(scores):
            half, colour = seed_interval(score), series_colour(numbers[score.system])
            low, high = max(score.mean - half, floor), min(score.mean + half, 100.0)
            axes.barh(row, score.mean, height=0.62, color=colour, alpha=0.55)
            if half:
                axes.plot([low, high], [row, row], color=INK, linewidth=1.4, solid_capstyle="butt")
            places = [row + 0.16] * len(score.values) if half else [row] * len(score.values)
            axes.scatter(score.values, places, s=15, facecolor=PAPER, edgecolor=INK, linewidth=0.9, zorder=3)
            ends.append(max(high, *score.values))
            axes.annotate(f"{score.mean:.1f}", (ends[-1], row), (5, 0), textcoords="offset points", va="center")
        axes.set_xlim(floor * 1.05, max(*ends, 1.0) * 1.17)  # room for the figure beside the longest
        _rows(axes, [score.system for score in scores])
        axes.set_xlabel(label)

    shown = ", ".join(f"{score.system} {score.mean:.1f}" for score in scores)
    return svg(name, _size(len(scores)), draw, alternative=f"Bars of {label}: {shown}", font_size=_TYPE)


def difference_plot(name: str, contrasts: Sequence[Contrast], numbers: Numbers, label: str) -> str:
    """Returns the differences from the reference with their 95 % intervals beside a line at zero."""

    def draw(axes: Axes) -> None:
        axes.axvline(0, color=INK, linewidth=1.2)
        for row, one in enumerate(contrasts):
            colour = series_colour(numbers[one.system])
            axes.plot([one.low, one.high], [row, row], color=colour, linewidth=3, solid_capstyle="butt")
            axes.plot(
                [one.difference], [row], _MARKERS[numbers[one.system] % len(_MARKERS)], color=colour, markersize=8
            )
            axes.annotate(
                signed(one.difference).replace("-", "\u2212"),
                (max(one.high, 0.0), row),
                (6, 0),
                textcoords="offset points",
                va="center",
            )
        _rows(axes, [one.system for one in contrasts])
        low, high = min(0.0, *(one.low for one in contrasts)), max(0.0, *(one.high for one in contrasts))
        span = max(high - low, 1.0)  # a point: copies of one system do not differ at all
        axes.set_xlim(low - 0.06 * span, high + 0.22 * span)  # room for the figure beside the longest
        axes.set_xlabel(label)

    shown = ", ".join(f"{one.system} {signed(one.difference)} ({interval(one)})" for one in contrasts)
    alternative = f"Differences with 95 % intervals, {label}: {shown}"
    return svg(name, _size(len(contrasts) + 1), draw, alternative=alternative, font_size=_TYPE)


def learning_plot(name: str, scores: Sequence[Score], numbers: Numbers, label: str) -> str:
    """Returns the metric over the number of labels, a line and a band of one standard deviation for each system."""
    series = {system: [score for score in scores if score.system == system] for system in numbers}
    series = {system: sorted(found, key=lambda one: one.labels) for system, found in series.items() if found}

    def draw(axes: Axes) -> None:
        for system, found in series.items():
            counts, means = [max(one.labels, 1) for one in found], [one.mean for one in found]
            _line(axes, counts, means, numbers[system], marker=True)
            axes.fill_between(
                counts,
                [one.mean - one.deviation for one in found],
                [one.mean + one.deviation for one in found],
                color=series_colour(numbers[system]),
                alpha=0.13,
                linewidth=0,
            )
        axes.set_xscale("log")
        counts = sorted({max(one.labels, 1) for one in scores})
        axes.set_xticks(counts, _tick_texts(counts))
        axes.set_xticks([], minor=True)
        axes.set_xlabel("labelled examples to train on")
        axes.set_ylabel(label)
        _finish(axes, list(series))

    shown = "; ".join(
        f"{system} " + ", ".join(f"{one.mean:.1f} with {one.labels:,}" for one in found)
        for system, found in series.items()
    )
    return svg(
        name, _tall(len(series)), draw, alternative=f"Learning curves of {label} by labels: {shown}", font_size=_TYPE
    )


def loss_plot(name: str, curves: Mapping[str, Sequence[tuple[float, float]]], numbers: Numbers) -> str:
    """Returns the loss of stage 1 over the tokens seen; long curves are averaged in equal parts."""
    thinned = {system: _thin(curve) for system, curve in curves.items()}

    def draw(axes: Axes) -> None:
        for system, curve in thinned.items():
            _line(axes, [tokens / 1e6 for tokens, _ in curve], [value for _, value in curve], numbers[system])
        axes.set_xlabel("million tokens seen")
        axes.set_ylabel("masked-LM loss, nats a token")
        _finish(axes, list(thinned))

    shown = ", ".join(f"{system} ends at {curve[-1][1]:.2f}" for system, curve in thinned.items())
    return svg(
        name, _tall(len(thinned)), draw, alternative=f"Loss of stage 1 over tokens seen: {shown}", font_size=_TYPE
    )


def ability_plot(
    name: str, points: Sequence[Ability], reference: str, numbers: Numbers, labels: tuple[str, str]
) -> str:
    """Returns general ability over the domain's metric; dashed lines run through the reference.

    Args:
        name: Of the plot, unlike that of any other on the page.
        points: At least one.
        reference: Label of the system that the others are compared with.
        numbers: Of the systems' colours.
        labels: Of the horizontal and the vertical axis.
    """

    def draw(axes: Axes) -> None:
        drawn = []
        for point in points:
            is_reference = point.system == reference
            if is_reference:
                axes.axvline(point.domain, color=SOFT, linewidth=1, linestyle="--")
                axes.axhline(point.general, color=SOFT, linewidth=1, linestyle="--")
            drawn += axes.plot(
                [point.domain],
                [point.general],
                _MARKERS[numbers[point.system] % len(_MARKERS)],
                color=series_colour(numbers[point.system]),
                markersize=12 if is_reference else 9,
                markeredgecolor=INK,
                markeredgewidth=1.6 if is_reference else 0.6,
            )
        axes.margins(0.15)
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        axes.grid(color=LINE, linewidth=0.7)
        _legend(axes, [point.system for point in points], drawn)

    shown = ", ".join(f"{one.system} {one.domain:.1f} and {one.general:.2f}" for one in points)
    alternative = f"Points of {labels[0]} and {labels[1]}: {shown}"
    return svg(name, _tall(len(points)), draw, alternative=alternative, font_size=_TYPE)


def _size(rows: int) -> tuple[float, float]:
    return _WIDTH, 0.75 + _ROW * max(rows, 1)


def _tall(series: int) -> tuple[float, float]:
    return _WIDTH, 3.1 + 0.24 * math.ceil(series / 2)


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), [plain(shorten(label, _LABEL)) for label in labels])
    axes.set_ylim(len(labels) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=LINE, linewidth=0.7)


def _line(axes: Axes, x: Sequence[float], y: Sequence[float], number: int, *, marker: bool = False) -> None:
    axes.plot(
        x,
        y,
        color=series_colour(number),
        linewidth=1.8,
        linestyle="--" if number == 0 else "-",
        marker=_MARKERS[number % len(_MARKERS)] if marker else None,
        markersize=5.5,
    )


def _finish(axes: Axes, labels: Sequence[str]) -> None:
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    _legend(axes, labels, axes.get_lines())


def _legend(axes: Axes, labels: Sequence[str], lines: Sequence[Line2D]) -> None:
    """Names the lines below the plot."""
    # A label that begins with an underscore is left out of legends, but not behind a joiner without width.
    names = [f"\u2060{plain(shorten(label, _LABEL))}" for label in labels]
    figure = axes.get_figure(root=True)
    assert figure is not None  # svg() made it
    figure.legend(
        lines, names, loc="outside lower left", ncols=2, frameon=False, fontsize=_TYPE - 0.5, columnspacing=1.2
    )


def _tick_texts(counts: Sequence[int]) -> list[str]:
    """Returns the labels of a logarithmic axis; the last one stays, those that would touch one to their right go."""
    span = math.log(counts[-1] / counts[0]) or 1.0
    texts: list[str] = []
    right = math.inf
    for count in reversed(counts):
        place = math.log(count) / span
        is_clear = right - place >= _CLOSE
        texts.insert(0, f"{count:,}" if is_clear else "")
        right = place if is_clear else right
    return texts


def _thin(curve: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns means over equal parts of a curve, at most ``_POINTS`` of them, of what is a number."""
    sound = [(tokens, value) for tokens, value in curve if math.isfinite(tokens) and math.isfinite(value)]
    size = max(1, math.ceil(len(sound) / _POINTS))
    parts = [sound[start : start + size] for start in range(0, len(sound), size)]
    return [(sum(tokens for tokens, _ in one) / len(one), sum(value for _, value in one) / len(one)) for one in parts]
