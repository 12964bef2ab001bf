"""The two scores against scipy and scikit-learn, and what passages do for documents of different length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import normalize

from domain_adapt.corpus.selection import scoring
from domain_adapt.corpus.selection.scoring import PASSAGE_WORDS, score_by_words, similarities
from domain_adapt.corpus.selection.words import COLUMNS, count_words
from domain_adapt.errors import DomainAdaptError

DOCUMENTS = [
    "The patient has a fever and the heart beats fast.",
    "The price of the bond falls when the yield rises.",
    "A fever, a cough; a fever again.",
    "The bond pays the holder a coupon.",
    "",
]
TARGETS = ["The fever of the patient fell.", "Heart and lungs of the patient."]


def ignore(what: str, done: int) -> None:
    pass


def score(documents: Sequence[str], targets: Sequence[str], by: str, batch: int = 2) -> np.ndarray:
    def batches() -> Iterator[Sequence[str]]:
        for start in range(0, len(documents), batch):
            yield documents[start : start + batch]

    return score_by_words(batches, targets, by, ignore)


def matrices(documents: Sequence[str], targets: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts of documents and targets, and each word's rarity in the documents."""
    vectorizer = CountVectorizer(token_pattern=r"\w+").fit([*documents, *targets])
    counts = vectorizer.transform(documents).toarray()
    rarity = np.log((1 + len(documents)) / (1 + (counts > 0).sum(0)))
    return counts, vectorizer.transform(targets).toarray(), rarity


WORDS = st.lists(st.sampled_from(["heart", "bond", "the", "of", "fever", "rate"]), min_size=1, max_size=12)


@given(WORDS, WORDS)
def test_similarity_is_one_less_scipys_divergence(document: list[str], other: list[str]) -> None:
    vocabulary = sorted({*document, *other})
    p, q = ([Counter(text)[word] / len(text) for word in vocabulary] for text in (document, other))
    reference = count_words([" ".join(other)]).sum_columns() / len(other)
    [found] = similarities(count_words([" ".join(document)]), reference)
    assert found == pytest.approx(1 - jensenshannon(p, q, base=2) ** 2, abs=1e-9)


def test_similarity_is_1_for_the_same_0_for_nothing_shared_and_for_no_words() -> None:
    reference = np.zeros(COLUMNS)
    np.add.at(reference, count_words(["heart fever"]).columns, 0.5)
    found = similarities(count_words(["fever heart fever heart", "bond", ""]), reference)
    assert found == pytest.approx([1, 0, 0], abs=1e-12)


def test_jensen_shannon_weighs_words_by_rarity() -> None:
    counts, targets, rarity = matrices(DOCUMENTS, TARGETS)
    reference = targets.sum(0) * rarity
    expected = [1 - jensenshannon(row, reference, base=2) ** 2 for row in (counts * rarity)[:-1]]
    assert score(DOCUMENTS, TARGETS, "jensen-shannon") == pytest.approx([*expected, 0], abs=1e-6)


def test_tfidf_is_the_cosine_that_scikit_learn_computes() -> None:
    counts, targets, rarity = matrices(DOCUMENTS, TARGETS)

    def weigh(rows: np.ndarray) -> np.ndarray:
        return normalize(np.where(rows > 0, 1 + np.log(np.maximum(rows, 1)), 0) * rarity)

    expected = cosine_similarity(weigh(counts), weigh(targets).mean(0, keepdims=True)).ravel()
    assert expected[:2].tolist() != sorted(expected[:2])
    assert score(DOCUMENTS, TARGETS, "tf-idf") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("by", ["jensen-shannon", "tf-idf"])
def test_batches_play_no_part(by: str) -> None:
    assert np.array_equal(score(DOCUMENTS, TARGETS, by, batch=1), score(DOCUMENTS, TARGETS, by, batch=9))
    assert score([], TARGETS, by).shape == (0,)


@pytest.mark.parametrize("by", ["jensen-shannon", "tf-idf"])
def test_a_long_document_is_no_nearer_than_a_short_one_of_the_same_words(
    by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: by plain similarity the longest documents won, whatever they were about."""
    generator = np.random.default_rng(0)
    shares = 1 / np.arange(1, 301)
    words = np.array([f"w{index}" for index in range(300)])

    def sample(length: int) -> str:
        return " ".join(generator.choice(words, length, p=shares / shares.sum()))

    short, long = [sample(2 * PASSAGE_WORDS) for _ in range(40)], [sample(32 * PASSAGE_WORDS) for _ in range(40)]
    targets = [sample(300) for _ in range(10)]

    def advantage() -> float:
        found = score([*short, *long], targets, by)
        return float(found[40:].mean() / found[:40].mean())

    assert advantage() == pytest.approx(1, abs=0.07)
    monkeypatch.setattr(scoring, "PASSAGE_WORDS", 10**6)
    assert advantage() > 1.4


@pytest.mark.parametrize("by", ["jensen-shannon", "tf-idf"])
@pytest.mark.parametrize("targets", [["..."], ["common"]])
def test_targets_that_tell_nothing_apart_are_refused(by: str, targets: list[str]) -> None:
    with pytest.raises(DomainAdaptError, match=r"corpus\.select\.to: there is no word"):
        score(["common one", "common two"], targets, by)
