import itertools

from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.corpus.sampling import Sample, even_sample


def test_a_small_corpus_is_taken_as_a_whole():
    sample = even_sample(10, 1_000, 1_000)
    assert sample.is_all and all(sample.has(number) for number in range(10)) and sample.piece("abc") == "abc"


def test_long_documents_give_pieces_from_their_middle():
    sample = even_sample(1_000, 1_000_000_000, 2_000_000)
    assert sample.share == 0.1 and sample.longest == 20_000
    assert Sample(1.0, 4).piece("0123456789") == "3456" and Sample(1.0, 4).piece("0123") == "0123"


@given(st.integers(1, 5_000), st.integers(1, 100_000), st.integers(1_000, 1_000_000))
def test_the_size_is_bounded_and_the_spread_even(documents, length, budget):
    sample = even_sample(documents, documents * length, budget)
    chosen = [number for number in range(documents) if sample.has(number)]
    characters = sum(min(length, sample.longest or length) for _ in chosen)
    assert characters <= budget * 1.0001
    gaps = {after - before for before, after in itertools.pairwise(chosen)}
    assert not gaps or max(gaps) - min(gaps) <= 1
