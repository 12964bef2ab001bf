import logging

import numpy as np
import pytest

from domain_adapt.errors import DomainAdaptError
from domain_adapt.mlm.masking import WordTable, weights
from domain_adapt.mlm.masking.anchors import WordCount
from domain_adapt.mlm.masking.weights import _likeness, difference_weights

TEXTS = [b"", b" the", b" swap", b" swaps", b" fee", b" is", b"da", b" ill"]
TABLE = WordTable.from_texts(TEXTS, [0])
THE, SWAP, SWAPS, FEE, IS, DA, ILL = range(1, 8)
GENERAL = {"the": 0.05, "swap": 1e-6, "swaps": 1e-7, "fee": 2e-5, "isda": 0.0, "ill": 1e-5}
EMBEDDINGS = np.array([[9, 9], [1, 0], [0, 2], [0.1, 1], [-1, 0.1], [0.9, 0.1], [0, 5], [-1, -1], [7, 7]], np.float32)


@pytest.fixture(autouse=True)
def general(monkeypatch):
    monkeypatch.setattr(weights, "english_frequency", lambda: GENERAL.__getitem__)


def corpus(*counts):
    """Blocks of four tokens in which the words occur so often, and how often each token does."""
    words = [[THE], [SWAP], [SWAPS], [FEE], [IS, DA], [ILL]]
    tokens = [token for number, ids in zip(counts, words, strict=True) for token in ids * number]
    blocks = np.array(tokens + [0] * (-len(tokens) % 4), dtype=np.int32).reshape(-1, 4)
    return blocks, np.bincount(tokens, minlength=8)


def test_the_mean_weight_is_one_and_grows_with_the_likeness_to_the_nearest_anchor(caplog):
    blocks, counts = corpus(40, 30, 6, 8, 0, 4)
    with caplog.at_level(logging.INFO):
        found = difference_weights(blocks, counts, EMBEDDINGS, TABLE, anchors=1)
    assert "anchors: swap" in caplog.text and "swaps" not in caplog.text
    assert found @ counts / counts.sum() == pytest.approx(1)
    assert found[0] == 0 and found[IS] == found[DA] == 0  # special, and not in the corpus
    mean = counts / counts.sum() @ EMBEDDINGS[:8].astype(float)
    centred = EMBEDDINGS[:8] - mean
    cosines = centred @ centred[SWAP] / np.linalg.norm(centred, axis=1) / np.linalg.norm(centred[SWAP])
    order = sorted((THE, SWAP, SWAPS, FEE, ILL), key=lambda token: cosines[token])
    assert order[-2:] == [SWAPS, SWAP]
    below = 0
    for token in order:  # twice the share of the corpus below it, half of its own included
        assert found[token] == pytest.approx(2 * (below + counts[token] / 2) / counts.sum())
        below += counts[token]


def test_equal_likeness_is_an_equal_weight():
    blocks, counts = corpus(40, 30, 30, 8, 0, 4)
    found = difference_weights(blocks, counts, EMBEDDINGS, TABLE, anchors=2)
    assert found[SWAP] == found[SWAPS] == pytest.approx(2 * (1 - 30 / counts.sum()))  # both are anchors: cosine 1


def test_likeness_is_that_to_the_nearest_anchor_and_frequent_pieces_count_less():
    embeddings = np.array([[0, 0, 0], [4, 0, 0], [0, 2, 0], [0, 0, 3], [3, 3, 0]], np.float32)
    shares = np.array([0.0, 0.4, 0.0, 0.0, 0.0])
    anchors = [WordCount("pair", 9, (1, 2)), WordCount("single", 9, (3,))]
    centred = embeddings - np.array([1.6, 0, 0])
    parts = np.array([1e-3 / 0.401, 1.0])
    pair = parts @ centred[[1, 2]] / parts.sum()
    expected = []
    for vector in centred:
        cosines = [vector @ target / np.linalg.norm(vector) / np.linalg.norm(target) for target in (pair, centred[3])]
        expected.append(max(cosines))
    assert _likeness(embeddings, shares, anchors) == pytest.approx(expected)
    assert expected[3] == pytest.approx(1) and expected[2] > 0.99 > 0.5 > expected[1]  # "pair" is nearly its rare piece


def test_the_same_base_and_corpus_give_the_same_bytes():
    blocks, counts = corpus(40, 30, 6, 8, 20, 4)
    first, again = (difference_weights(blocks, counts, EMBEDDINGS, TABLE, anchors=3).tobytes() for _ in range(2))
    assert first == again


def test_a_corpus_in_another_language_is_warned_of(monkeypatch, caplog):
    monkeypatch.setattr(weights, "english_frequency", lambda: lambda word: 0.0)
    blocks, counts = corpus(40, 30, 6, 8, 20, 5)
    difference_weights(blocks, counts, EMBEDDINGS, TABLE, anchors=3)
    assert "in English?" in caplog.text
    assert "..." not in caplog.text


def test_a_corpus_of_function_words_has_no_anchor():
    with pytest.raises(DomainAdaptError, match=r"mlm\.masking.*no word"):
        difference_weights(*corpus(40, 0, 0, 0, 0, 0), EMBEDDINGS, TABLE, anchors=3)
