import math

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from domain_adapt.evaluate import heldout_mlm_loss, perplexity
from domain_adapt.mlm.masking import EVALUATION_PROBABILITY, evaluation_key, mask_blocks, masking_vocabulary
from domain_adapt.mlm.sparse_head import SparseHead


@pytest.fixture
def blocks(tiny_wordpiece):
    size = len(AutoTokenizer.from_pretrained(tiny_wordpiece))
    drawn = np.random.Generator(np.random.Philox(3)).integers(5, size, (21, 24)).astype(np.int32)
    drawn[:, 0], drawn[:, 11], drawn[:, -1] = 2, 3, 3
    drawn[-1, 9:] = 0  # the last block is padded
    return drawn


def measure(folder, blocks, rows, **options):
    model = AutoModelForMaskedLM.from_pretrained(folder)
    vocabulary = masking_vocabulary(AutoTokenizer.from_pretrained(folder))
    device = torch.device("cpu")
    return heldout_mlm_loss(
        options.pop("model", model),
        SparseHead(model),
        blocks,
        vocabulary,
        pad_id=0,
        device=device,
        rows=rows,
        **options,
    )


def test_equals_the_stock_loss_over_full_logits_with_the_same_masks(tiny_model_folder, blocks):
    model = AutoModelForMaskedLM.from_pretrained(tiny_model_folder).eval()
    vocabulary = masking_vocabulary(AutoTokenizer.from_pretrained(tiny_model_folder))
    input_ids, chosen = mask_blocks(
        blocks, np.arange(len(blocks)), vocabulary, key=evaluation_key(), probability=EVALUATION_PROBABILITY
    )
    assert 0 < chosen.sum() < blocks.size / 3 and not chosen[:, 0].any() and not chosen[-1, 9:].any()
    labels = torch.from_numpy(np.where(chosen, blocks, -100).astype(np.int64))
    with torch.no_grad():
        expected = model(
            input_ids=torch.from_numpy(input_ids), attention_mask=torch.from_numpy((blocks != 0) * 1), labels=labels
        ).loss.item()
    assert measure(tiny_model_folder, blocks, 16) == pytest.approx(expected, abs=1e-6)


def test_the_rows_of_a_pass_play_no_part(tiny_model_folder, blocks):
    losses = [measure(tiny_model_folder, blocks, rows) for rows in (1, 4, 16, 64)]
    assert losses == pytest.approx([losses[0]] * 4, abs=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_leaves_the_training_mode_and_the_weights_as_they_were(tiny_model_folder, blocks, training):
    model = AutoModelForMaskedLM.from_pretrained(tiny_model_folder).train(training)
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    head, vocabulary = SparseHead(model), masking_vocabulary(AutoTokenizer.from_pretrained(tiny_model_folder))
    seen = []
    options = {"pad_id": 0, "device": torch.device("cpu"), "rows": 8}
    first = heldout_mlm_loss(model, head, blocks, vocabulary, on_progress=seen.append, **options)
    assert model.training is training and seen == [8, 16, 21]
    assert heldout_mlm_loss(model, head, blocks, vocabulary, **options) == first  # no dropout
    for name, tensor in model.named_parameters():
        assert torch.equal(tensor, before[name]) and tensor.grad is None, name


def test_nothing_chosen_is_no_division_by_zero(tiny_model_folder):
    assert measure(tiny_model_folder, np.zeros((2, 8), dtype=np.int32) + 3, 4) == 0.0


def test_perplexity():
    assert perplexity(0.0) == 1.0 and perplexity(2.0) == pytest.approx(math.e**2)
    assert math.isfinite(perplexity(1e6))
