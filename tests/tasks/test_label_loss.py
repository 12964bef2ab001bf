import math

import numpy as np
import pytest
import torch

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import FinetuneSettings
from domain_adapt.tasks.label_loss import IGNORED, label_loss
from domain_adapt.tasks.question_answering.objective import QuestionAnsweringObjective


def test_balanced_weights_by_hand():
    """Of 8 targets 6 are the first label, 2 the second, none the third: 8 / (2 * 6) and 8 / (2 * 2)."""
    targets = np.array([0, 0, 0, 0, 0, 0, 1, 1, IGNORED])
    loss = label_loss(targets, 3, FinetuneSettings(class_weights="balanced"))
    assert loss.weight.tolist() == pytest.approx([2 / 3, 2.0, 1.0])
    assert float(loss.weight[torch.tensor(targets[:8])].mean()) == pytest.approx(1.0)
    even = loss(torch.zeros(9, 3), torch.tensor(targets))
    assert float(even) == pytest.approx(8 * math.log(3), rel=1e-6)


def test_without_settings_it_is_plain_cross_entropy():
    loss = label_loss(np.array([0, 1]), 2, FinetuneSettings())
    assert float(loss(torch.tensor([[0.0, 1.0]]), torch.tensor([0]))) == pytest.approx(math.log(1 + math.e), rel=1e-6)


def test_label_smoothing_by_hand():
    loss = label_loss(np.array([0, 1]), 2, FinetuneSettings(label_smoothing=0.2))
    first, second = math.log(1 + math.e), math.log(1 + math.e) - 1
    found = float(loss(torch.tensor([[0.0, 1.0]]), torch.tensor([0])))
    assert found == pytest.approx(0.9 * first + 0.1 * second, rel=1e-6)


def test_smoothing_of_positions_spreads_over_the_allowed_ones_only():
    objective = QuestionAnsweringObjective(None, 0, FinetuneSettings(label_smoothing=0.3))
    lowest = torch.finfo(torch.float32).min
    found = float(objective._loss(torch.tensor([[0.0, lowest, 1.0]]), torch.tensor([0])))
    first, third = math.log(1 + math.e), math.log(1 + math.e) - 1
    assert found == pytest.approx(0.7 * first + 0.3 * (first + third) / 2, rel=1e-6)


def test_positions_have_no_classes_to_weigh():
    with pytest.raises(DomainAdaptError, match=r"finetune.class_weights: question answering has no classes"):
        QuestionAnsweringObjective(None, 0, FinetuneSettings(class_weights="balanced"))
