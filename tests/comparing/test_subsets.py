from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.comparing.subsets import clusters, subset

EXAMPLES = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 99)), min_size=1, max_size=40)


@given(EXAMPLES, st.integers(1, 45), st.integers(1, 45), st.integers(0, 3))
def test_fewer_labels_are_among_more_of_the_same_seed(examples, count, more, seed):
    few, many = sorted([count, more])
    small, large = (subset(examples, number, lambda one: one[0], seed) for number in (few, many))
    assert len(small) == min(few, len(examples))
    assert not Counter(small) - Counter(large)
    assert [one for one in examples if one in small] == [one for one in examples if one in set(small)]


@given(EXAMPLES, st.integers(1, 40))
def test_texts_are_taken_with_all_their_examples_but_for_the_last(examples, count):
    chosen = subset(examples, count, lambda one: one[0], 0)
    whole, taken = Counter(one[0] for one in examples), Counter(one[0] for one in chosen)
    assert sum(taken[text] < whole[text] for text in taken) <= 1


def test_another_seed_takes_others():
    examples = [(str(number), number) for number in range(50)]
    assert subset(examples, 10, lambda one: one[0], 0) != subset(examples, 10, lambda one: one[0], 1)


def test_clusters_are_numbered_as_they_come():
    assert np.array_equal(clusters(["b", "a", "b", "c"]), [0, 1, 0, 2])
