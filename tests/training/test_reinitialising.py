import pytest
import torch
from transformers import BertConfig, BertForQuestionAnswering

from domain_adapt.errors import DomainAdaptError
from domain_adapt.training.freezing import layer_of
from domain_adapt.training.reinitialising import reinitialise_layers


@pytest.fixture
def model():
    sizes = {"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 2, "num_hidden_layers": 3}
    found = BertForQuestionAnswering(BertConfig(vocab_size=50, initializer_range=0.1, **sizes))
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.fill_(7.0)
    return found


def test_the_highest_layers_start_anew_and_nothing_else_changes(model):
    reinitialise_layers(model, 2, seed=3)
    for name, parameter in model.named_parameters():
        parameter = parameter.detach()
        if layer_of(name) not in (1, 2):
            assert (parameter == 7).all(), name
        elif "LayerNorm.weight" in name:
            assert (parameter == 1).all(), name
        elif parameter.ndim == 1:
            assert (parameter == 0).all(), name
        else:
            # 4,096 numbers or more: the standard error of the deviation is below 1.2 % of it
            assert float(parameter.mean()) == pytest.approx(0, abs=0.008), name
            assert float(parameter.std()) == pytest.approx(0.1, rel=0.06), name


def test_the_numbers_hang_on_the_seed_alone(model):
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(drawn))
        before = torch.get_rng_state()
        reinitialise_layers(model, 1, seed=seed)
        assert torch.equal(torch.get_rng_state(), before)
        drawn.append(model.bert.encoder.layer[2].output.dense.weight.clone())
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_no_layers_and_too_many(model):
    reinitialise_layers(model, 0, seed=0)
    assert all((parameter == 7).all() for parameter in model.parameters())
    with pytest.raises(DomainAdaptError, match=r"finetune.reinitialise_layers: 4 layers, but the model has 3"):
        reinitialise_layers(model, 4, seed=0)
