import math

import pytest

from domain_adapt.corpus.terms import log_odds, typical_terms

GENERAL = {"the": 5_000.0, "heart": 10.0, "house": 990.0, "time": 4_000.0}


def test_the_z_score_by_hand():
    odds = math.log(12 / (112 - 12)) - math.log(4 / (1_012 - 4))
    assert log_odds(10, 100, 2, 1_000, 2, 12) == pytest.approx(odds / math.sqrt(1 / 12 + 1 / 4))
    assert log_odds(10, 100, 10, 100, 2, 12) == 0.0
    assert log_odds(2, 100, 10, 100, 2, 12) == -log_odds(10, 100, 2, 100, 2, 12)


def test_typical_words_are_those_that_general_english_has_less_often():
    counts = {"the": 500, "heart": 200, "myocardium": 150, "house": 5, "time": 145}
    found = typical_terms(counts, GENERAL)
    assert [term.word for term in found] == ["heart", "myocardium"]  # the others are less frequent here
    terms = {term.word: term for term in found}
    assert "the" not in terms  # a stop word
    assert terms["heart"].score > 1.96 and terms["myocardium"].score > 1.96
    assert (terms["heart"].count, terms["heart"].per_million) == (200, 200_000.0)
    assert (terms["heart"].general_per_million, terms["myocardium"].general_per_million) == (1_000.0, 0.0)
    assert len(typical_terms(counts, GENERAL, 1)) == 1


def test_nothing_to_compare():
    assert typical_terms({}, GENERAL) == [] and typical_terms({"heart": 1}, {}) == []
