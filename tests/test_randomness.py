import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.randomness import integer_seed, permutation, stream_key, uniform_rows


@given(st.integers(0, 2**31), st.integers(0, 50), st.integers(1, 200))
@settings(deadline=None, max_examples=50)
def test_permutation_holds_every_row_once(seed, epoch, size):
    assert sorted(permutation(seed, "order", epoch, size)) == list(range(size))


def test_a_row_does_not_depend_on_its_neighbours():
    key = stream_key(3, "mask", 1)
    together = uniform_rows(key, np.array([5, 9, 1_000_000]), 64)
    assert np.array_equal(together[1], uniform_rows(key, np.array([9]), 64)[0])
    assert together.min() >= 0.0 and together.max() < 1.0


@given(st.lists(st.integers(0, 2**63 - 1), max_size=5), st.integers(1, 40), st.integers(0, 2**128 - 1))
@settings(deadline=None, max_examples=50)
def test_each_row_is_the_stream_of_a_generator_of_its_own(rows, count, key):
    drawn = uniform_rows(key, np.array(rows, dtype=np.int64), count)
    assert drawn.shape == (len(rows), count)
    for row, values in zip(rows, drawn, strict=True):
        raw = np.random.Philox(key=key, counter=[0, 0, 0, row]).random_raw(count)
        assert [int(value * 2**53) for value in values] == [int(bits) >> 11 for bits in raw]


def test_seed_purpose_and_epoch_each_change_the_key():
    keys = {stream_key(0, "mask", 0), stream_key(1, "mask", 0), stream_key(0, "order", 0), stream_key(0, "mask", 1)}
    assert len(keys) == 4


def test_streams_are_the_same_on_every_machine_and_version():
    # Pinned on purpose: if these change, every run that is under way resumes with other masks.
    assert stream_key(0, "mask", 0) == 0xC53DC2ADA40BC3095A898B3928A7EE74
    assert integer_seed(0, "new-head") == 0x6C3CDE0113465F79
    assert uniform_rows(stream_key(0, "mask", 0), np.array([7]), 2).round(6).tolist() == [[0.653438, 0.359234]]
