from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain_adapt.recipes import QuestionAnsweringSettings
from domain_adapt.tasks.question_answering import decoding
from domain_adapt.tasks.question_answering.data import Example
from domain_adapt.tasks.question_answering.decoding import IMPOSSIBLE, best_spans, rank_spans
from domain_adapt.tasks.question_answering.windows import Features, featurise

WORDS = ["fever", "cough", "pain", "day", "heart", "bond", "price", "yield", "coupon"]


def brute_force(
    start: np.ndarray, end: np.ndarray, features: Features, example: int, longest: int
) -> tuple[dict[tuple[int, int], float], float]:
    """Every allowed (first, last) token pair of the whole context with its best score, and the null score."""
    spans: dict[tuple[int, int], float] = {}
    null = math.inf
    for row in np.flatnonzero(features.example_index == example):
        offsets = features.offsets[features.row_splits[row] : features.row_splits[row + 1]]
        null = min(null, float(start[row, 0] + end[row, 0]))
        for i in range(len(offsets)):
            for j in range(i, min(i + longest, len(offsets))):
                if offsets[i][1] > offsets[i][0] and offsets[j][1] > offsets[j][0]:
                    key = (int(offsets[i][0]), int(offsets[j][1]))
                    spans[key] = max(spans.get(key, -math.inf), float(start[row, i] + end[row, j]))
    return spans, null


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    longest=st.integers(1, 12),
    n_best=st.integers(1, 6),
    allow_null=st.booleans(),
    chunk=st.sampled_from([1, 4, 256]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_agrees_with_brute_force(
    wordpiece: Any, lengths: list[int], longest: int, n_best: int, allow_null: bool, chunk: int, seed: int
):
    generator = np.random.default_rng(seed)
    contexts = [" ".join(generator.choice(WORDS, size=length)) for length in lengths]
    examples = [Example(str(number), "which day", context) for number, context in enumerate(contexts)]
    chosen = QuestionAnsweringSettings(max_length=32, stride=8, max_answer_length=longest)
    features = featurise(examples, wordpiece, chosen)
    start, end = generator.normal(scale=4, size=(2, len(features), int(features.lengths.max()) + 3)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_CHUNK_WINDOWS", chunk)
        ranked = rank_spans(start, end, features, examples, chosen, n_best=n_best, allow_null=allow_null)
    for number, predictions in enumerate(ranked):
        spans, null = brute_force(start, end, features, number, longest)
        expected = sorted(spans.values(), reverse=True)
        if allow_null and math.exp(null) > sum(math.exp(score) for score in spans.values()):
            expected = [null, *expected]
        elif allow_null:
            expected = [expected[0], *sorted([null, *expected[1:]], reverse=True)]
        expected = expected[:n_best]
        assert [one.span_score for one in predictions] == pytest.approx(expected, abs=1e-4)
        mass = sum(math.exp(score) for score in [*spans.values(), null])
        for one in predictions:
            assert one.null_score == pytest.approx(null, abs=1e-4)
            assert 0 < one.score <= 1
            assert one.score == pytest.approx(math.exp(one.span_score) / mass, rel=1e-3, abs=1e-30)
            assert contexts[number][one.start : one.end] == one.text
            if one.text:
                assert spans[one.start, one.end] == pytest.approx(one.span_score, abs=1e-4)


def crafted(
    wordpiece: Any, context: str, start: dict[str, float], end: dict[str, float], **options: Any
) -> tuple[Any, Features]:
    """Decodes logits given by word; the question is ``fever heart``."""
    example = Example("a", "fever heart", context)
    chosen = QuestionAnsweringSettings(max_length=64, stride=8, max_answer_length=options.pop("longest", 30))
    features = featurise([example], wordpiece, chosen)
    logits = []
    for table in (start, end):
        row = np.zeros((1, int(features.lengths[0])), dtype=np.float32)
        for word, value in table.items():
            place = 0 if word == "[CLS]" else 1 if word == "Q" else None
            if place is None:
                edge, column = (context.index(word), 0) if table is start else (context.index(word) + len(word), 1)
                place = int(np.flatnonzero(features.answerable & (features.offsets[:, column] == edge))[-1])
            row[0, place] = value
        logits.append(row)
    return best_spans(*logits, features, [example], chosen, allow_null=options.pop("allow_null", False))[0], features


def test_reversed_span_is_forbidden(wordpiece: Any):
    found, _ = crafted(wordpiece, "day pain cough", {"cough": 9, "day": -5}, {"day": 9, "pain": 2})
    assert (found.text, found.span_score) == ("cough", 9.0)


def test_span_longer_than_max_answer_length_is_forbidden(wordpiece: Any):
    context = "day pain cough bond"
    free, features = crafted(wordpiece, context, {"day": 9}, {"bond": 9, "pain": 1})
    assert free.text == context
    tokens = int((features.answerable & (features.offsets[:, 1] <= context.index(" cough"))).sum())
    short, _ = crafted(wordpiece, context, {"day": 9}, {"bond": 9, "pain": 1}, longest=tokens)
    assert short.text == "day pain"


def test_question_and_special_tokens_are_forbidden(wordpiece: Any):
    found, features = crafted(
        wordpiece, "day pain", {"Q": 50, "[CLS]": 60, "pain": 1}, {"Q": 50, "[CLS]": 60, "pain": 1}
    )
    assert found.text == "pain" and features.context_begin[0] > 1
    assert 0 < found.score < 1e-20


def test_null_wins_only_if_more_probable_than_all_spans_together_and_allowed(wordpiece: Any):
    """Compared with the best span alone, 70 questions taught a model to answer nothing but "no answer"."""
    spans = {"pain": 2.0}
    # Three spans, "day" 0, "day pain" 2, "pain" 4: together log(1 + e**2 + e**4) = 4.143, each side 2.0715.
    for null, allowed, text in [(1.9, True, "pain"), (2.07, True, "pain"), (2.1, True, ""), (2.1, False, "pain")]:
        logits = spans | {"[CLS]": null}
        found, _ = crafted(wordpiece, "day pain", logits, logits, allow_null=allowed)
        assert found.text == text
        if not text:
            assert (found.start, found.end) == (0, 0) and found.span_score == pytest.approx(4.2)


def test_null_score_is_the_least_over_windows(wordpiece: Any):
    example = Example("a", "fever", " ".join(WORDS * 6))
    chosen = QuestionAnsweringSettings(max_length=32, stride=8)
    features = featurise([example], wordpiece, chosen)
    assert len(features) >= 3
    start = np.zeros((len(features), 32), dtype=np.float32)
    start[:, 0] = np.arange(len(features)) + 5
    start[1, 0] = -7
    assert best_spans(start, start, features, [example], chosen, allow_null=True)[0].null_score == -14


def test_sure_answer_seen_in_two_windows_is_not_counted_twice(wordpiece: Any):
    example = Example("a", "fever", " ".join(WORDS * 6))
    chosen = QuestionAnsweringSettings(max_length=32, stride=12)
    features = featurise([example], wordpiece, chosen)
    token = int(features.context_offset[1]) + 3  # in the overlap of the first two windows
    logits = np.zeros((len(features), 32), dtype=np.float32)
    for row in (0, 1):
        logits[row, features.context_begin[row] + token - features.context_offset[row]] = 20
    assert best_spans(logits, logits, features, [example], chosen, allow_null=False)[0].score > 0.999


def test_context_without_a_visible_token_has_no_answer(wordpiece: Any):
    chosen = QuestionAnsweringSettings(max_length=32)
    examples = [Example("a", "fever", "\u200b"), Example("b", "fever", "day")]
    features = featurise(examples, wordpiece, chosen)
    logits = np.zeros((2, int(features.lengths.max())), dtype=np.float32)
    first, second = best_spans(logits, logits, features, examples, chosen, allow_null=False)
    assert (first.text, first.score) == ("", 1.0)
    assert second.text == "day"


def test_padding_value_can_be_added_to_itself():
    assert np.isfinite(np.float32(IMPOSSIBLE) + np.float32(IMPOSSIBLE))
