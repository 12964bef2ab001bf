"""The reliability diagram: how often predictions are right, by how sure the model is of them."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Container
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RELIABILITY_PLOT = "reliability.png"  # in the folder of a checkpoint

_BLUE, _PALE, _GREY = "#1f5a99", "#c6d8ec", "#777777"
_LINE = 56  # characters of a title that fit above the diagram
_NORMAL_95 = 1.96  # two-sided quantile of the normal distribution


@dataclass(frozen=True)
class Reliability:
    """Accuracy by confidence, in bins of equal width.

    Attributes:
        edges: (bins + 1,) float64, from 0 to 1.
        counts: (bins,) int64, predictions in each bin.
        confidence: (bins,) float64, mean confidence in [0, 1]; NaN in an empty bin.
        accuracy: (bins,) float64, share of right predictions in [0, 1]; NaN in an empty bin.
    """

    edges: np.ndarray
    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error in percent; lower is better."""
        filled = self.counts > 0
        gaps = np.abs(self.accuracy - self.confidence)[filled]
        return 100 * float(gaps @ self.counts[filled]) / int(self.counts.sum())


def reliability_plot(found: Reliability, title: str) -> bytes:
    """Returns the reliability diagram as PNG, always the same bytes for the same figures.

    Above, a point a bin: accuracy by mean confidence, with the 95 % interval of Wilson (1927), beside the diagonal on
    which a calibrated model lies. Below, how many predictions each bin has. The title ends with the calibration error.
    """
    from matplotlib.figure import Figure  # not pyplot, which keeps figures and chooses a window system

    figure = Figure(figsize=(5.2, 6.0), dpi=120, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _draw_accuracy(above, found)
    _draw_counts(below, found)
    lines = textwrap.wrap(title, _LINE)
    lines.append(f"expected calibration error {found.error:.1f} % of {found.counts.sum():,} predictions")
    figure.suptitle("\n".join(lines), fontsize=10, parse_math=False)  # a $ in a title is a $
    written = io.BytesIO()
    figure.savefig(written, format="png", metadata={"Software": None})  # no version of the library in the file
    return written.getvalue()


def plot_text(files: Container[str]) -> list[str]:
    """Returns what a model card says of the diagram, if it is among the files of the checkpoint."""
    if RELIABILITY_PLOT not in files:
        return []
    return [
        f"![How often predictions are right, by confidence]({RELIABILITY_PLOT})",
        "On the diagonal, the model is right as often as it is sure; below it, less often.",
    ]


def _draw_accuracy(axes: Axes, found: Reliability) -> None:
    from matplotlib.ticker import PercentFormatter

    filled = found.counts > 0
    accuracy, counts = found.accuracy[filled], found.counts[filled]
    low, high = _interval(accuracy, counts)
    widths = np.diff(found.edges)
    axes.bar(found.edges[:-1][filled], accuracy, width=widths[filled], align="edge", color=_PALE, edgecolor="white")
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="calibrated")
    axes.errorbar(
        found.confidence[filled],
        accuracy,
        yerr=np.maximum([accuracy - low, high - accuracy], 0),
        fmt="o",
        markersize=4,
        color=_BLUE,
        elinewidth=1,
        capsize=2,
        label="predictions, 95 % interval",
        clip_on=False,  # points at 100 % are seen whole
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.01), ncols=2, fontsize=8, frameon=False)
    _tidy(axes)


def _draw_counts(axes: Axes, found: Reliability) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.bar(found.edges[:-1], found.counts, width=np.diff(found.edges), align="edge", color=_BLUE, edgecolor="white")
    axes.set(xlabel="confidence", ylabel="predictions")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.locator_params(axis="y", nbins=4, integer=True)
    _tidy(axes)


def _interval(shares: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lower and the upper end of the 95 % intervals of shares (Wilson 1927, doi:10.2307/2276774)."""
    weight = _NORMAL_95**2 / counts
    centre = (shares + weight / 2) / (1 + weight)
    half = np.sqrt(weight * shares * (1 - shares) + weight**2 / 4) / (1 + weight)
    return centre - half, centre + half


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
