"""The metric against the definition of SQuAD 1.1 and 2.0, written anew here, on answers scored by hand.

The definition (Rajpurkar et al. 2016 and 2018, evaluate-v1.1.py and evaluate-v2.0.py): lower case, ASCII punctuation
away, then the words a, an and the, then white space as one blank; exact match of what is left; F1 over its words, each
counted as often as both have it; the best of the accepted answers counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.tasks.question_answering.metric import SquadMetric, exact_match, f1, normalise

PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
ARTICLES = frozenset({"a", "an", "the"})

# (prediction, accepted answers, exact match, F1), in the order: what vanishes, quotes, hyphens, numbers, counts, case,
# white space, other languages, articles that are none, several answers.
FORTY = [
    ("the", ["an"], 1, Fraction(1)),
    ("the", ["heart"], 0, Fraction(0)),
    ("...", ["?!"], 1, Fraction(1)),
    ("!", ["the"], 1, Fraction(1)),
    ("the, a an", [""], 1, Fraction(1)),
    ("heart", [""], 0, Fraction(0)),
    ("kidney", ["the"], 0, Fraction(0)),
    ("", ["heart"], 0, Fraction(0)),
    ("heart", [], 0, Fraction(0)),
    ("", [], 1, Fraction(1)),
    ("“heart”", ["heart"], 0, Fraction(0)),
    ("“the heart”", ["“heart”"], 0, Fraction(0)),  # “ and heart” against “heart”
    ("heart's", ["hearts"], 1, Fraction(1)),
    ("heart\u2019s", ["hearts"], 0, Fraction(0)),  # a typographic apostrophe
    ("heart-attack", ["heart attack"], 0, Fraction(0)),
    ("heart-attack", ["heartattack"], 1, Fraction(1)),
    ("from 1990 to 1995", ["1990\u20131995"], 0, Fraction(0)),  # an en dash
    ("1,000", ["1000"], 1, Fraction(1)),
    ("1 000", ["1,000"], 0, Fraction(0)),
    ("$3.5 million", ["3.5 million dollars"], 0, Fraction(4, 5)),  # 2 of 2, 2 of 3
    ("left left", ["left"], 0, Fraction(2, 3)),  # 1 of 2, 1 of 1
    ("left left left", ["left left right"], 0, Fraction(2, 3)),  # 2 of 3, 2 of 3
    ("a a the heart an", ["heart"], 1, Fraction(1)),
    ("The HEART", ["heart"], 1, Fraction(1)),
    ("STRASSE", ["straße"], 0, Fraction(0)),  # lower case, not case folding
    ("ÉNERGIE", ["énergie"], 1, Fraction(1)),
    ("İzmir", ["izmir"], 0, Fraction(0)),  # İ becomes i and a dot above
    ("left\theart\n", ["  left heart"], 1, Fraction(1)),
    ("left\u00a0heart", ["left heart"], 1, Fraction(1)),
    ("left\u200bheart", ["left heart"], 0, Fraction(0)),  # a zero-width space is none
    ("la casa", ["casa"], 0, Fraction(2, 3)),  # 1 of 2, 1 of 1
    ("l'heure", ["heure"], 0, Fraction(0)),
    ("à la carte", ["la carte"], 0, Fraction(4, 5)),  # 2 of 3, 2 of 2
    ("the\u0301", ["th\u00e9"], 0, Fraction(0)),  # a mark is no part of a word: only the mark is left of the first
    ("vitamin A", ["vitamin"], 1, Fraction(1)),
    ("an-the", ["anthe"], 1, Fraction(1)),  # punctuation goes before the articles do
    ("a_b", ["ab"], 1, Fraction(1)),
    ("left heart", ["kidney", "the left heart muscle", "left"], 0, Fraction(4, 5)),  # 0, 4/5, 2/3
    ("in 1990", ["1990", "in 1991"], 0, Fraction(2, 3)),  # 2/3, 1/2
    ("heart", ["the", "heart"], 1, Fraction(1)),
]
# Beyond the forty, what is easily missed: a question without answers is right when nothing is left of the prediction,
# and of several answers those of which nothing is left do not count.
EASILY_MISSED = [
    ("the", [], 1, Fraction(1)),
    ("...", [], 1, Fraction(1)),
    (" ", [], 1, Fraction(1)),
    ("", ["the", "heart"], 0, Fraction(0)),
    ("an", ["the", "heart"], 0, Fraction(0)),
]


def words(text: str) -> list[str]:
    kept = "".join(letter for letter in text.lower() if letter not in PUNCTUATION)
    runs = ("".join(run) for _, run in groupby(kept, lambda letter: letter.isalnum() or letter == "_"))
    return "".join(" " if run in ARTICLES else run for run in runs).split()


def overlap(prediction: list[str], answer: list[str]) -> Fraction:
    left = list(answer)
    for word in prediction:
        if word in left:
            left.remove(word)
    common = len(answer) - len(left)
    if common == 0:
        return Fraction(0)
    precision, recall = Fraction(common, len(prediction)), Fraction(common, len(answer))
    return 2 * precision * recall / (precision + recall)


def squad_1_1(prediction: str, answers: Sequence[str]) -> tuple[int, Fraction]:
    predicted = words(prediction)
    return (
        max(int(predicted == words(answer)) for answer in answers),
        max(overlap(predicted, words(answer)) for answer in answers),
    )


def squad_2_0(prediction: str, answers: Sequence[str]) -> tuple[int, Fraction]:
    predicted = words(prediction)
    accepted = [words(answer) for answer in answers if words(answer)] or [[]]
    exact = max(int(predicted == answer) for answer in accepted)
    scores = [
        overlap(predicted, answer) if predicted and answer else Fraction(predicted == answer) for answer in accepted
    ]
    return exact, max(scores)


def percent(values: Sequence[int] | Sequence[Fraction]) -> float:
    return float(100 * Fraction(sum(values)) / len(values))


def test_forty_cases():
    assert len(FORTY) == 40 and len({(prediction, *answers) for prediction, answers, _, _ in FORTY}) == 40


@pytest.mark.parametrize(("prediction", "answers", "exact", "score"), FORTY + EASILY_MISSED)
def test_the_definition_here_gives_the_values_by_hand(prediction, answers, exact, score):
    assert squad_2_0(prediction, answers) == (exact, score)


@pytest.mark.parametrize(("prediction", "answers", "exact", "score"), FORTY + EASILY_MISSED)
def test_the_metric_gives_the_values_by_hand(prediction, answers, exact, score):
    scores = SquadMetric().compute(predictions=[prediction], references=[answers])
    assert scores["exact_match"] == 100 * exact
    assert scores["f1"] == pytest.approx(float(100 * score), abs=1e-12)


@pytest.mark.parametrize("text", sorted({text for one, more, _, _ in FORTY + EASILY_MISSED for text in (one, *more)}))
def test_normalising(text):
    assert normalise(text) == " ".join(words(text))


def test_all_parts_of_a_set():
    found = SquadMetric().compute(
        predictions=[prediction for prediction, *_ in FORTY], references=[answers for _, answers, _, _ in FORTY]
    )
    answered = [case for case in FORTY if case[1]]
    unanswerable = [case for case in FORTY if not case[1]]
    assert (len(answered), len(unanswerable)) == (38, 2)
    assert found == {
        "exact_match": pytest.approx(percent([exact for *_, exact, _ in FORTY])),
        "f1": pytest.approx(percent([score for *_, score in FORTY])),
        "has_answer_exact_match": pytest.approx(percent([exact for *_, exact, _ in answered])),  # HasAns_exact
        "has_answer_f1": pytest.approx(percent([score for *_, score in answered])),  # HasAns_f1
        "no_answer_accuracy": percent([exact for *_, exact, _ in unanswerable]),  # NoAns_exact, which is NoAns_f1
    }
    # By hand: 17 are exact; of the others four have an F1 of 2/3 and three of 4/5.
    assert sum(exact for *_, exact, _ in FORTY) == 17
    assert sum(score for *_, score in FORTY) == 17 + 4 * Fraction(2, 3) + 3 * Fraction(4, 5)


def test_where_1_1_and_2_0_part_the_metric_goes_with_2_0():
    """evaluate-v1.1.py has no rule for answers of which nothing is left: they match, and their F1 is 0."""
    assert squad_1_1("the", ["an"]) == (1, 0) and squad_2_0("the", ["an"]) == (1, 1)
    assert (exact_match("the", "an"), f1("the", "an")) == (1, 1)
    for prediction, answers, exact, score in FORTY:
        if words(prediction) and any(words(answer) for answer in answers):
            assert squad_1_1(prediction, answers) == (exact, score)


pieces = st.sampled_from(["a", "The", "heart", "Heart!", "left", "“the", "é", "5.0", "1,000", "-", "the-", "''", "\t"])
anything = st.lists(pieces, max_size=5).map(" ".join)


@given(prediction=anything, answers=st.lists(anything, max_size=3))
@settings(deadline=None, max_examples=200)
def test_the_metric_is_the_definition(prediction: str, answers: list[str]):
    exact, score = squad_2_0(prediction, answers)
    found = SquadMetric().compute(predictions=[prediction], references=[answers])
    assert found["exact_match"] == 100 * exact
    assert found["f1"] == pytest.approx(float(100 * score), abs=1e-9)
