import pytest
import torch

from domain_adapt.vocabulary.rows import grow_rows

PIECES = [(5, 6), (7, 8, 9)]


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta", "bert", "distilbert", "electra", "albert", "modernbert"])
def test_new_rows_are_means_and_everything_else_stays(build, kind):
    model = build(kind)
    table = model.get_input_embeddings().weight.detach().clone()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 and len(parameter) == 90 and "bias" in name:
                parameter.copy_(torch.arange(90.0))
    inputs = torch.tensor([[2, 10, 11, 12, 13, 3]])
    before = model(inputs).logits.detach()
    grow_rows(model, 90, PIECES)
    assert model.config.vocab_size == 92
    grown = model.get_input_embeddings().weight
    assert torch.equal(grown[:90], table)
    for number, pieces in enumerate(PIECES):
        assert torch.allclose(grown[90 + number], table[list(pieces)].mean(dim=0))
    after = model(inputs).logits.detach()
    assert after.shape[-1] == 92
    assert torch.allclose(after[..., :90], before, atol=1e-6)
    # The head is linear in the row, so a new token's logit is the mean of its pieces' logits, bias included.
    for number, pieces in enumerate(PIECES):
        assert torch.allclose(after[..., 90 + number], before[..., list(pieces)].mean(dim=-1), atol=1e-5)


def test_spare_rows_are_used_first(build):
    model = build("roberta")
    grow_rows(model, 80, PIECES)
    assert model.config.vocab_size == 90 and model.get_input_embeddings().weight.shape[0] == 90
    table = model.get_input_embeddings().weight
    assert torch.allclose(table[80], table[[5, 6]].mean(dim=0))
