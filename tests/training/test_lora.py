import copy

import pytest
import torch
from transformers import BertConfig, BertForMultipleChoice, BertForQuestionAnswering

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import Lora
from domain_adapt.training.freezing import layer_of
from domain_adapt.training.lora import Adapters


@pytest.fixture
def model():
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 3}
    torch.manual_seed(0)
    return BertForQuestionAnswering(BertConfig(vocab_size=50, **sizes)).eval()


def add(model, frozen_layers=0, seed=1, **settings):
    return Adapters(model, Lora(rank=4, **settings), frozen_layers=frozen_layers, table="finetune", seed=seed)


def outputs(model):
    with torch.no_grad():
        found = model(input_ids=torch.arange(20).reshape(2, 10))
    return torch.cat([found.start_logits, found.end_logits])


def train(model):
    """Moves every weight that learns, the thin matrices that begin at 0 among them."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)


def test_before_training_the_outputs_are_the_base_s_and_afterwards_merging_keeps_them(model):
    names, before = list(model.state_dict()), outputs(model)
    adapters = add(model)
    assert torch.equal(outputs(model), before)
    train(model)
    adapted = outputs(model)
    assert float((adapted - before).abs().max()) > 0.01
    adapters.merge()
    assert float((outputs(model) - adapted).abs().max()) < 1e-5
    assert list(model.state_dict()) == names and type(model) is BertForQuestionAnswering


def test_only_adapters_and_head_learn(model):
    base = copy.deepcopy(model.bert.state_dict())
    add(model)
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == ("lora_" in name or name.startswith("qa_outputs")), name
    train(model)
    for name, tensor in model.bert.state_dict().items():
        if "lora_" not in name:
            assert torch.equal(tensor, base[name.replace("base_layer.", "")]), name


def test_a_pooler_is_part_of_the_head_and_learns(model):
    """A masked LM has none, so that it would stay as it was drawn."""
    with_pooler = BertForMultipleChoice(model.config)
    add(with_pooler)
    learning = {name for name, one in with_pooler.named_parameters() if one.requires_grad and "lora_" not in name}
    assert learning == {f"{part}.{kind}" for part in ("bert.pooler.dense", "classifier") for kind in ("weight", "bias")}


def test_what_is_adapted(model):
    add(model, frozen_layers=1, targets=["query", "value"])
    adapted = {name for name, _ in model.named_parameters() if "lora_A" in name}
    assert len(adapted) == 4 and {layer_of(name) for name in adapted} == {1, 2}
    assert all(".query." in name or ".value." in name for name in adapted)


def test_no_targets_means_every_linear_layer_of_the_encoder(model):
    add(model)
    assert len([name for name, _ in model.named_parameters() if "lora_A" in name]) == 3 * 6


def test_the_seed_decides_the_first_numbers(model):
    drawn = []
    for seed in (1, 1, 2):
        twin = copy.deepcopy(model)
        add(twin, seed=seed)
        drawn.append(torch.cat([p.flatten() for name, p in twin.named_parameters() if "lora_A" in name]))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_a_name_that_no_layer_has(model):
    with pytest.raises(DomainAdaptError) as caught:
        add(model, targets=["q_proj"])
    assert caught.value.message == "finetune.lora.targets: no linear layer of the encoder is called q_proj"
    assert caught.value.hint == "there are: dense, key, query, value"
