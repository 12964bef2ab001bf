import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from domain_adapt.mlm.masking import (
    MaskingVocabulary,
    evaluation_key,
    mask_blocks,
    masking_key,
    masking_vocabulary,
)

VOCABULARY = MaskingVocabulary(
    mask_id=4, ordinary_ids=np.arange(5, 1000), is_ordinary=np.r_[np.zeros(5, bool), np.ones(995, bool)]
)


def blocks_of(rows, width, seed=0):
    blocks = np.random.Generator(np.random.Philox(seed)).integers(5, 1000, (rows, width)).astype(np.int32)
    blocks[:, 0], blocks[:, -1] = 2, 3
    return blocks


def test_vocabulary_leaves_special_tokens_out(tiny_wordpiece):
    tokenizer = AutoTokenizer.from_pretrained(tiny_wordpiece)
    vocabulary = masking_vocabulary(tokenizer)
    assert vocabulary.mask_id == tokenizer.mask_token_id
    assert not set(vocabulary.ordinary_ids) & set(tokenizer.all_special_ids)
    assert len(vocabulary.ordinary_ids) + len(set(tokenizer.all_special_ids)) == len(tokenizer)


@given(st.integers(1, 20), st.integers(4, 40), st.floats(0.01, 0.9), st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_only_chosen_ordinary_tokens_change(rows, width, probability, epoch):
    blocks = blocks_of(rows, width)
    input_ids, chosen = mask_blocks(
        blocks, np.arange(rows), VOCABULARY, key=masking_key(0, epoch), probability=probability
    )
    assert np.array_equal(input_ids[~chosen], blocks[~chosen])
    assert not chosen[:, [0, -1]].any()
    changed = input_ids[chosen & (input_ids != blocks)]
    assert all(token == 4 or token >= 5 for token in changed)


def test_rates_are_15_percent_and_80_10_10_within_three_standard_errors():
    blocks = blocks_of(8000, 128)
    input_ids, chosen = mask_blocks(blocks, np.arange(8000), VOCABULARY, key=masking_key(0, 0), probability=0.15)
    count = 8000 * 126

    def within(observed, share, size):
        return abs(observed / size - share) < 3 * (share * (1 - share) / size) ** 0.5

    picked = int(chosen.sum())
    assert within(picked, 0.15, count)
    masked = int((input_ids[chosen] == 4).sum())
    kept = int((input_ids[chosen] == blocks[chosen]).sum())
    assert within(masked, 0.8, picked)
    assert within(kept, 0.1 + 0.1 / 995, picked)  # a random replacement can be the token itself
    replaced = input_ids[chosen & (input_ids != 4) & (input_ids != blocks)]
    assert len(np.unique(replaced)) > 990  # drawn from the whole vocabulary


def test_resume_redraws_no_mask_that_trainer_would_have_redrawn():
    """Trainer 5.23 draws masks from a global generator, so a run resumed in mid-epoch sees other masks."""
    blocks = blocks_of(64, 32)
    whole = mask_blocks(blocks, np.arange(64), VOCABULARY, key=masking_key(7, 2), probability=0.15)
    rest = mask_blocks(blocks[40:], np.arange(40, 64), VOCABULARY, key=masking_key(7, 2), probability=0.15)
    assert np.array_equal(whole[0][40:], rest[0]) and np.array_equal(whole[1][40:], rest[1])


@pytest.mark.parametrize("other", [masking_key(0, 1), masking_key(1, 0), evaluation_key()])
def test_epochs_seeds_and_evaluation_have_masks_of_their_own(other):
    blocks = blocks_of(16, 64)
    first = mask_blocks(blocks, np.arange(16), VOCABULARY, key=masking_key(0, 0), probability=0.15)[1]
    assert not np.array_equal(first, mask_blocks(blocks, np.arange(16), VOCABULARY, key=other, probability=0.15)[1])
