"""The metric out of sums is the metric that the task type reports."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.tasks import task_type
from domain_adapt.tasks.counting import POINTS
from domain_adapt.tasks.multiple_choice.data import Example as Choice
from domain_adapt.tasks.multiple_choice.task import Prediction as Chosen
from domain_adapt.tasks.question_answering.data import Answer
from domain_adapt.tasks.question_answering.data import Example as Question
from domain_adapt.tasks.question_answering.decoding import Prediction as Answered
from domain_adapt.tasks.text_classification.data import Example as Text
from domain_adapt.tasks.text_classification.decoding import Number, OneLabel, SeveralLabels
from domain_adapt.tasks.token_classification.data import Example as Tagged
from domain_adapt.tasks.token_classification.reading import Entity
from domain_adapt.tasks.token_classification.task import Prediction as Found

LABELS = st.sampled_from("abcd")


def agree(kind, metric, examples, predictions, known=()):
    task = task_type(kind)
    counts = task.counts(examples, predictions, known)
    expected = task.metric(examples, predictions)[metric]
    assert counts.metric() == pytest.approx(expected)
    sums = np.stack([counts.values.sum(axis=0)] * 2)
    assert POINTS[counts.points](sums) == pytest.approx([expected, expected])
    assert ((counts.scores >= 0) & (counts.scores <= 1)).all()
    return counts


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=20))
def test_one_label_a_text(pairs):
    examples = [Text(str(number), "x", right) for number, (right, _) in enumerate(pairs)]
    known = [Text("k", "x", label) for label in "abcdef"]
    counts = agree("text-classification", "macro_f1", examples, [OneLabel(one, 0.5) for _, one in pairs], known)
    assert counts.values.shape[1] == 12  # hits and mentions of six labels, whichever came
    assert counts.scores.tolist() == [float(right == one) for right, one in pairs]


@given(st.lists(st.tuples(st.frozensets(LABELS), st.frozensets(LABELS)), min_size=1, max_size=20))
def test_several_labels_a_text(pairs):
    examples = [Text(str(number), "x", tuple(sorted(right))) for number, (right, _) in enumerate(pairs)]
    agree("text-classification", "macro_f1", examples, [SeveralLabels(tuple(sorted(one)), {}) for _, one in pairs])


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=20))
def test_numbers(pairs):
    examples = [Text(str(number), "x", float(right)) for number, (right, _) in enumerate(pairs)]
    agree("text-classification", "r2", examples, [Number(float(one)) for _, one in pairs])


@given(st.lists(st.tuples(*[st.sets(st.tuples(st.integers(0, 3), LABELS), max_size=3)] * 2), min_size=1, max_size=9))
def test_entities(pairs):
    def entities(side):
        return tuple(Entity(start, start + 1, label) for start, label in sorted(side))

    examples = [Tagged(str(number), "text", entities(right)) for number, (right, _) in enumerate(pairs)]
    counts = agree("token-classification", "f1", examples, [Found(entities(one)) for _, one in pairs])
    assert counts.scores.tolist() == [
        2 * len(right & one) / (len(right) + len(one)) if right or one else 1.0 for right, one in pairs
    ]


WORDS = st.sampled_from(["", "the heart", "heart", "left heart", "lung"])


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=12))
def test_questions(pairs):
    examples = [
        Question(str(number), "?", right, (Answer(right, 0),) if right else ())
        for number, (right, _) in enumerate(pairs)
    ]
    agree(
        "question-answering",
        "f1",
        examples,
        [Answered(str(n), one, 0, len(one), 1, 0, 0, 0) for n, (_, one) in enumerate(pairs)],
    )


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12))
def test_choices(pairs):
    examples = [Choice(str(number), "?", ("a", "b", "c"), right) for number, (right, _) in enumerate(pairs)]
    agree("multiple-choice", "accuracy", examples, [Chosen(one, "abc"[one], 1.0) for _, one in pairs])


def test_what_a_reader_sees():
    question = Question("1", "Where?", "In the heart.", (Answer("the heart", 3), Answer("heart", 7)))
    shown = task_type("question-answering").show(question, Answered("1", "In", 0, 2, 1, 0, 0, 0))
    assert (shown.text, shown.context, shown.right, shown.answer) == ("Where?", "In the heart.", "the heart", "In")
    tagged = Tagged("1", "gout and flu", (Entity(0, 4, "disease"), Entity(9, 12, "disease")))
    shown = task_type("token-classification").show(tagged, None)
    assert (shown.right, shown.answer) == ("gout (disease); flu (disease)", "")
    shown = task_type("text-classification").show(Text("1", "x", ("a", "b"), pair="y"), SeveralLabels(("b",), {}))
    assert (shown.context, shown.right, shown.answer) == ("y", "a, b", "b")
