import math

import numpy as np
import pytest
from scipy import stats

from domain_adapt.report.comparison import Contrast, Score
from domain_adapt.report.comparison_facts import seed_interval, signed
from domain_adapt.report.comparison_plots import (
    Ability,
    _thin,
    _tick_texts,
    ability_plot,
    difference_plot,
    learning_plot,
    loss_plot,
    score_plot,
)
from domain_adapt.report.svg import plain, series_colour, shorten, svg


def score(system, values, labels=100):
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return Score(system, "qa", "task", labels, "f1", list(values), float(np.mean(values)), deviation)


def contrast(system, difference, half):
    low, high = difference - half, difference + half
    return Contrast(
        system, "base", "qa", "task", 100, "f1", difference, low, high, 0.5, 9, 3, "no difference shown", ""
    )


NUMBERS = {"base": 0, "a": 1, "b": 2}


def test_the_interval_over_seeds_is_students():
    values = [40.0, 42.0, 47.0]
    low, high = stats.t.interval(0.95, 2, loc=43.0, scale=stats.sem(values))
    assert seed_interval(score("a", values)) == pytest.approx((high - low) / 2)
    assert seed_interval(score("a", [40.0])) == 0.0


def test_bars_say_their_means_and_differences_their_sign():
    drawn = score_plot("s", [score("base", [40, 42]), score("a", [50.06, 50.06])], NUMBERS, "F1")
    assert ">41.0</text>" in drawn and ">50.1</text>" in drawn
    assert 'aria-label="Bars of F1: base 41.0, a 50.1"' in drawn and 'role="img"' in drawn
    drawn = difference_plot("d", [contrast("a", -2.5, 1.0)], NUMBERS, "F1")
    assert ">\u22122.5</text>" in drawn and "a -2.5 (-3.5 to -1.5)" in drawn


@pytest.mark.parametrize("values", [[0.0, 0.0], [-20.0, -10.0], [100.0, 99.0], [float(2**-40)]])
def test_bars_of_any_metric(values):
    assert "nan" not in score_plot("s", [score("base", values)], NUMBERS, "R²")


def test_a_difference_of_nothing_between_copies():
    assert ">+0.0</text>" in difference_plot("d", [contrast("a", -0.0, 0.0)], NUMBERS, "F1")
    assert [signed(value) for value in (-0.04, 0.0, -0.06, 1.25)] == ["+0.0", "+0.0", "-0.1", "+1.2"]


def test_labels_are_no_formulas_no_colours_and_not_hidden():
    scores = [score("$x_1$ #020202", [1, 2], 50), score("$x_1$ #020202", [2, 3], 500), score("_hidden", [1, 1], 50)]
    drawn = learning_plot("l", scores, {"$x_1$ #020202": 0, "_hidden": 1}, "F1")
    assert "$x_1$ #020202</text>" in drawn and "_hidden</text>" in drawn
    assert "var(--series0)" in drawn and "#0606" not in drawn


def test_scripts_that_the_measuring_font_lacks_are_drawn_without_a_warning(recwarn):
    drawn = score_plot("s", [score("心臓 قلب \x00", [1, 2])], {"心臓 قلب \x00": 0}, "F1")
    assert "心臓 قلب" in drawn and "\x00" not in drawn
    assert [str(one.message) for one in recwarn] == []


def test_ticks_that_would_touch_are_left_unnamed():
    assert _tick_texts([50, 100, 200, 500, 632]) == ["50", "100", "200", "500", "632"]
    assert _tick_texts([50, 600, 632]) == ["50", "", "632"]
    assert _tick_texts([10, 1_000]) == ["10", "1,000"] and _tick_texts([632]) == ["632"]


def test_long_curves_are_averaged():
    curve = [(float(step), 5.0 if step % 2 else 3.0) for step in range(1, 601)]
    thinned = _thin(curve)
    assert len(thinned) == 150 and {value for _, value in thinned} == {4.0} and thinned[0][0] == 2.5
    assert _thin([(1.0, 2.0), (2.0, math.nan), (3.0, math.inf)]) == [(1.0, 2.0)]


def test_plots_are_always_the_same():
    points = [Ability("base", 40.0, 3.1), Ability("a", 42.0, 3.4)]
    for draw in (
        lambda: ability_plot("p", points, "base", NUMBERS, ("F1", "loss")),
        lambda: loss_plot("c", {"a": [(1e5, 9.0), (2e5, 5.0)], "b": [(1e5, 8.0)]}, NUMBERS),
    ):
        assert draw() == draw()
    assert "stroke-dasharray" in ability_plot("p", points, "base", NUMBERS, ("F1", "loss"))  # through the reference
    assert "stroke-dasharray" not in ability_plot("p", points[1:], "base", NUMBERS, ("F1", "loss"))


def test_text_between_tags_is_left_alone():
    drawn = svg("n", (2, 1), lambda axes: axes.set_title(plain('id="x" url(#y) 1.23456 <b> $')), alternative='"<i>"')
    assert 'id="x" url(#y) 1.23456 &lt;b&gt; $' in drawn
    assert 'aria-label="&quot;&lt;i&gt;&quot;"' in drawn


def test_colours_go_round_but_for_the_references():
    assert len({series_colour(number) for number in range(10)}) == 10
    assert series_colour(10) == series_colour(1) and series_colour(18) == series_colour(9)
    assert all(series_colour(number) != series_colour(0) for number in range(1, 40))


def test_labels_are_shortened_in_the_middle():
    assert shorten("a  b\nc", 9) == "a b c"
    assert shorten("organisation/model-large", 11) == "organ…large" and len(shorten("x" * 99, 20)) == 20
