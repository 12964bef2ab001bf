from __future__ import annotations

import os
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.tasks.question_answering.metric import SquadMetric, exact_match, f1, normalise


@pytest.mark.parametrize(
    ("prediction", "answer", "exact", "overlap"),
    [
        ("heart", "heart", 1, 1),
        ("The heart", "heart", 1, 1),  # article
        ("an  heart\n", "A HEART", 1, 1),  # case, article, whitespace
        ("heart!", "heart", 1, 1),  # punctuation
        ("heart-attack", "heartattack", 1, 1),  # punctuation goes without leaving a space
        ("heart-attack", "heart attack", 0, 0),
        ("the left heart", "left heart muscle", 0, 0.8),  # 2 of 2 and 2 of 3 words
        ("left left", "left", 0, 2 / 3),  # a word counts as often as both have it
        ("kidney", "heart", 0, 0),
        ("café", "cafe", 0, 0),  # accents matter
        ("ÉNERGIE", "énergie", 1, 1),  # lower-casing is that of Unicode
        ("“heart”", "heart", 0, 0),  # only ASCII punctuation is taken away
        ("$5.00", "500", 1, 1),
        ("athe", "the athe", 1, 1),  # articles only as whole words
        ("the", "a", 1, 1),  # nothing left on either side
        ("...", "", 1, 1),
        ("...", "heart", 0, 0),
        ("", "heart", 0, 0),
        ("1990 to 1995", "from 1990 until 1995", 0, 4 / 7),
        ("a\u00a0heart", "heart", 1, 1),
    ],
)
def test_values_by_hand(prediction: str, answer: str, exact: float, overlap: float):
    assert exact_match(prediction, answer) == exact
    assert f1(prediction, answer) == pytest.approx(overlap, abs=1e-12)


def reference_words(text: str) -> list[str]:
    """The definition word by word: an independent way to the same thing."""
    kept = "".join(character for character in text.lower() if character not in string.punctuation)
    return [word for piece in re.split(r"(\W|_)", kept) if piece not in {"a", "an", "the"} for word in [piece]]


def reference_scores(prediction: str, answer: str) -> tuple[float, float]:
    left = "".join(piece or " " for piece in reference_words(prediction)).split()
    right = "".join(piece or " " for piece in reference_words(answer)).split()
    if not left or not right:
        return float(left == right), float(left == right)
    remaining = list(right)
    for word in left:
        if word in remaining:
            remaining.remove(word)
    common = len(right) - len(remaining)
    if not common:
        return 0.0, 0.0
    precision, recall = common / len(left), common / len(right)
    return float(left == right), 2 * precision * recall / (precision + recall)


phrases = st.lists(
    st.sampled_from(["a", "the", "An", "heart", "Heart!", "left", "é", "“x”", "5.0", "-", "the-", "''"])
).map(" ".join)


@given(prediction=phrases, answer=phrases)
@settings(deadline=None, max_examples=300)
def test_agrees_with_an_independent_definition(prediction: str, answer: str):
    exact, overlap = reference_scores(prediction, answer)
    assert exact_match(prediction, answer) == exact
    assert f1(prediction, answer) == pytest.approx(overlap, abs=1e-12)


@given(text=st.text())
@settings(deadline=None)
def test_normalising_twice_changes_no_spacing_and_scores_are_symmetric(text: str):
    once = normalise(text)
    assert once == " ".join(once.split())
    assert f1(text, text) == exact_match(text, text) == 1


def test_best_accepted_answer_counts_and_values_are_percent():
    scores = SquadMetric().compute(
        predictions=["the left heart", "day"], references=[["kidney", "left heart muscle", "x"], ["night"]]
    )
    assert scores == {"exact_match": 0.0, "f1": pytest.approx(40.0)}


def test_unanswerable_questions():
    scores = SquadMetric().compute(predictions=["", "heart", "", "heart"], references=[[], [], ["heart"], ["heart"]])
    assert scores == {
        "exact_match": 50.0,
        "f1": 50.0,
        "no_answer_accuracy": 50.0,
        "has_answer_exact_match": 50.0,
        "has_answer_f1": 50.0,
    }
    assert SquadMetric().compute(predictions=["the"], references=[[]])["exact_match"] == 100.0  # nothing is left of it
    assert SquadMetric().compute(predictions=[""], references=[[]]) == {
        "exact_match": 100.0,
        "f1": 100.0,
        "no_answer_accuracy": 100.0,
    }


def test_metric_object_can_be_used_again_and_in_batches():
    metric = SquadMetric()
    for _ in range(2):
        metric.add_batch(predictions=["heart"], references=[["heart"]])
        metric.add(prediction="day", reference=["night", "day"])
        assert metric.compute() == {"exact_match": 100.0, "f1": 100.0}


def test_nothing_is_written_below_home_and_no_network_is_asked(tmp_path: Path):
    code = (
        "import socket; socket.getaddrinfo = None; socket.socket.connect = None\n"
        "from domain_adapt.tasks.question_answering.metric import SquadMetric\n"
        "print(SquadMetric().compute(predictions=['a heart'], references=[['heart']]))\n"
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "XDG_"))}
    environment = kept | {"HOME": str(tmp_path), "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'exact_match': 100.0, 'f1': 100.0}"
    assert [path for path in tmp_path.rglob("*") if path.is_file() or "metrics" in path.name] == []
