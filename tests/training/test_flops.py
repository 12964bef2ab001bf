import pytest

from domain_adapt.training.flops import encoder_flops_per_token


def test_it_is_the_textbook_count(build):
    model = build("roberta")
    layers, width, wide, tokens = 2, 32, 64, 16
    weights = layers * (4 * width * width + 2 * width * wide)
    expected = 6 * weights + 12 * layers * width * tokens
    # The embeddings are frozen in no product; the first layer's input needs a gradient as they learn.
    assert encoder_flops_per_token(model, tokens=tokens) == pytest.approx(expected, rel=1e-6)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_what_is_frozen_costs_its_forward_pass_only(build):
    model = build("roberta").requires_grad_(False)
    whole = encoder_flops_per_token(build("roberta"), tokens=8)
    assert encoder_flops_per_token(model, tokens=8) == pytest.approx(whole / 3, rel=1e-6)
