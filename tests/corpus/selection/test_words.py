"""Counts of words, against scikit-learn's and by hand."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from domain_adapt.corpus.selection import words
from domain_adapt.corpus.selection.words import Counts, column_of, count_passages, count_words

TEXTS = ["The heart pumps; the aorta carries.", "", "Bonds pay 2 coupons, and bonds FALL.", "Straße 心臓 naïve_x"]


def as_rows(counts: Counts) -> list[dict[int, float]]:
    starts = [0, *counts.ends[:-1]]
    return [
        dict(zip(counts.columns[a:b].tolist(), counts.values[a:b].tolist(), strict=True))
        for a, b in zip(starts, counts.ends, strict=True)
    ]


def test_counts_are_those_of_scikit_learn_under_the_words_columns() -> None:
    vectorizer = CountVectorizer(token_pattern=r"\w+")
    expected = vectorizer.fit_transform(TEXTS).toarray()
    names = vectorizer.get_feature_names_out()
    by_column = [{column_of(names[i]): row[i] for i in np.flatnonzero(row)} for row in expected]
    assert as_rows(count_words(TEXTS)) == by_column


def test_sums_by_text_and_by_word() -> None:
    counts = count_words(["a b a", "", "b"])
    assert counts.sum_rows(counts.values).tolist() == [3, 0, 1]
    assert counts.spread_rows(np.array([7.0, 8.0, 9.0])).tolist() == [7, 7, 9]
    columns = [column_of("a"), column_of("b")]
    assert counts.sum_columns()[columns].tolist() == [2, 2]
    assert counts.count_rows()[columns].tolist() == [1, 2]
    assert counts.sum_columns().sum() == 4


def test_nothing_is_counted_as_nothing() -> None:
    counts = count_words([])
    assert counts.ends.shape == counts.columns.shape == counts.values.shape == (0,)
    assert as_rows(count_words(["", "..."])) == [{}, {}]


def test_words_of_one_column_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "column_of", lambda word: len(word))
    assert as_rows(count_words(["ab cd e ab"])) == [{1: 1.0, 2: 3.0}]


def test_columns_are_the_same_in_another_process() -> None:
    code = "from domain_adapt.corpus.selection.words import column_of; print(column_of('heart'), column_of('心臓'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [str(column_of("heart")), str(column_of("心臓"))]


@given(st.lists(st.integers(0, 200), max_size=6), st.integers(1, 40))
def test_passages_hold_every_word_once_and_are_alike_long(lengths: list[int], size: int) -> None:
    texts = [" ".join(f"w{index}" for index in range(length)) for length in lengths]
    counts, owners = count_passages(texts, size)
    sizes = counts.sum_rows(counts.values).astype(int)
    assert sorted(set(owners.tolist())) == list(range(len(texts)))
    for index, length in enumerate(lengths):
        mine = sizes[owners == index]
        assert mine.sum() == length
        assert mine.max() - mine.min() <= 1
        assert length < size or ((2 * size) // 3 <= mine.min() and mine.max() <= 1.5 * size + 1)
