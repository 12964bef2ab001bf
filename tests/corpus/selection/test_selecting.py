"""Which documents are kept, on sentences about medicine and finance."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.corpus.selection import select
from domain_adapt.corpus.selection.basics import count_kept
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes.corpus_tables import SelectionSettings

MEDICAL = [
    "The surgeon closed the wound after the tumour had been removed from the liver.",
    "Antibiotics cure an infection of the lungs that bacteria cause, but not one by a virus.",
    "The patient was given insulin because the blood sugar had risen after the meal.",
    "A fracture of the hip is treated by surgery, and the patient walks again within days.",
    "High blood pressure damages the arteries of the heart, the kidneys and the brain.",
    "The infant was vaccinated against measles, and a mild fever followed the injection.",
]
FINANCIAL = [
    "The bank raised the interest rate on the loan after the inflation figures had been published.",
    "Shareholders receive a dividend out of the profit that the company made in the year.",
    "The price of the bond fell because the yield on the market had risen since the auction.",
    "An option gives its holder the right to buy a share at a price that was fixed before.",
    "The fund sold its stocks, and the manager invested the money in government debt.",
    "Exporters hedge the exchange rate of the currency, and pay a premium for the contract.",
]
ABOUT_MEDICINE = [
    "The doctor treats the infection of the lungs with antibiotics until the fever of the patient has gone.",
    "Surgery on the heart or the liver leaves a wound, which the surgeon closed with a seam.",
    "The blood pressure and the blood sugar of the patient are measured; insulin is given by injection.",
    "Tumour, fracture, virus, bacteria and bleeding of the arteries or the brain are seen in the hospital.",
]
ABOUT_FINANCE = [
    "The company pays interest on its debt and a dividend on the share; the rest is profit of the shareholders.",
    "When inflation rises the bank raises the rate, and the price of a bond on the market falls with a higher yield.",
    "The fund and its manager sold the option and invested the money in stocks and government bonds.",
    "A contract on the exchange rate of a currency is bought at a premium to hedge the loan.",
]
MIXED = [text for pair in zip(MEDICAL, FINANCIAL, strict=True) for text in pair]
EVEN = np.arange(len(MIXED)) % 2 == 0


def batches_of(texts: Sequence[str], size: int = 5) -> Callable[[], Iterator[Sequence[str]]]:
    def batches() -> Iterator[Sequence[str]]:
        for start in range(0, len(texts), size):
            yield texts[start : start + size]

    return batches


@pytest.mark.parametrize("by", ["jensen-shannon", "tf-idf", "similarity"])
@pytest.mark.parametrize(("targets", "right"), [(ABOUT_MEDICINE, EVEN), (ABOUT_FINANCE, ~EVEN)])
def test_the_half_about_the_same_is_kept(by: str, targets: list[str], right: np.ndarray, mini_folder: Path) -> None:
    settings = SelectionSettings(by=by, keep=0.5)
    found = select(batches_of(MIXED), targets, settings, base_folder=mini_folder)
    assert found.dtype == np.bool_ and found.tolist() == right.tolist()


@pytest.mark.parametrize("by", ["jensen-shannon", "tf-idf"])
def test_ties_go_to_the_earlier_and_repeated_targets_count_once(by: str) -> None:
    settings = SelectionSettings(by=by, keep=0.3)
    texts = ["bond price", "heart beat", "heart beat", "heart beat", "bond price"]
    found = select(batches_of(texts), ["heart beat", *["bond"] * 9], settings)
    assert found.tolist() == select(batches_of(texts), ["heart beat", "bond"], settings).tolist()
    assert select(batches_of(texts), ["heart"], settings).tolist() == [False, True, True, False, False]


def test_progress_counts_documents_twice() -> None:
    told: list[tuple[str, int]] = []
    settings = SelectionSettings(by="tf-idf", keep=0.5)
    select(batches_of(MIXED, 7), ABOUT_FINANCE, settings, on_progress=lambda *news: told.append(news))
    assert told == [("counting words", 7), ("counting words", 12), ("comparing words", 7), ("comparing words", 12)]


@pytest.mark.parametrize("settings", [SelectionSettings(), SelectionSettings(by="similarity", keep=1.0)])
def test_what_keeps_all_needs_no_model(settings: SelectionSettings) -> None:
    assert select(batches_of(MIXED), ABOUT_FINANCE, settings).tolist() == [True] * 12


@pytest.mark.parametrize("by", ["jensen-shannon", "tf-idf", "similarity"])
def test_without_targets_the_recipe_key_is_named(by: str) -> None:
    settings = SelectionSettings(by=by, to="task:qa")
    with pytest.raises(DomainAdaptError, match=r"corpus\.select\.to: no text in task:qa"):
        select(batches_of(MIXED), [" \n"], settings)


def test_similarity_without_a_base_is_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="base_folder"):
        select(batches_of(MIXED), ["a"], SelectionSettings(by="similarity"))


@given(st.integers(0, 10_000), st.integers(1, 1000))
def test_the_share_is_rounded_up_exactly(documents: int, thousandths: int) -> None:
    assert count_kept(documents, thousandths / 1000) == math.ceil(Fraction(thousandths, 1000) * documents)


def test_selecting_by_words_needs_no_torch() -> None:
    code = (
        "import sys; from domain_adapt.corpus.selection import select\n"
        "from domain_adapt.recipes.corpus_tables import SelectionSettings\n"
        "select(lambda: iter([['a b', 'c d']]), ['a'], SelectionSettings(by='tf-idf'))\n"
        "print(*{'torch', 'transformers', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
