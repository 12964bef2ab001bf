import copy

import numpy as np
import pytest
import torch
from transformers import (
    AlbertConfig,
    AutoModelForMaskedLM,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    FNetConfig,
    ModernBertConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from domain_adapt.mlm.sparse_head import SparseHead, head_parameters
from domain_adapt.mlm.sparse_layer import Selection

SIZES = dict(
    vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, pad_token_id=0
)
CONFIGS = {
    "roberta": RobertaConfig(**SIZES, max_position_embeddings=40),
    "xlm-roberta": XLMRobertaConfig(**SIZES, max_position_embeddings=40),
    "bert": BertConfig(**SIZES),
    "distilbert": DistilBertConfig(vocab_size=100, dim=32, n_layers=2, n_heads=2, hidden_dim=64),
    "deberta-v2": DebertaV2Config(**SIZES),
    "deberta-v2-new-head": DebertaV2Config(**SIZES, legacy=False),
    "electra": ElectraConfig(**SIZES, embedding_size=16),
    "albert": AlbertConfig(**SIZES, embedding_size=16),
    "modernbert": ModernBertConfig(**SIZES, cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2),
}


def select(positions, rows, width, kept=()):
    return Selection.of(np.array(positions), np.array(kept, dtype=int), rows, width)


@pytest.fixture(params=CONFIGS, scope="module")
def model(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForMaskedLM.from_config(CONFIGS[request.param]).eval()


def test_logits_and_gradients_are_those_of_the_stock_model_at_the_chosen_positions(model):
    generator = torch.Generator().manual_seed(1)
    input_ids = torch.randint(5, 100, (3, 12), generator=generator)
    positions = torch.tensor([0, 7, 13, 30, 35])
    labels = torch.full((3, 12), -100)
    labels.view(-1)[positions] = input_ids.view(-1)[positions]
    stock, sparse = copy.deepcopy(model), copy.deepcopy(model)
    stock(input_ids=input_ids, labels=labels).loss.backward()
    head = SparseHead(sparse)
    logits = head.logits(sparse, select([0, 7, 13, 30, 35], 3, 12), input_ids=input_ids)
    assert logits.shape == (5, 100) and head.is_sparse
    torch.nn.functional.cross_entropy(logits, input_ids.view(-1)[positions]).backward()
    full = stock(input_ids=input_ids).logits.view(-1, 100)[positions]
    torch.testing.assert_close(logits, full, atol=1e-5, rtol=1e-5)
    for (name, one), (_, other) in zip(sparse.named_parameters(), stock.named_parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-4, msg=name)


def test_the_head_computes_chosen_rows_only(model):
    seen = []
    copied = copy.deepcopy(model)
    head = SparseHead(copied)
    copied.get_output_embeddings().register_forward_hook(lambda module, inputs, output: seen.append(inputs[0].shape[0]))
    if model.config.model_type == "deberta-v2" and not model.config.legacy:
        pytest.skip("its new head multiplies with the embedding table and calls no output module")
    head.logits(copied, select([1, 2], 2, 8), input_ids=torch.full((2, 8), 7))
    assert seen == [2]


def test_outside_the_context_the_model_answers_for_every_position(model):
    copied = copy.deepcopy(model)
    SparseHead(copied)
    assert copied(input_ids=torch.full((2, 8), 7)).logits.shape == (2, 8, 100)


def test_states_are_kept_where_asked_for(model):
    copied = copy.deepcopy(model)
    head = SparseHead(copied)
    input_ids = torch.arange(5, 21).view(2, 8)
    head.logits(copied, select([3], 2, 8, kept=[1, 4, 12]), input_ids=input_ids)
    states = copied.base_model(input_ids=input_ids).last_hidden_state.reshape(16, -1)
    torch.testing.assert_close(head.kept, states[[1, 4, 12]], atol=1e-5, rtol=1e-5)


def test_head_parameters_are_those_above_the_encoder(model):
    names = head_parameters(model)
    encoder = {id(parameter) for parameter in model.base_model.parameters()}
    assert names and all(id(dict(model.named_parameters())[name]) not in encoder for name in names)


def test_unknown_architecture_falls_back_to_all_logits_with_a_warning(caplog):
    config = FNetConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=1, intermediate_size=64, use_tpu_fourier_optimizations=False
    )
    model = AutoModelForMaskedLM.from_config(config).eval()
    head = SparseHead(model)
    positions = torch.tensor([1, 9])
    input_ids = torch.arange(5, 21).view(2, 8)
    expected = model(input_ids=input_ids).logits.view(-1, 100)[positions]
    torch.testing.assert_close(head.logits(model, select([1, 9], 2, 8), input_ids=input_ids), expected)
    assert not head.is_sparse and "fnet" in caplog.text
