import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import FinetuneSettings
from domain_adapt.tasks import task_type
from domain_adapt.tasks.text_classification.data import Example, load_examples
from domain_adapt.tasks.text_classification.features import Objective, Settings, featurise
from domain_adapt.tasks.text_classification.metric import ClassificationMetric
from domain_adapt.tasks.text_classification.task import Prediction

SETTINGS = Settings(16, ("a", "b"))
EXAMPLES = [Example("1", "Fever and cough.", "b"), Example("2", "The heart pumps blood into the aorta.", "a")]


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [path]


def test_loading(tmp_path):
    rows = [{"id": 7, "text": "Fever.", "label": 1}, {"text": "Cough.", "label": "b"}]
    found = load_examples(write(tmp_path / "x.jsonl", *rows)).examples
    assert [(one.id, one.label) for one in found] == [("7", "1"), (f"{tmp_path}/x.jsonl:2", "b")]
    assert "x.jsonl" not in repr(found[0])  # where a file lies is no part of what it says


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "a"}], "x.jsonl:1: field 'label' is missing"),
        ([{"text": "a", "label": None}], "x.jsonl:1: field 'label': expected a text or a whole number, found null"),
        ([{"text": " ", "label": "a"}], "x.jsonl:1: id .* the text is blank"),
        ([{"id": 1, "text": "a", "label": "a"}] * 2, "x.jsonl:2: id '1' was used before, at .*x.jsonl:1"),
        ([], "x.jsonl: holds no examples"),
    ],
)
def test_bad_rows_are_named(tmp_path, rows, message):
    with pytest.raises(DomainAdaptError, match=message):
        load_examples(write(tmp_path / "x.jsonl", *rows))


def test_a_label_that_was_not_trained_on_is_named(wordpiece):
    kind = task_type("text-classification")
    with pytest.raises(DomainAdaptError, match=r"f:9: label 'c' does not occur in the training data"):
        kind.featurise([*EXAMPLES, Example("3", "Pain.", "c", "f:9")], wordpiece, SETTINGS)


def test_rows_are_what_the_tokenizer_makes(tokenizer, caplog):
    features = featurise([*EXAMPLES, Example("3", "fever " * 40, "a")], tokenizer, SETTINGS)
    assert features.labels.tolist() == [1, 0, 0] and features.lengths.max() == 16
    first = features.input_ids[: features.row_splits[1]].tolist()
    assert first == tokenizer(EXAMPLES[0].text)["input_ids"]
    assert "of 3 texts of more than 16 tokens were cut" in caplog.text


def test_the_loss_is_the_sum_over_texts_whatever_the_padding(wordpiece):
    objective = Objective(featurise(EXAMPLES, wordpiece, SETTINGS), wordpiece.pad_token_id, FinetuneSettings())

    class Model(torch.nn.Module):
        def forward(self, input_ids, attention_mask, **other):
            total = (input_ids * attention_mask).sum(1).float()
            return type("Outputs", (), {"logits": torch.stack([total, torch.zeros_like(total)], 1) / 1000})

    losses = [
        objective.loss(Model(), objective.batch(np.array(rows), 0).inputs)["label"] for rows in ([0], [1], [0, 1])
    ]
    assert losses[2] == pytest.approx(float(losses[0] + losses[1]), rel=1e-6)
    batch = objective.batch(np.array([0, 1]), 0)
    assert batch.targets == {"label": 2} and batch.tokens == int(objective.lengths.sum())


def test_the_likeliest_label_and_its_probability():
    kind = task_type("text-classification")
    (found,) = kind.decode(np.array([[0.0, np.log(3.0)]]), None, EXAMPLES[:1], SETTINGS)
    assert found.label == "b" and found.score == pytest.approx(0.75)


def test_calibration_is_part_of_the_figures_and_has_a_plot():
    kind = task_type("text-classification")
    predictions = [Prediction("b", 0.75), Prediction("b", 0.85)]  # the second is wrong
    found = kind.metric(EXAMPLES, predictions)
    # The two lie in different bins: |1 - 0.75| and |0 - 0.85|.
    assert found.pop("ece") == pytest.approx(100 * (0.25 + 0.85) / 2)
    assert found == ClassificationMetric().compute(predictions=["b", "b"], references=["b", "a"])
    assert kind.selection_metric == "macro_f1"
    (draw,) = kind.plots().values()
    assert draw(EXAMPLES, predictions, "a") != draw(EXAMPLES, predictions[:1] * 2, "a")
    assert not task_type("token-classification").plots() and not task_type("question-answering").plots()


def test_metric_by_hand():
    found = ClassificationMetric().compute(predictions=["a", "a", "b", "c"], references=["a", "b", "b", "b"])
    # F1: a 2/3, b 2/4, c 0. Matthews by Gorodkin: (2*4 - (2*1 + 1*3)) / sqrt((16 - 6) * (16 - 10)) = 3 / sqrt(60).
    assert found == pytest.approx({"accuracy": 50.0, "macro_f1": 100 * (2 / 3 + 1 / 2) / 3, "mcc": 300 / 60**0.5})
    same = ClassificationMetric().compute(predictions=["a", "a"], references=["a", "a"])
    assert same == {"accuracy": 100.0, "macro_f1": 100.0, "mcc": 0.0}


@pytest.mark.filterwarnings("ignore:A single label")
@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30))
def test_metric_against_scikit_learn(pairs):
    metrics = pytest.importorskip("sklearn.metrics")
    predicted, expected = zip(*pairs, strict=True)
    found = ClassificationMetric()._compute(predicted, expected)
    assert found["accuracy"] == pytest.approx(100 * metrics.accuracy_score(expected, predicted))
    assert found["macro_f1"] == pytest.approx(100 * metrics.f1_score(expected, predicted, average="macro"))
    assert found["mcc"] == pytest.approx(100 * metrics.matthews_corrcoef(expected, predicted), abs=1e-9)
