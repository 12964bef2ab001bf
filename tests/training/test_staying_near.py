import pytest
import torch
from torch import nn

from domain_adapt.errors import DomainAdaptError
from domain_adapt.training import ranks
from domain_adapt.training.staying_near import Average, HeadFirst, PullToStart, in_turn


def model_of(*values):
    model = nn.ModuleDict({"body": nn.Linear(2, 2), "head": nn.Linear(2, 2)})
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), values, strict=False):
            parameter.fill_(value)
    return model


def test_pull_goes_the_share_rate_times_weight_of_the_way_back_and_leaves_a_new_head_alone():
    model = model_of(1.0, 1.0, 1.0, 1.0)
    pull = PullToStart(model, 20.0, lambda step: [0.0, 0.01, 1.0][step], free=["head.weight", "head.bias"])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(2.0)
    pull(0)
    assert model["body"].weight.eq(2.0).all()
    pull(1)  # a fifth of the way
    assert torch.allclose(model["body"].weight, torch.tensor(1.8))
    pull(2)  # never further than to the start
    assert model["body"].weight.eq(1.0).all() and model["body"].bias.eq(1.0).all()
    assert model["head"].weight.eq(2.0).all()


def test_what_does_not_learn_is_not_pulled():
    model = model_of(1.0, 1.0)
    model["body"].weight.requires_grad_(False)
    pull = PullToStart(model, 1.0, lambda step: 1.0, free=())
    with torch.no_grad():
        model["body"].weight.fill_(3.0)
    pull(0)
    assert model["body"].weight.eq(3.0).all()


def test_head_learns_alone_first_and_what_was_frozen_stays_frozen():
    model = model_of()
    model["body"].bias.requires_grad_(False)
    hook = HeadFirst(model, ["head.weight", "head.bias"], steps=2)
    learns = []
    for step in (0, 1, 2, 3, 1):  # the last as if an earlier state had been loaded
        hook(step)
        learns.append([name for name, one in model.named_parameters() if one.requires_grad])
    head = ["head.weight", "head.bias"]
    assert learns == [head, head, ["body.weight", *head], ["body.weight", *head], head]


def test_average_is_between_start_and_end_but_for_a_new_head():
    model = model_of(1.0, 1.0, 5.0, 5.0)
    average = Average(model, 0.25, free=["head.weight", "head.bias"])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(4.0)
    average.apply(model)
    assert torch.allclose(model["body"].weight, torch.tensor(2.0))
    assert model["head"].weight.eq(9.0).all()


def test_hooks_are_called_in_turn_and_none_is_none():
    called = []
    both = in_turn([None, lambda step: called.append(("a", step)), lambda step: called.append(("b", step))])
    both(3)
    assert called == [("a", 3), ("b", 3)]
    assert in_turn([None, None]) is None


@pytest.mark.parametrize("make", [lambda m: PullToStart(m, 1.0, float, ()), lambda m: HeadFirst(m, (), 1)])
def test_several_processes_are_refused(make, monkeypatch):
    monkeypatch.setattr(ranks, "count", lambda: 2)
    with pytest.raises(DomainAdaptError, match=r"mlm\.\w+: works in one process only"):
        make(model_of())
