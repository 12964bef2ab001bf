from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.corpus.ngrams import FACTOR, word_ngrams

# Few letters, so that words and n-grams come again; and what makes casefolding and word borders hard.
TEXTS = st.lists(
    st.text(st.sampled_from("abßAﬁ_9 \n.,-\u2019éİ\ud800\U00010400語"), max_size=12), min_size=1, max_size=6
)


def reference(text: str, ngram: int) -> list[tuple[str, ...]]:
    folded = text.casefold()
    words = re.findall(r"\w+", folded) or [f"no word: {' '.join(folded.split())}"]
    return [tuple(words[start : start + ngram]) for start in range(max(1, len(words) - ngram + 1))]


@settings(deadline=None)
@given(TEXTS, st.integers(1, 4))
def test_hashes_are_equal_where_the_words_are(texts: list[str], ngram: int) -> None:
    hashes, starts = word_ngrams(texts, ngram)
    expected = [reference(text, ngram) for text in texts]
    assert np.diff(starts).tolist() == [len(grams) for grams in expected]
    flat = [gram for grams in expected for gram in grams]
    assert len(hashes) == len(flat)
    assert len(set(zip(flat, hashes.tolist(), strict=True))) == len(set(flat)) == len(set(hashes.tolist()))


@settings(deadline=None)
@given(st.text(max_size=30), TEXTS, st.integers(1, 4))
def test_hashes_do_not_depend_on_what_stands_beside(text: str, others: list[str], ngram: int) -> None:
    alone, _ = word_ngrams([text], ngram)
    hashes, starts = word_ngrams([*others, text], ngram)
    assert hashes[starts[-2] :].tolist() == alone.tolist()


@pytest.mark.parametrize("ngram", [1, 2])
def test_hashes_are_these_on_every_machine(ngram: int) -> None:
    factor, mask = int(FACTOR), (1 << 64) - 1

    def mix(value: int) -> int:
        value = (value ^ value >> 32) * factor & mask
        return value ^ value >> 29

    def word(letters: str) -> int:
        return mix(sum(ord(letter) * factor**place for place, letter in enumerate(letters)) & mask)

    first, second = word("one"), word("grösser")
    expected = [mix(first), mix(second)] if ngram == 1 else [mix((first * factor + second) & mask)]
    assert word_ngrams(["One, größer!"], ngram)[0].tolist() == expected


def test_a_vocabulary_has_no_two_equal_hashes() -> None:
    numbers = " ".join(str(number) for number in range(200_000))
    assert len(np.unique(word_ngrams([numbers], 1)[0])) == 200_000


def test_no_texts() -> None:
    hashes, starts = word_ngrams([], 3)
    assert hashes.tolist() == [] and starts.tolist() == [0]
