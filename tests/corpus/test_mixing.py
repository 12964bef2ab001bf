from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.corpus.mixing import Mixture, Share, mix

REST = Share()


def mixed(tokens: list[int], sources: list[int], *shares: Share) -> Mixture:
    """Documents whose positions are their order, from 0 on."""
    positions = np.arange(len(tokens)) / max(1, len(tokens))
    return mix(np.array(tokens), np.array(sources), positions, shares)


def test_without_wishes_all_is_taken() -> None:
    found = mixed([5, 6, 7], [0, 1, 0], REST, REST)
    assert found.keep.all() and found.tokens == [12, 6]


def test_a_cap_takes_the_lowest_positions_and_is_never_passed() -> None:
    found = mixed([4, 4, 4, 4], [0, 0, 0, 1], Share(max_tokens=9), REST)
    assert found.keep.tolist() == [True, True, False, True] and found.tokens == [8, 4]


def test_weights_thin_the_larger_source_and_leave_others_whole() -> None:
    found = mixed([1] * 30, [0] * 20 + [1] * 5 + [2] * 5, Share(weight=2), Share(weight=1), REST)
    assert found.tokens == [10, 5, 5]


def test_replay_is_a_share_of_the_whole() -> None:
    found = mixed([1] * 200, [0] * 95 + [1] * 105, REST, Share(replay=0.05))
    assert found.tokens == [95, 5] and found.wanted == [95, 5]


def test_a_source_too_small_for_its_replay_is_taken_whole_and_the_rest_is_not_thinned() -> None:
    found = mixed([1] * 12, [0] * 10 + [1] * 2, REST, Share(replay=0.5))
    assert found.keep.all() and found.tokens == [10, 2] and found.wanted == [10, 10]


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 2)), min_size=1, max_size=60),
    st.tuples(*[st.none() | st.floats(0.1, 9)] * 3),
    st.tuples(*[st.none() | st.integers(1, 500)] * 3),
)
def test_caps_hold_and_proportions_are_met_within_a_document(
    documents: list[tuple[int, int]], weights: tuple[float | None, ...], caps: tuple[int | None, ...]
) -> None:
    tokens, sources = [length for length, _ in documents], [source for _, source in documents]
    found = mixed(tokens, sources, *(Share(weight, cap) for weight, cap in zip(weights, caps, strict=True)))
    for index, (weight, cap) in enumerate(zip(weights, caps, strict=True)):
        present = sum(length for length, source in documents if source == index)
        assert found.tokens[index] == sum(
            length for (length, source), kept in zip(documents, found.keep, strict=True) if kept and source == index
        )
        assert found.tokens[index] <= found.wanted[index] <= present
        assert cap is None or found.tokens[index] <= cap
        if weight is None and cap is None:
            assert found.tokens[index] == present
        longest = max((length for length, source in documents if source == index), default=0)
        assert found.wanted[index] - found.tokens[index] <= longest


@pytest.mark.parametrize("size", [10, 1000])
def test_a_corpus_that_grows_keeps_its_choice(size: int) -> None:
    chance = np.random.default_rng(3)
    tokens, positions = chance.integers(1, 9, 2000), chance.random(2000)
    sources = np.zeros(2000, dtype=np.int64)
    small = mix(tokens[:size], sources[:size], positions[:size], [Share(max_tokens=10**9)])
    assert small.keep.all()
    cap = Share(max_tokens=int(tokens.sum() // 2))
    large = mix(tokens, sources, positions, [cap]).keep
    assert positions[large].max() < positions[~large].min()
