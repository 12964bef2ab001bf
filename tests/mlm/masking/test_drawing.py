import hashlib

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


def test_token_masks_are_the_same_in_every_version():
    # Pinned on purpose: if these change, every run that is under way resumes with other masks.
    blocks = (5 + np.arange(3 * 16) * 37 % 995).reshape(3, 16).astype(np.int32)
    blocks[:, 0], blocks[:, -1] = 2, 3
    rows = np.array([0, 7, 123456])
    input_ids, chosen = mask_blocks(blocks, rows, VOCABULARY, key=masking_key(3, 1), probability=0.3)
    assert [np.flatnonzero(row).tolist() for row in chosen] == [
        [1, 2, 3, 7, 8, 12],
        [2, 7, 8, 13, 14],
        [3, 6, 7, 8, 10, 11],
    ]
    assert [row[picked].tolist() for row, picked in zip(input_ids, chosen, strict=True)] == [
        [4, 4, 4, 4, 172, 4],
        [4, 4, 4, 4, 4],
        [4, 4, 453, 58, 4, 4],
    ]
    large = (5 + np.arange(64 * 128) * 37 % 995).reshape(64, 128).astype(np.int32)
    input_ids, chosen = mask_blocks(large, np.arange(64), VOCABULARY, key=evaluation_key(), probability=0.15)
    digest = hashlib.sha256(input_ids.astype("<i8").tobytes()).hexdigest()
    assert digest == "eb78bd8ee4c2dd14aa64646614e485d2e1a82100d6d0e0ab1652492296bce0b9" and chosen.sum() == 1182


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


def test_mask_sets_are_used_in_turn():
    keys = [masking_key(5, epoch, mask_sets=3) for epoch in range(7)]
    assert keys[:3] == keys[3:6] == [masking_key(5, epoch) for epoch in range(3)]
    assert keys[6] == keys[0] and len(set(keys)) == 3
    assert len({masking_key(5, epoch) for epoch in range(7)}) == 7


@given(st.floats(0.05, 0.4), st.floats(0.4, 0.9))
@settings(deadline=None, max_examples=20)
def test_a_higher_share_adds_to_the_masks_of_a_lower_one(low, high):
    blocks = blocks_of(8, 64)
    few, many = (
        mask_blocks(blocks, np.arange(8), VOCABULARY, key=masking_key(0, 0), probability=share)[1]
        for share in (low, high)
    )
    assert not (few & ~many).any()
