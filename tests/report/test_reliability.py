import io
import subprocess
import sys

import matplotlib.image
import numpy as np
import pytest

from domain_adapt.report.reliability import Reliability, _interval, plot_text, reliability_plot
from domain_adapt.tasks.calibration import reliability

FOUND = reliability([0.2, 0.55, 0.75, 0.8, 0.99, 1.0], [False, True, False, True, True, True])


def pixels(png):
    return matplotlib.image.imread(io.BytesIO(png), format="png")


def test_the_same_figures_make_the_same_bytes_and_others_do_not():
    drawn = reliability_plot(FOUND, "medical-topics, test part")
    assert drawn == reliability_plot(FOUND, "medical-topics, test part")
    assert drawn.startswith(b"\x89PNG") and b"Software" not in drawn and b"tEXt" not in drawn
    assert drawn != reliability_plot(FOUND, "medical-topics, dev part")
    other = Reliability(FOUND.edges, FOUND.counts, FOUND.confidence, FOUND.accuracy[::-1])
    assert drawn != reliability_plot(other, "medical-topics, test part")


@pytest.mark.parametrize(
    ("confidence", "correct", "bins"), [([0.0], [False], 15), ([1.0], [True], 1), ([0.3] * 20_000, [True] * 20_000, 3)]
)
def test_extremes_can_be_drawn(confidence, correct, bins):
    image = pixels(reliability_plot(reliability(confidence, correct, bins), "x" * 200 + " $a$ $"))
    assert image.shape[:2] == (720, 624) and len(np.unique(image.reshape(-1, image.shape[2]), axis=0)) > 2


def test_interval_by_hand():
    # z = 1.96, n = 4, all right: centre (1 + z²/8) / (1 + z²/4), half (z²/8) / (1 + z²/4): 1 above, 4 / (4 + z²) below.
    low, high = _interval(np.array([1.0, 0.0]), np.array([4, 4]))
    assert low == pytest.approx([4 / (4 + 1.96**2), 0.0]) and high == pytest.approx([1.0, 1 - 4 / (4 + 1.96**2)])


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    code = (
        "import sys, matplotlib\n"
        "settings = lambda: {key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != 'backend'}\n"
        "before = settings()\n"  # asking for the backend would choose one, and import pyplot
        "from domain_adapt.tasks.calibration import reliability\n"
        "from domain_adapt.report.reliability import reliability_plot\n"
        "reliability_plot(reliability([0.5], [True]), 'a')\n"
        "print('matplotlib.pyplot' in sys.modules, settings() == before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False True"


def test_a_card_shows_the_plot_where_there_is_one():
    assert plot_text({"config.json": "0" * 64}) == []
    assert "(reliability.png)" in plot_text({"reliability.png": "0" * 64})[0]
