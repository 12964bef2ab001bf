from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from domain_adapt.bases import resolve_base
from domain_adapt.corpus.selection import select
from domain_adapt.corpus.selection.choosing import best
from domain_adapt.corpus.selection.embeddings import _ranks
from domain_adapt.corpus.selection.words import _counted, _nearness, tf_idf
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import SelectionSettings
from domain_adapt.workspace import Workspace

MEDICAL = [
    "The patient was given insulin because the glucose in the blood had risen.",
    "A fever with cough and chest pain points to an infection of the lung.",
    "Surgeons removed the gallbladder after stones had blocked its duct.",
    "The kidney filters blood, and its failure makes dialysis necessary.",
    "Antibiotics do not help against a virus, whatever the symptoms are.",
]
FINANCIAL = [
    "The bond pays a coupon twice a year and is redeemed at par.",
    "Shareholders approved the dividend after profits had risen sharply.",
    "The central bank raised its interest rate to slow inflation down.",
    "A lender checks the credit of a borrower before granting the loan.",
    "Auditors found that the balance sheet overstated its assets by half.",
]
TARGETS = ["Which symptoms does an infection of the kidney have?", "Insulin lowers glucose in the blood of a patient."]
CORPUS = [text for pair in zip(FINANCIAL, MEDICAL, strict=True) for text in pair]


@pytest.mark.parametrize("by", ["jensen-shannon", "tf-idf", "similarity"])
def test_the_documents_of_the_task_s_topic_are_selected(by: str, tmp_path) -> None:
    base = resolve_base("mini", workspace=Workspace(tmp_path), revision=None).folder if by == "similarity" else None
    calls = []

    def batches():
        calls.append(by)
        return iter([CORPUS[:3], CORPUS[3:]])

    chosen = select(batches, targets=TARGETS, settings=SelectionSettings(by=by, keep=0.5), base_folder=base)
    assert chosen.sum() == 5
    assert sum(text in MEDICAL for text, keep in zip(CORPUS, chosen, strict=True) if keep) >= 4
    assert len(calls) == (1 if by == "similarity" else 2)


def test_nearness_is_one_minus_the_divergence_that_scipy_finds() -> None:
    own, other = np.array([0.5, 0.25, 0.25, 0.0, 0.0]), np.array([0.1, 0.2, 0.0, 0.3, 0.4])
    in_document = own > 0
    expected = 1 - jensenshannon(own, other, base=2) ** 2
    assert _nearness(own[in_document], other[in_document]) == pytest.approx(expected, abs=1e-12)


def test_tf_idf_is_the_difference_of_two_cosines() -> None:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.preprocessing import normalize

    counter = CountVectorizer(token_pattern=r"\w+").fit(CORPUS + TARGETS)
    times = counter.transform(CORPUS).toarray().astype(float)
    present = (times > 0).sum(axis=0)
    weight = np.log((1 + len(CORPUS)) / (1 + present))

    def vectors(counts: np.ndarray) -> np.ndarray:
        return normalize(np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0.0) * weight)

    target = normalize(vectors(counter.transform(TARGETS).toarray().astype(float)).sum(axis=0)[None])[0]
    corpus = normalize((present * weight)[None])[0]
    expected = vectors(times) @ (target - corpus)
    assert tf_idf(lambda: iter([CORPUS]), TARGETS) == pytest.approx(expected, abs=1e-6)


def test_words_are_counted_by_text() -> None:
    found = [sorted(times.tolist()) for _, times in _counted(["fever Fever cough", "", "bond"])]
    assert found == [[1.0, 2.0], [1.0], [1.0]]


def test_ranks_give_every_target_its_nearest_first() -> None:
    documents = np.array([[1, 0], [0.9, 0.1], [0, 1], [-1, 0]], dtype=np.float16)
    targets = np.array([[1, 0], [0, 1]], dtype=np.float32)
    scores = _ranks(documents, targets, 3)
    assert np.argsort(-scores, kind="stable").tolist() == [0, 2, 1, 3]


def test_the_share_is_rounded_up_and_ties_go_to_the_first() -> None:
    assert best(np.zeros(10, dtype=np.float32), 0.3).tolist() == [True] * 3 + [False] * 7
    assert best(np.array([1, 3, 2], dtype=np.float32), 0.5).tolist() == [False, True, True]


def test_targets_without_text_are_an_error() -> None:
    with pytest.raises(DomainAdaptError, match=r"corpus\.select\.to: no text in x"):
        select(lambda: iter([CORPUS]), targets=[" "], settings=SelectionSettings(by="tf-idf", to="x"), base_folder=None)
