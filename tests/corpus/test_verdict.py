from dataclasses import replace

import pytest

from domain_adapt.corpus.verdict import Figures, judge

FAR = Figures(tokens=1_000_000, overlap=0.27, overlap_words=10_000, fertility=1.3, general_fertility=1.1)
PLAIN = Figures(tokens=1_000_000, overlap=0.42, overlap_words=10_000, fertility=1.1, general_fertility=1.1)


def speaks(figures):
    return {reason.figure: reason.speaks for reason in judge(figures).reasons}


@pytest.mark.parametrize(
    ("figures", "outcome"),
    [
        (FAR, "adapt"),
        (replace(FAR, loss=1.32, general_loss=1.19), "adapt"),  # biomedical text in Gururangan et al. 2020
        (PLAIN, "adapt, but expect little"),  # nothing against it, nothing for it
        (replace(PLAIN, loss=2.1, general_loss=2.0), "adapt"),
        (replace(PLAIN, fertility=1.21), "adapt"),
        (replace(FAR, tokens=99_999), "adapt, but expect little"),
        (replace(FAR, tokens=100_000), "adapt"),
        (replace(FAR, tokens=9_999), "do not adapt"),
        (replace(FAR, overlap=0.5), "adapt, but expect little"),
        (replace(FAR, overlap=0.541, loss=1.08, general_loss=1.19), "do not adapt"),  # news
        (replace(FAR, overlap=0.541, tokens=50_000), "do not adapt"),
        (replace(FAR, overlap=0.0, overlap_words=0, general_fertility=None), "adapt, but expect little"),
    ],
)
def test_the_outcome(figures, outcome):
    assert judge(figures).outcome == outcome


def test_the_thresholds_of_each_figure():
    overlaps = (0.35, 0.351, 0.499, 0.4996)
    found = [speaks(replace(PLAIN, overlap=share))["overlap"] for share in overlaps]
    assert found == ["for", "neither", "neither", "against"]
    losses = (2.0, 2.05, 2.11)
    found = [speaks(replace(PLAIN, loss=loss, general_loss=2.0))["loss"] for loss in losses]
    assert found == ["against", "neither", "for"]
    assert [speaks(replace(PLAIN, fertility=value))["fertility"] for value in (0.5, 1.2, 1.22)] == [
        "neither",
        "neither",
        "for",
    ]


def test_reasons_name_figure_and_threshold():
    reasons = {reason.figure: reason for reason in judge(replace(FAR, tokens=50_000)).reasons}
    assert reasons["tokens"].value == "50,000 tokens" and "Fewer than 100,000 (rule of thumb)" in reasons["tokens"].text
    assert "task-adaptive" in reasons["tokens"].text
    assert reasons["overlap"].value == "27.0% of 10,000 words" and "At most 35%" in reasons["overlap"].text
    assert reasons["fertility"].value == "1.300 subwords a word, 1.100 in general English"
    assert "18.2% more than" in reasons["fertility"].text
    assert reasons["loss"].value == "not measured" and "no trained LM head" in reasons["loss"].text
