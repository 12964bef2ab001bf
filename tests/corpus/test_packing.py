from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.corpus import packing
from domain_adapt.corpus.packing import pack

CLS, SEP, PAD = 101, 102, 100
IDS = {"cls_id": CLS, "sep_id": SEP, "pad_id": PAD}


def packed(documents: list[list[int]], block_size: int) -> list[list[int]]:
    return pack(documents, block_size=block_size, **IDS).tolist()


def reference(documents: list[list[int]], block_size: int) -> list[list[int]]:
    """The same rules, token by token."""
    blocks: list[list[int]] = []
    content: list[int] = []

    def close(closing: list[int]) -> None:
        block = [CLS, *content, *closing]
        blocks.append(block + [PAD] * (block_size - len(block)))
        content.clear()

    for document in (document for document in documents if document):
        if content:
            content.append(SEP)
            if len(content) == block_size - 2:
                close([])
        for token in document:
            content.append(token)
            if len(content) == block_size - 2:
                close([SEP])
    if content:
        close([SEP])
    return blocks


documents_strategy = st.lists(st.lists(st.integers(0, 99), max_size=20), max_size=20)


@settings(deadline=None, max_examples=300)
@given(documents_strategy, st.integers(3, 12), st.integers(1, 40))
def test_pack_equals_the_token_by_token_reference_whatever_the_chunk(
    documents: list[list[int]], block_size: int, chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "_CHUNK_TOKENS", chunk)
        assert packed(documents, block_size) == reference(documents, block_size)


@settings(deadline=None)
@given(documents_strategy, st.integers(3, 12))
def test_no_token_is_lost_and_every_block_is_well_formed(documents: list[list[int]], block_size: int) -> None:
    blocks = packed(documents, block_size)
    content = [token for block in blocks for token in block if token < PAD]
    assert content == [token for document in documents for token in document]
    for block in blocks:
        assert block[0] == CLS and block[1] not in (SEP, PAD)
        filled = [token for token in block if token != PAD]
        assert filled[-1] == SEP and block[: len(filled)] == filled
        assert (SEP, SEP) not in list(pairwise(filled))


def test_documents_flow_over_blocks_with_separators_between() -> None:
    assert packed([[1, 2], [3, 4, 5, 6], [7]], 6) == [
        [CLS, 1, 2, SEP, 3, SEP],
        [CLS, 4, 5, 6, SEP, PAD],
        [CLS, 7, SEP, PAD, PAD, PAD],
    ]


def test_a_document_that_ends_at_the_border_leaves_no_separator_in_the_next_block() -> None:
    assert packed([[1, 2, 3, 4], [5]], 6) == [[CLS, 1, 2, 3, 4, SEP], [CLS, 5, SEP, PAD, PAD, PAD]]


def test_a_separator_id_inside_a_document_is_text() -> None:
    assert packed([[SEP, 1, 2, SEP], [3]], 6) == [[CLS, SEP, 1, 2, SEP, SEP], [CLS, 3, SEP, PAD, PAD, PAD]]


def test_nothing_gives_no_block() -> None:
    assert pack([[], []], block_size=8, **IDS).shape == (0, 8)
    assert pack([], block_size=8, **IDS).dtype == np.int32


def test_a_block_without_room_for_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        pack([[1]], block_size=2, **IDS)


def test_packing_is_not_a_loop_over_tokens() -> None:
    documents = [np.arange(200, dtype=np.int32)] * 10_000
    start = time.perf_counter()
    blocks = pack(documents, block_size=128, **IDS)
    seconds = time.perf_counter() - start
    assert len(blocks) >= 15_873
    assert seconds < 2  # a loop over 2 M tokens takes about as long on an idle machine; this takes 0.05 s
