import pytest
import torch
from transformers import (
    AutoModelForQuestionAnswering,
    DistilBertConfig,
    ModernBertConfig,
    RobertaConfig,
    RobertaForQuestionAnswering,
)

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import Freeze
from domain_adapt.training.freezing import freeze, layer_count, parameter_groups, set_dropout


@pytest.fixture
def model():
    return RobertaForQuestionAnswering(
        RobertaConfig(
            vocab_size=50,
            hidden_size=16,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=20,
        )
    )


def rates(groups, model):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(parameter)]: group["peak"] for group in groups for parameter in group["params"]}


def test_frozen_parameters_do_not_learn_and_the_rest_does(model):
    frozen = freeze(model, Freeze(embeddings=True, layers=2), "finetune")
    still = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert still and all("embeddings" in name or ".layer.0." in name or ".layer.1." in name for name in still)
    assert frozen == sum(parameter.numel() for name, parameter in model.named_parameters() if name in still)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.AdamW(parameter_groups(model, learning_rate=0.1, weight_decay=0.1), fused=True)
    output = model(
        input_ids=torch.tensor([[5, 6, 7]]), start_positions=torch.tensor([1]), end_positions=torch.tensor([2])
    )
    output.loss.backward()
    optimizer.step()
    for name, parameter in model.named_parameters():
        if name in still or name.endswith("weight"):  # some biases have no gradient: a shift of all logits is no change
            assert torch.equal(parameter, before[name]) == (name in still), name


def test_more_layers_than_there_are_is_an_error_that_names_the_key(model):
    with pytest.raises(DomainAdaptError, match=r"finetune\.freeze\.layers: 4 layers to freeze, but the model has 3"):
        freeze(model, Freeze(layers=4), "finetune")


def test_layer_decay_multiplies_once_a_layer_from_the_head_down(model):
    found = rates(parameter_groups(model, learning_rate=1.0, weight_decay=0.0, layer_decay=0.5), model)
    assert found["qa_outputs.weight"] == 1.0
    assert [found[f"roberta.encoder.layer.{layer}.output.dense.weight"] for layer in (2, 1, 0)] == [0.5, 0.25, 0.125]
    assert found["roberta.embeddings.word_embeddings.weight"] == 0.0625


def test_biases_and_norms_have_no_weight_decay(model):
    for group in parameter_groups(model, learning_rate=1.0, weight_decay=0.3):
        assert all((parameter.ndim > 1) == (group["weight_decay"] == 0.3) for parameter in group["params"])


def test_a_new_head_may_learn_faster(model):
    found = rates(
        parameter_groups(model, learning_rate=1.0, weight_decay=0.0, fast=["qa_outputs.weight"], fast_scale=5), model
    )
    assert found["qa_outputs.weight"] == 5.0 and found["qa_outputs.bias"] == 1.0


@pytest.mark.parametrize(
    "config",
    [
        DistilBertConfig(vocab_size=50, dim=16, n_layers=3, n_heads=2, hidden_dim=32),
        ModernBertConfig(
            vocab_size=50,
            hidden_size=16,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=32,
            pad_token_id=0,
            attention_dropout=0.1,
            cls_token_id=1,
            sep_token_id=2,
            bos_token_id=1,
            eos_token_id=2,
        ),
    ],
    ids=lambda config: config.model_type,
)
def test_layers_and_dropout_are_found_in_other_architectures(config):
    model = AutoModelForQuestionAnswering.from_config(config)
    assert layer_count(model) == 3
    set_dropout(model, 0.0)
    model.train()
    inputs = torch.arange(5, 25).view(2, 10)
    assert torch.equal(model(input_ids=inputs).start_logits, model(input_ids=inputs).start_logits)


def test_no_dropout_rate_leaves_the_base_s_own(model):
    set_dropout(model, None)
    assert {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)} == {0.1}


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta", "camembert"])
def test_word_embeddings_that_go_by_the_name_of_the_tied_head_are_embeddings_all_the_same(build, kind):
    """transformers 5 names XLM-RoBERTa's word embeddings ``lm_head.decoder.weight``: they were not frozen."""
    model = build(kind)
    table = model.get_input_embeddings().weight
    groups = parameter_groups(model, learning_rate=1.0, weight_decay=0.0, layer_decay=0.5)
    peaks = {id(parameter): group["peak"] for group in groups for parameter in group["params"]}
    assert peaks[id(table)] == 0.5**3  # two layers above it
    freeze(model, Freeze(embeddings=True), "mlm")
    assert not table.requires_grad and model.lm_head.dense.weight.requires_grad
