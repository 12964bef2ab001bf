import pytest
from transformers import BertConfig, BertForQuestionAnswering

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import Freeze
from domain_adapt.training import ranks
from domain_adapt.training.freezing import freeze, layer_of
from domain_adapt.training.unfreezing import GradualUnfreezing


def make_model():
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 2, "num_hidden_layers": 3}
    return BertForQuestionAnswering(BertConfig(vocab_size=50, **sizes))


def learning(model):
    """Returns which units learn: the head, a layer by its number, the embeddings."""
    units = {}
    for name, parameter in model.named_parameters():
        layer = layer_of(name)
        unit = "embeddings" if "embeddings" in name else "head" if layer is None else layer
        units.setdefault(unit, set()).add(parameter.requires_grad)
    assert all(len(states) == 1 for states in units.values())
    return {unit for unit, states in units.items() if states == {True}}


def test_the_schedule_by_hand():
    """Half of 80 steps over three layers and the embeddings: one more every 10 steps."""
    model = make_model()
    schedule = GradualUnfreezing(model, 0.5, 80)
    expected = {0: {"head"}, 9: {"head"}, 10: {"head", 2}, 20: {"head", 2, 1}, 30: {"head", 2, 1, 0}}
    for step, units in expected.items():
        schedule(step)
        assert learning(model) == units, step
    schedule(39)
    assert "embeddings" not in learning(model)
    schedule(40)
    assert learning(model) == {"head", 0, 1, 2, "embeddings"}


def test_a_resumed_run_is_where_it_was():
    model = make_model()
    schedule = GradualUnfreezing(model, 0.5, 80)
    schedule(79)
    schedule(25)
    assert learning(model) == {"head", 2, 1}


def test_what_is_frozen_for_good_stays_frozen():
    model = make_model()
    freeze(model, Freeze(embeddings=True, layers=1), "finetune")
    schedule = GradualUnfreezing(model, 1.0, 40)
    schedule(39)
    assert learning(model) == {"head", 2, 1}


def test_several_processes_are_refused(monkeypatch):
    monkeypatch.setattr(ranks, "count", lambda: 2)
    with pytest.raises(DomainAdaptError, match=r"finetune.gradual_unfreezing: works in one process only"):
        GradualUnfreezing(make_model(), 0.5, 80)
