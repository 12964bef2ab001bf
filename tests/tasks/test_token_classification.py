import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import FinetuneSettings, TaskRecipe
from domain_adapt.tasks import task_type
from domain_adapt.tasks.label_loss import IGNORED
from domain_adapt.tasks.token_classification.data import Example, load_examples
from domain_adapt.tasks.token_classification.features import Objective, Settings, bio_tags, featurise
from domain_adapt.tasks.token_classification.metric import EntityMetric
from domain_adapt.tasks.token_classification.reading import Entity

TAGS = tuple(bio_tags(["drug", "disease"]))
KIND = task_type("token-classification")
TEXT = "Patients with chest pain were examined; fever began on the second day."


def example(*spans, text=TEXT):
    entities = tuple(Entity(text.index(part), text.index(part) + len(part), label) for part, label in spans)
    return Example("1", text, entities, "f:1")


def gold_logits(features):
    """Returns logits that say the right tag at every word."""
    whole = np.zeros((len(features.tags), len(TAGS)), dtype=np.float32)
    words = features.tags != IGNORED
    whole[words, features.tags[words]] = 1
    return np.split(whole, features.row_splits[1:-1])


def test_tags_of_labels():
    assert TAGS == ("O", "B-disease", "I-disease", "B-drug", "I-drug")


def test_a_word_is_tagged_at_its_first_token(tokenizer):
    features = featurise([example(("chest pain", "disease"), ("fever", "drug"))], tokenizer, Settings(64, TAGS))
    tagged = features.tags[features.tags != IGNORED]
    words = [TEXT[begin:end] for begin, end in features.word_spans[0]]
    assert words == ["Patients", "with", "chest", "pain", "were", "examined", ";", "fever", "began"] + [
        *("on", "the", "second", "day", ".")
    ]
    assert [TAGS[tag] for tag in tagged] == ["O", "O", "B-disease", "I-disease", "O", "O", "O", "B-drug"] + ["O"] * 6
    assert len(tagged) == len(words) and features.tags[0] == IGNORED


@pytest.mark.parametrize("length", [8, 12, 64])
def test_right_tags_give_the_entities_back_however_the_text_is_cut(tokenizer, length):
    examples = [example(("chest pain", "disease"), ("fever", "drug")), example(("second day", "drug")), example()]
    settings = Settings(length, TAGS)
    features = featurise(examples, tokenizer, settings)
    assert features.lengths.max() <= length and set(features.example_index) == {0, 1, 2}
    found = KIND.decode(gold_logits(features), features, examples, settings)
    assert [prediction.entities for prediction in found] == [one.entities for one in examples]


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([None, "drug", "disease"])), min_size=1, max_size=8))
def test_entities_of_whole_words_survive(wordpiece, pieces):
    parts, entities, at = [], [], 0
    for number, (length, label) in enumerate(pieces):
        part = " ".join(f"fever{number}{letter}" for letter in "abc"[:length])
        if label:
            entities.append(Entity(at, at + len(part), label))
        parts.append(part)
        at += len(part) + 1
    one = Example("1", " ".join(parts), tuple(entities))
    settings = Settings(24, TAGS)
    features = featurise([one], wordpiece, settings)
    assert KIND.decode(gold_logits(features), features, [one], settings)[0].entities == one.entities


def test_the_loss_counts_words_and_not_padding(wordpiece):
    examples = [example(("fever", "drug")), example(("fever", "drug"), text="fever")]
    features = featurise(examples, wordpiece, Settings(64, TAGS))
    objective = Objective(features, wordpiece.pad_token_id, FinetuneSettings())
    batch = objective.batch(np.array([0, 1]), 0)
    assert batch.targets == {"tag": 15}

    class Model(torch.nn.Module):
        def forward(self, input_ids, **other):
            return type("Outputs", (), {"logits": torch.zeros(*input_ids.shape, len(TAGS))})

    assert float(objective.loss(Model(), batch.inputs)["tag"]) == pytest.approx(15 * np.log(5), rel=1e-6)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "ab", "entities": [{"start": 0, "end": 3, "label": "x"}]}, "entity x 0:3 lies outside the text of 2"),
        (
            {"text": "abc", "entities": [{"start": 1, "end": 3, "label": "x"}, {"start": 0, "end": 2, "label": "y"}]},
            "entity x 1:3 overlaps the one before it",
        ),
        ({"tokens": ["a", "b"], "tags": ["O"]}, "2 tokens but 1 tags"),
    ],
)
def test_bad_rows_are_named(tmp_path, row, message):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(DomainAdaptError, match=rf"x.jsonl:1: .*{message}|x.jsonl:1: {message}"):
        load_examples([path])


def test_a_label_that_was_not_trained_on_is_named(wordpiece):
    with pytest.raises(DomainAdaptError, match="f:1: label 'test' does not occur in the training data"):
        KIND.featurise([example(("fever", "test"))], wordpiece, Settings(64, TAGS))


def spans(*found):
    return [{"start": start, "end": end, "label": label} for start, end, label in found]


def test_metric_by_hand():
    found = EntityMetric().compute(
        predictions=[spans((0, 5, "a"), (6, 9, "b")), spans((0, 5, "a"))],
        references=[spans((0, 5, "a"), (6, 8, "b")), spans((0, 5, "b"))],
    )
    # Of three predicted and three expected one agrees; label a: 2 * 1 / (2 + 1), label b: 0.
    assert found == pytest.approx({"precision": 100 / 3, "recall": 100 / 3, "f1": 100 / 3, "macro_f1": 100 / 3})
    nothing = EntityMetric().compute(predictions=[[]], references=[spans((0, 1, "a"))])
    assert nothing == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "macro_f1": 0.0}


def test_texts_without_a_span_teach_nothing(tmp_path):
    recipe = TaskRecipe(name="t", type="token-classification")
    with pytest.raises(DomainAdaptError, match=r"^f:1: neither this nor another training text has a labelled span"):
        KIND.load_model(tmp_path, [example(), example()], recipe, seed=0)
