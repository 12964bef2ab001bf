from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.tasks.question_answering.data import Answer, Example
from domain_adapt.tasks.question_answering.decoding import Prediction
from domain_adapt.tasks.question_answering.metric import score_each
from domain_adapt.tasks.question_answering.threshold import best_threshold


def case(number: int, has_answer: bool, text: str, margin: float) -> tuple[Example, Prediction]:
    answers = (Answer("heart", 0),) if has_answer else ()
    return (
        Example(str(number), "What?", "heart and lung", answers),
        Prediction(str(number), text, 0, len(text), 0.5, 0.0, 0.0, margin),
    )


def mean_f1(cases: list[tuple[Example, Prediction]], threshold: float) -> float:
    texts = [prediction.text if prediction.margin >= threshold else "" for _, prediction in cases]
    references = [[answer.text for answer in example.answers] for example, _ in cases]
    return float(score_each(texts, references)[1].mean())


def tuned(cases: list[tuple[Example, Prediction]]) -> float:
    return best_threshold([example for example, _ in cases], [prediction for _, prediction in cases])


def test_by_hand():
    """Answered down to a margin of 2 all but the wrong one are right: 4 of 5; the middle to the next is 1.5."""
    cases = [
        case(0, True, "heart", 5.0),
        case(1, True, "lung", 4.0),
        case(2, True, "heart", 2.0),
        case(3, False, "lung", 1.0),
        case(4, False, "lung", -3.0),
    ]
    assert tuned(cases) == 1.5
    assert mean_f1(cases, 1.5) == pytest.approx(0.8)


def test_never_and_always():
    assert tuned([case(0, False, "heart", 3.0), case(1, False, "heart", 2.0)]) == 4.0
    assert tuned([case(0, True, "heart", -3.0), case(1, True, "heart", -2.0)]) == -4.0


def test_equal_margins_are_not_torn_apart():
    cases = [case(0, True, "heart", 1.0), case(1, False, "lung", 1.0), case(2, False, "lung", 0.0)]
    assert tuned(cases) == 0.5  # answering both of 1.0 is as good as answering none; 0.5 is nearer to 0 than 2.0


cases = st.lists(st.tuples(st.booleans(), st.sampled_from(["heart", "lung"]), st.integers(-4, 4)), min_size=1)


@given(rows=cases)
@settings(deadline=None, max_examples=200)
def test_no_threshold_is_better(rows: list[tuple[bool, str, int]]):
    made = [case(number, has, text, float(margin)) for number, (has, text, margin) in enumerate(rows)]
    found = mean_f1(made, tuned(made))
    assert found == pytest.approx(max(mean_f1(made, limit / 2) for limit in range(-11, 12)), abs=1e-9)
