import pytest
import torch
from transformers import AutoConfig, AutoModelForMaskedLM, RobertaConfig, RobertaForMaskedLM

from domain_adapt.mlm.flops import flops_per_token
from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.recipes import Freeze
from domain_adapt.training.freezing import freeze

WIDTH, WIDE, LAYERS, VOCABULARY, TOKENS = 32, 128, 3, 400, 40
LAYER_WEIGHTS = 4 * WIDTH * WIDTH + 2 * WIDTH * WIDE
HEAD_WEIGHTS = WIDTH * WIDTH + WIDTH * VOCABULARY
ATTENTION = 4 * WIDTH * TOKENS  # FLOP of a layer's forward pass a token: scores and weighted values


@pytest.fixture
def model():
    config = RobertaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=WIDE,
        max_position_embeddings=TOKENS + 2,
        type_vocab_size=1,
        pad_token_id=0,
    )
    return RobertaForMaskedLM(config).train()


def whole(model):
    """A head on a model whose last layer leaves nothing out, as in the formula."""
    head = SparseHead(model)
    head._layer._known = False
    return head


def test_a_last_layer_that_leaves_positions_out_costs_less(model):
    shares = {"tokens": TOKENS, "predicted": 0.25, "distilled": 0.0}
    sparse, dense = (flops_per_token(model, make(model), **shares) for make in (SparseHead, whole))
    # Three quarters of queries, output projection and feed-forward network of one layer, forwards and backwards.
    saved = 6 * 0.75 * (LAYER_WEIGHTS - 2 * WIDTH * WIDTH) + 3 * 0.75 * ATTENTION
    assert dense - sparse == saved


def test_the_count_is_the_formula(model):
    found = flops_per_token(model, whole(model), tokens=TOKENS, predicted=0.25, distilled=0.5)
    student = 6 * LAYERS * LAYER_WEIGHTS + 3 * LAYERS * ATTENTION + 6 * 0.25 * HEAD_WEIGHTS
    teacher = 2 * LAYERS * LAYER_WEIGHTS + LAYERS * ATTENTION
    assert found == student + 0.5 * teacher


def test_what_is_frozen_costs_its_forward_pass_only(model):
    freeze(model, Freeze(embeddings=True, layers=LAYERS - 1), "mlm")
    found = flops_per_token(model, whole(model), tokens=TOKENS, predicted=0.25, distilled=0.0)
    frozen = (LAYERS - 1) * (2 * LAYER_WEIGHTS + ATTENTION)
    # The lowest learning layer needs no gradient of its input: a third of queries, keys, values is saved.
    learning = 6 * LAYER_WEIGHTS + 3 * ATTENTION - 2 * 3 * WIDTH * WIDTH
    transform, output = 6 * WIDTH * WIDTH, 4 * WIDTH * VOCABULARY  # the output's table is frozen with the embeddings
    assert found == frozen + learning + 0.25 * (transform + output)


def test_counting_leaves_the_model_as_it_was(model):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    flops_per_token(model, SparseHead(model), tokens=TOKENS, predicted=0.1, distilled=0.5)
    assert model.training and all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_layers_that_share_weights_count_each_time():
    def albert(layers):
        config = AutoConfig.for_model(
            "albert",
            vocab_size=50,
            embedding_size=16,
            hidden_size=WIDTH,
            num_attention_heads=2,
            intermediate_size=WIDE,
            num_hidden_layers=layers,
        )
        model = AutoModelForMaskedLM.from_config(config)
        return flops_per_token(model, SparseHead(model), tokens=TOKENS, predicted=0.1, distilled=0.0)

    assert albert(4) - albert(3) == 6 * LAYER_WEIGHTS + 3 * ATTENTION
