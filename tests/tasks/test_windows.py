from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PretrainedConfig

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import QuestionAnsweringSettings
from domain_adapt.tasks.question_answering.data import Answer, Example
from domain_adapt.tasks.question_answering.windows import Features, featurise, fit_to_model

SMALL = QuestionAnsweringSettings(max_length=32, stride=8)
LONG = " ".join(["Patients with fever, cough and chest pain were examined on the second day."] * 8)


def window(features: Features, number: int) -> slice:
    return slice(features.row_splits[number], features.row_splits[number + 1])


def recovered(features: Features, number: int, examples: list[Example]) -> str | None:
    if not features.end_labels[number]:
        return None
    offsets = features.offsets[window(features, number)]
    begin, end = offsets[features.start_labels[number], 0], offsets[features.end_labels[number], 1]
    return examples[features.example_index[number]].context[begin:end]


def test_one_window_byte_level_pair_has_two_separators(byte_bpe: Any):
    example = Example("a", "Who?", "The fever began.", (Answer("fever", 4),))
    features = featurise([example], byte_bpe, SMALL)
    ids = features.input_ids.tolist()
    assert ids[0] == 0 and ids[-1] == 2 and ids.count(2) == 3
    assert features.context_begin[0] == ids.index(2) + 2
    assert features.token_type_ids is None
    assert recovered(features, 0, [example]) == "fever"


def test_special_and_question_tokens_are_not_answerable(tokenizer: Any):
    features = featurise([Example("a", "fever fever", "fever")], tokenizer, SMALL)
    begin = int(features.context_begin[0])
    assert features.answerable[begin:-1].all()
    assert not features.answerable[:begin].any() and not features.answerable[-1]
    assert (features.offsets[:begin] == 0).all()


def test_windows_cover_the_context_and_know_their_place_in_it(tokenizer: Any):
    features = featurise([Example("a", "Who?", "short"), Example("b", "Which day?", LONG)], tokenizer, SMALL)
    assert features.lengths.max() <= 32
    assert features.example_index.tolist() == [0] + [1] * (len(features) - 1) and len(features) > 5
    whole = tokenizer(LONG, add_special_tokens=False)["input_ids"]
    seen = np.zeros(len(whole), dtype=int)
    for number in range(1, len(features)):
        tokens = features.input_ids[window(features, number)][features.context_begin[number] : -1]
        first = features.context_offset[number]
        assert tokens.tolist() == whole[first : first + len(tokens)]
        seen[first : first + len(tokens)] += 1
    assert seen.min() == 1 and seen.max() == 2
    assert (seen == 2).sum() == 8 * (len(features) - 2)  # neighbours share the stride


def test_answer_is_labelled_only_where_the_window_holds_all_of_it(tokenizer: Any):
    start = LONG.index("examined on the second day", 200)
    example = Example("a", "When?", LONG, (Answer("examined on the second day", start), Answer("Patients", 0)))
    features = featurise([example], tokenizer, SMALL)
    texts = [recovered(features, number, [example]) for number in range(len(features))]
    held = [text for text in texts if text is not None]
    assert held and set(held) == {"examined on the second day"}
    assert ((features.start_labels == 0) == (features.end_labels == 0)).all()
    for number, text in enumerate(texts):
        offsets = features.offsets[window(features, number)][features.answerable[window(features, number)]]
        holds = offsets[0, 0] <= start and offsets[-1, 1] >= start + len("examined on the second day")
        assert (text is not None) == holds


def test_unanswerable_question_is_labelled_with_the_first_token(tokenizer: Any):
    features = featurise([Example("a", "When?", LONG)], tokenizer, SMALL)
    assert not features.start_labels.any() and not features.end_labels.any()


def test_questions_longer_than_half_the_window_are_cut(tokenizer: Any):
    features = featurise([Example("a", LONG, LONG), Example("b", "", LONG)], tokenizer, SMALL)
    assert features.lengths.max() <= 32
    assert features.context_begin[features.example_index == 0].max() <= 16 + 3
    assert features.answerable.any()


def test_stride_larger_than_the_room_still_moves_on(tokenizer: Any):
    wide = QuestionAnsweringSettings(max_length=32, stride=31)
    features = featurise([Example("a", "When?", LONG)], tokenizer, wide)
    assert np.diff(features.context_offset).min() >= 3


def test_windows_do_not_depend_on_their_neighbours(tokenizer: Any):
    examples = [Example(str(number), "When?" * (number % 9 + 1), LONG[number:]) for number in range(150)]
    together = featurise(examples, tokenizer, SMALL)
    alone = featurise([examples[140]], tokenizer, SMALL)
    rows = np.flatnonzero(together.example_index == 140)
    assert together.input_ids[together.row_splits[rows[0]] : together.row_splits[rows[-1] + 1]].tolist() == (
        alone.input_ids.tolist()
    )


def test_length_is_limited_by_tokenizer_and_model(tokenizer: Any):
    features = featurise([Example("a", "When?", LONG * 3)], tokenizer, QuestionAnsweringSettings(max_length=512))
    assert features.lengths.max() == 128
    roberta = PretrainedConfig(max_position_embeddings=130, pad_token_id=1)
    roberta.model_type = "roberta"
    assert fit_to_model(QuestionAnsweringSettings(max_length=512), roberta).max_length == 128
    roberta.model_type = "bert"
    assert fit_to_model(QuestionAnsweringSettings(max_length=512), roberta).max_length == 130
    assert fit_to_model(SMALL, roberta).max_length == 32
    assert fit_to_model(SMALL, None).max_length == 32


def test_segment_ids_only_where_the_model_takes_them(wordpiece: Any):
    import copy

    segmented = copy.deepcopy(wordpiece)
    segmented.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    features = featurise([Example("a", "When?", "second day")], segmented, SMALL)
    assert features.token_type_ids is not None
    assert features.token_type_ids.shape == features.input_ids.shape


def test_slow_tokenizer_and_no_examples_are_errors(wordpiece: Any):
    with pytest.raises(DomainAdaptError, match="fast tokenizer"):
        featurise([Example("a", "q", "c")], object(), SMALL)
    with pytest.raises(DomainAdaptError, match="no labelled examples"):
        featurise([], wordpiece, SMALL)


def test_padded_rows(tokenizer: Any):
    features = featurise([Example("a", "Who?", "fever"), Example("b", "Who?", "fever and cough")], tokenizer, SMALL)
    matrix = features.padded(features.input_ids, np.array([1, 0]), -1)
    assert matrix.shape == (2, features.lengths.max())
    assert matrix[0].tolist() == features.input_ids[window(features, 1)].tolist()
    assert matrix[1][: features.lengths[0]].tolist() == features.input_ids[window(features, 0)].tolist()
    assert (matrix[1][features.lengths[0] :] == -1).all()


@given(
    words=st.lists(
        st.sampled_from(["fever,", "Amazônica", "(7,000)", "日本", "é́", "“second", "day”", "$5.00", "a"]), min_size=1
    ),
    data=st.data(),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_whole_words_between_spaces_round_trip_exactly(tokenizer: Any, words: list[str], data: st.DataObject):
    """A space in front of a token, a byte-level piece of a letter or a newline must not shift an answer."""
    spaces = data.draw(
        st.lists(st.sampled_from([" ", "  ", "\n", " \t", "\u00a0"]), min_size=len(words), max_size=len(words))
    )
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, min(first + 2, len(words) - 1)))
    context = "".join(space + word for space, word in zip(spaces, words, strict=True))
    begin = len("".join(space + word for space, word in zip(spaces[:first], words, strict=False))) + len(spaces[first])
    end = len("".join(space + word for space, word in zip(spaces[: last + 1], words, strict=False)))
    example = Example("a", "When?", context, (Answer(context[begin:end], begin),))
    features = featurise([example], tokenizer, QuestionAnsweringSettings(max_length=128, stride=40))
    texts = {recovered(features, number, [example]) for number in range(len(features))} - {None}
    assert texts == {context[begin:end]}
