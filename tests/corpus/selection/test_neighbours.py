"""Nearest neighbours by hand and against a plain search for k."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.corpus.selection import neighbours
from domain_adapt.corpus.selection.basics import count_kept
from domain_adapt.corpus.selection.neighbours import order_by_rank, rank_by_neighbours, spread


def ignore(what: str, done: int) -> None:
    pass


def unit(rows: Sequence[Sequence[float]]) -> np.ndarray:
    array = np.array(rows, np.float32)
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float16)


def test_each_target_chooses_its_nearest_before_any_chooses_its_second() -> None:
    # Documents 0 to 2 are near to the first target; 3 is far from both, but the second has none that is nearer.
    documents = unit([[1, 0.1, 0], [1, 0, 0.05], [1, 0.2, 0], [0.3, 0.2, 1], [-1, 0, 0]])
    targets = unit([[1, 0, 0], [0, 1, 0.5]])
    order = order_by_rank(documents, targets, 3, ignore).tolist()
    assert order[:3] == [1, 3, 0]  # both targets' first; then of their seconds the one that is nearer


@pytest.mark.parametrize("held", [1, 7, 10**6])
@given(seed=st.integers(0, 1000), documents=st.integers(1, 30), targets=st.integers(1, 8), keep=st.floats(0.01, 1))
def test_it_is_what_raising_k_until_enough_are_chosen_gives(
    held: int, seed: int, documents: int, targets: int, keep: float
) -> None:
    generator = np.random.default_rng(seed)
    vectors, wanted = (unit(generator.normal(size=(size, 4))) for size in (documents, targets))
    cosines = wanted.astype(np.float32) @ vectors.astype(np.float32).T
    count = count_kept(documents, keep)
    chosen: set[int] = set()
    before: set[int] = set()
    k = 0
    while len(chosen) < count:
        k, before = k + 1, chosen
        chosen = {int(index) for row in cosines for index in np.argsort(-row, kind="stable")[:k]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_SIMILARITIES", held)
        patch.setattr(neighbours, "_ROWS", 5)
        found = set(order_by_rank(vectors, wanted, count, ignore)[:count].tolist())
    assert len(found) == count
    assert before <= found <= chosen
    left_out, last = chosen - found, found - before
    if left_out:  # of what the last k chose, the nearest are taken
        nearest = cosines.max(axis=0)
        assert min(nearest[list(last)]) >= max(nearest[list(left_out)]) - 1e-6


def test_equal_documents_come_in_their_order() -> None:
    order = order_by_rank(unit([[0, 1], [1, 0], [1, 0], [1, 0]]), unit([[1, 0]]), 2, ignore)
    assert order[:2].tolist() == [1, 2]


def test_targets_are_spread_evenly() -> None:
    texts = [str(number) for number in range(100)]
    assert spread(texts, 100) == spread(texts, 500) == texts
    assert spread(texts, 4) == ["0", "33", "66", "99"]
    assert len(set(spread(texts, 67))) == 67


def test_vectors_are_searched_from_the_disk_in_the_order_of_the_batches(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    vectors = {"east": [1, 0], "west": [-1, 0], "north": [0, 1], "north-east": [1, 1], "south": [0, -1]}
    embedded: list[list[str]] = []

    def embed(texts: Sequence[str]) -> np.ndarray:
        embedded.append(list(texts))
        return unit([vectors[text] for text in texts])

    monkeypatch.setattr(neighbours, "load_embedder", lambda folder: embed)
    monkeypatch.setattr(neighbours, "MOST_TARGETS", 2)
    caplog.set_level("INFO")
    told: list[tuple[str, int]] = []
    batches = iter([["west", "north-east"], ["south", "north"]])
    order = rank_by_neighbours(batches, ["north", "west", "east"], 0.5, None, lambda *news: told.append(news))  # type: ignore[arg-type]
    assert order[:2].tolist() == [3, 1]
    assert embedded == [["north", "east"], ["west", "north-east"], ["south", "north"]]
    assert told == [("embedding", 2), ("embedding", 4), ("searching neighbours", 4)]
    assert "by 2 of 3 texts" in caplog.text
    assert rank_by_neighbours(iter([]), ["north"], 0.5, None, ignore).shape == (0,)  # type: ignore[arg-type]
