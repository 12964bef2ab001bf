from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from domain_adapt.errors import Diverged
from domain_adapt.recipes import FinetuneSettings, QuestionAnsweringSettings
from domain_adapt.tasks import task_type
from domain_adapt.tasks.question_answering.data import Answer, Example
from domain_adapt.tasks.question_answering.evaluation import predict_logits
from domain_adapt.tasks.question_answering.objective import QuestionAnsweringObjective
from domain_adapt.tasks.question_answering.windows import Features, featurise

SETTINGS = QuestionAnsweringSettings(max_length=32, stride=8)
EXAMPLES = [
    Example("a", "Who?", "patients with fever", (Answer("fever", 14),)),
    Example("b", "Which day?", "the second day", ()),
    Example("c", "What?", "Patients with fever, cough and chest pain were examined. " * 3, (Answer("Patients", 0),)),
]


class TableModel(nn.Module):
    """Start and end logits are learnt numbers of each token id; nothing else is looked at."""

    def __init__(self, vocabulary: int = 400) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(2, vocabulary, generator=torch.Generator().manual_seed(0)))
        self.seen: list[dict[str, torch.Tensor]] = []

    def forward(self, **inputs: torch.Tensor) -> Any:
        self.seen.append(inputs)
        return SimpleNamespace(
            start_logits=self.table[0][inputs["input_ids"]], end_logits=self.table[1][inputs["input_ids"]]
        )


@pytest.fixture
def features(tokenizer: Any) -> Features:
    return featurise(EXAMPLES, tokenizer, SETTINGS)


def test_batch_is_padded_to_its_longest_row(features: Features):
    objective = QuestionAnsweringObjective(features, pad_token_id=399, settings=FinetuneSettings())
    rows = np.array([1, 0])
    batch = objective.batch(rows, epoch=0)
    lengths = objective.lengths[rows]
    assert batch.inputs["input_ids"].shape == (2, lengths.max())
    assert batch.inputs["attention_mask"].sum(dim=1).tolist() == lengths.tolist()
    assert (batch.inputs["input_ids"] == 399).sum() == 2 * lengths.max() - lengths.sum()
    assert batch.tokens == lengths.sum()
    assert batch.targets == {"span": 2}
    assert set(objective.weights) == {"span"}
    again = objective.batch(rows, epoch=3)
    assert all(torch.equal(batch.inputs[name], again.inputs[name]) for name in batch.inputs)


def test_loss_is_the_sum_over_windows_of_the_mean_of_both_ends_by_hand(features: Features):
    objective = QuestionAnsweringObjective(features, pad_token_id=1, settings=FinetuneSettings())
    model = TableModel()
    rows = np.arange(len(features))
    expected = 0.0
    for row in rows:
        part = slice(features.row_splits[row], features.row_splits[row + 1])
        allowed = [0, *np.flatnonzero(features.answerable[part])]
        for table, labels in zip(model.table, (features.start_labels, features.end_labels), strict=True):
            logits = table[torch.from_numpy(features.input_ids[part].astype(np.int64))].tolist()
            expected += (math.log(sum(math.exp(logits[i]) for i in allowed)) - logits[labels[row]]) / 2
    loss = objective.loss(model, objective.batch(rows, 0).inputs)["span"]
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    split = sum(
        objective.loss(model, objective.batch(rows[part], 0).inputs)["span"].item() for part in ([0, 1], [2])
    ) + (objective.loss(model, objective.batch(rows[3:], 0).inputs)["span"].item() if len(rows) > 3 else 0)
    assert split == pytest.approx(expected, rel=1e-5)


def test_loss_has_finite_gradients_and_none_for_forbidden_tokens(features: Features):
    objective = QuestionAnsweringObjective(features, pad_token_id=399, settings=FinetuneSettings())
    model = TableModel()
    batch = objective.batch(np.arange(len(features)), 0)
    objective.loss(model, batch.inputs)["span"].backward()
    assert model.table.grad is not None and model.table.grad.isfinite().all()
    assert not model.table.grad[:, 399].any()  # padding
    assert set(model.seen[0]) == {"input_ids", "attention_mask"}


def test_half_precision_logits_are_scored_in_float32(features: Features):
    objective = QuestionAnsweringObjective(features, pad_token_id=1, settings=FinetuneSettings())
    loss = objective.loss(TableModel().to(torch.bfloat16), objective.batch(np.arange(2), 0).inputs)["span"]
    assert loss.dtype == torch.float32 and loss.isfinite()


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_logits_do_not_depend_on_the_batch_size(features: Features, batch_size: int):
    model = TableModel().train()
    heard: list[tuple[int, int]] = []
    start, end = predict_logits(
        model,
        features,
        batch_size=batch_size,
        device="cpu",
        pad_token_id=1,
        on_progress=lambda done, total: heard.append((done, total)),
    )
    assert start.shape == end.shape == (len(features), features.lengths.max()) and start.dtype == np.float32
    for row in range(len(features)):
        ids = features.input_ids[features.row_splits[row] : features.row_splits[row + 1]].astype(np.int64)
        assert start[row, : len(ids)].tolist() == model.table[0][ids].tolist()
        assert end[row, : len(ids)].tolist() == model.table[1][ids].tolist()
        assert (start[row, len(ids) :] < -1e29).all()
    assert heard[-1] == (len(features), len(features))
    assert model.training
    widths = [inputs["input_ids"].shape[1] for inputs in model.seen]
    assert widths == sorted(widths, reverse=True)


def test_diverged_model_is_an_error(features: Features):
    model = TableModel()
    model.table.data.fill_(float("nan"))
    with pytest.raises(Diverged, match="not finite"):
        predict_logits(model, features, batch_size=2, device="cpu", pad_token_id=1)


def answer(model: TableModel, wordpiece: Any, examples: list[Example]) -> tuple[dict[str, float], list[str]]:
    task = task_type("question-answering")
    features = task.featurise(examples, wordpiece, SETTINGS)
    logits = task.logits(model, features, batch_size=2, device="cpu", pad_token_id=1)
    predictions = task.decode(logits, features, examples, SETTINGS)
    return task.metric(examples, predictions), [one.text for one in predictions]


def test_a_perfect_model_is_scored(wordpiece: Any):
    model = TableModel()
    examples = [EXAMPLES[0], Example("d", "Who?", "cough and pain", (Answer("fever", 0), Answer("cough", 0)))]
    model.table.data.zero_()
    for word in ("fever", "cough"):
        ids = wordpiece(word, add_special_tokens=False)["input_ids"]
        model.table.data[0, ids[0]] = 5
        model.table.data[1, ids[-1]] = 5
    assert answer(model, wordpiece, examples) == ({"exact_match": 100.0, "f1": 100.0}, ["fever", "cough"])
    model.table.data[:, wordpiece.cls_token_id] = 9
    metrics, texts = answer(model, wordpiece, [*examples, EXAMPLES[1]])
    assert texts == ["", "", ""]
    assert metrics["no_answer_accuracy"] == 100 and metrics["has_answer_f1"] == 0
