import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import FinetuneSettings, TaskRecipe, TextClassificationSettings
from domain_adapt.tasks import task_type
from domain_adapt.tasks.text_classification.data import Example, load_examples
from domain_adapt.tasks.text_classification.decoding import OneLabel, decode
from domain_adapt.tasks.text_classification.features import Features, Settings, featurise
from domain_adapt.tasks.text_classification.metric import ClassificationMetric
from domain_adapt.tasks.text_classification.objective import Objective

PLAIN = TextClassificationSettings()
SETTINGS = Settings(16, ("a", "b"))
EXAMPLES = [Example("1", "Fever and cough.", "b"), Example("2", "The heart pumps blood into the aorta.", "a")]


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [path]


def test_loading(tmp_path):
    rows = [{"id": 7, "text": "Fever.", "label": 1}, {"text": "Cough.", "label": "b"}]
    found = load_examples(write(tmp_path / "x.jsonl", *rows), PLAIN).examples
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
        load_examples(write(tmp_path / "x.jsonl", *rows), PLAIN)


def read(tmp_path, row, **settings):
    path = tmp_path / "x.jsonl"
    path.write_text(row + "\n")
    return load_examples([path], TextClassificationSettings(**settings)).examples[0]


@pytest.mark.parametrize(
    ("label", "expected"),
    [('["b", "a", "b"]', ("a", "b")), ('"b|a"', ("a", "b")), ("[]", ()), ('""', ()), ("[3]", ("3",))],
)
def test_several_labels(tmp_path, label, expected):
    assert read(tmp_path, f'{{"text": "t", "label": {label}}}', problem="multi-label").label == expected


@pytest.mark.parametrize(("label", "expected"), [("1.5", 1.5), ("2", 2.0), ('"-0.25"', -0.25)])
def test_numbers(tmp_path, label, expected):
    assert read(tmp_path, f'{{"text": "t", "label": {label}}}', problem="regression").label == expected


@pytest.mark.parametrize(
    ("row", "settings", "message"),
    [
        ('{"text": "t", "label": NaN}', {"problem": "regression"}, "expected a finite number, found a number nan"),
        ('{"text": "t", "label": "high"}', {"problem": "regression"}, "expected a finite number, found text 'high'"),
        ('{"text": "t", "label": true}', {"problem": "regression"}, "expected a finite number, found true/false True"),
        ('{"text": "t", "label": 3}', {"problem": "multi-label"}, "expected a list of labels, found a number 3"),
        ('{"text": "t", "label": ["a", ""]}', {"problem": "multi-label"}, "expected a list of texts or whole numbers"),
        ('{"text": "t", "label": ""}', {}, "expected a text or a whole number, found text ''"),
        ('{"q": "t", "label": "a"}', {"text": "q", "text_pair": "c"}, 'field \'c\' is missing; expected {"q", "c", '),
        ('{"q": "t", "c": " ", "label": "a"}', {"text": "q", "text_pair": "c"}, "field 'c': the text is blank"),
    ],
)
def test_labels_that_are_none(tmp_path, row, settings, message):
    with pytest.raises(DomainAdaptError) as caught:
        read(tmp_path, row, **settings)
    assert caught.value.message.startswith(f"{tmp_path / 'x.jsonl'}:1: ") and message in caught.value.message


def test_a_text_that_is_a_whole_book(tmp_path):
    with pytest.raises(
        DomainAdaptError, match=r"x\.jsonl:1: id .*: the text has 1,000,001 characters; expected at most"
    ):
        read(tmp_path, json.dumps({"text": "a" * 1_000_001, "label": "a"}))


def test_the_loss_of_several_labels_is_the_stock_model_s():
    labels = np.array([[1, 0, 1], [0, 0, 1]], dtype=np.float32)
    logits, targets = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.0, -0.5]]), torch.tensor(labels)
    found = Objective(made(labels), 0, FinetuneSettings())._loss(logits, targets)
    stock = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
    assert float(found) == pytest.approx(2 * float(stock), rel=1e-6)  # a sum over two texts, not a mean
    balanced = Objective(made(labels), 0, FinetuneSettings(class_weights="balanced"))._loss
    # Label 0: of two texts one has it, so 1; label 1: none, so 1; label 2: both, so 0.
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, targets, pos_weight=torch.tensor([1.0, 1.0, 0.0])
    )
    assert float(balanced(logits, targets)) == pytest.approx(2 * float(expected), rel=1e-6)


def test_the_loss_of_numbers_does_not_hang_on_their_unit():
    labels = np.array([1.0, 3.0, 5.0], dtype=np.float32)
    for unit in (1.0, 1000.0):
        loss = Objective(made(labels * unit), 0, FinetuneSettings())._loss
        found = loss(torch.tensor([[2.0], [3.0]]) * unit, torch.tensor([1.0, 3.0]) * unit)
        assert float(found) == pytest.approx(1 / (8 / 3), rel=1e-5)  # one error of 1; the variance is 8/3
    with pytest.raises(DomainAdaptError, match=r"finetune\.label_smoothing: a regression has no labels"):
        Objective(made(labels), 0, FinetuneSettings(label_smoothing=0.1))


def made(labels):
    splits = np.arange(len(labels) + 1)
    return Features(np.zeros(len(labels), dtype=np.int32), None, splits, labels, labels.shape[-1])


def test_what_logits_say():
    several = decode(np.array([[0.0, -2.0]], dtype=np.float32), Settings(16, ("a", "b"), "multi-label"))[0]
    assert several.labels == ("a",) and several.scores == pytest.approx({"a": 0.5, "b": 1 / (1 + np.e**2)})
    assert decode(np.array([[1.5]], dtype=np.float32), Settings(16, ("value",), "regression"))[0].value == 1.5


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
    predictions = [OneLabel("b", 0.75), OneLabel("b", 0.85)]  # the second is wrong
    found = kind.metric(EXAMPLES, predictions)
    # The two lie in different bins: |1 - 0.75| and |0 - 0.85|.
    assert found.pop("ece") == pytest.approx(100 * (0.25 + 0.85) / 2)
    assert found == ClassificationMetric().compute(predictions=["b", "b"], references=["b", "a"])
    recipe = TaskRecipe(name="x", type="text-classification")
    assert kind.selection_metric(recipe) == "macro_f1"
    (draw,) = kind.plots(recipe).values()
    assert draw(EXAMPLES, predictions, "a") != draw(EXAMPLES, predictions[:1] * 2, "a")
    assert not any(task_type(other).plots(recipe) for other in ("token-classification", "question-answering"))
    number = {"problem": "regression"}
    assert not kind.plots(TaskRecipe(name="x", type="text-classification", text_classification=number))


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


@pytest.mark.parametrize(
    ("problem", "label", "found"),
    [("single-label", "a", "a"), ("multi-label", ("a",), "a"), ("regression", 2.5, "2.5")],
)
def test_one_label_for_all_texts_teaches_nothing(tmp_path, problem, label, found):
    recipe = TaskRecipe(name="t", type="text-classification", text_classification={"problem": problem})
    examples = [Example(str(number), "text", label, f"f.jsonl:{number}") for number in (1, 2)]
    message = rf"^f\.jsonl:1: this and all other training texts have the same label, .*{found}"
    with pytest.raises(DomainAdaptError, match=message):
        task_type("text-classification").load_model(tmp_path, examples, recipe, seed=0)
