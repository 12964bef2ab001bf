import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.training.interpolation import check_weights, interpolate, interpolate_tensor

NUMBERS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=3).map(torch.tensor)


def test_the_mean_is_that_of_the_numbers():
    states = [
        {"a": torch.tensor([1.0, -2.0]), "n": torch.tensor([3])},
        {"a": torch.tensor([5.0, 2.0]), "n": torch.tensor([3])},
    ]
    mean = interpolate(states, [0.75, 0.25])
    assert mean["a"].tolist() == [2.0, -1.0] and mean["a"].dtype == torch.float32
    assert mean["n"].tolist() == [3] and mean["n"].dtype == torch.int64


@given(NUMBERS, st.floats(0, 1))
def test_the_mean_of_equal_weights_is_those_weights(tensor, share):
    assert torch.equal(
        interpolate_tensor([tensor, tensor, tensor], check_weights([share, (1 - share) / 2, (1 - share) / 2], 3)),
        tensor,
    )


@given(NUMBERS, NUMBERS, st.floats(0, 1))
def test_the_mean_lies_between_and_the_order_plays_no_part(one, other, share):
    mean = interpolate_tensor([one, other], [share, 1 - share])
    low, high = torch.minimum(one, other), torch.maximum(one, other)
    assert torch.all((mean >= low) & (mean <= high))
    torch.testing.assert_close(mean, interpolate_tensor([other, one], [1 - share, share]), rtol=2e-7, atol=0)


def test_half_precision_is_averaged_in_full():
    small = torch.tensor([1.0], dtype=torch.bfloat16), torch.tensor([1.0078125], dtype=torch.bfloat16)
    assert interpolate_tensor(small, [0.5, 0.5]).tolist() == [1.00390625]  # which bfloat16 has not


def test_a_weight_of_zero_leaves_a_model_out_whatever_is_in_it():
    assert interpolate_tensor([torch.tensor([2.0]), torch.tensor([float("nan")])], [1.0, 0.0]).tolist() == [2.0]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "expected 2 weights, one for each model (found 1)"),
        ([0.5, 0.6], "expected weights that add up to 1 (found a sum of 1.1)"),
        ([1.5, -0.5], "expected weights from 0 to 1 (found 1.5)"),
        ([float("nan"), 1.0], "expected weights from 0 to 1 (found nan)"),
    ],
)
def test_weights_that_are_none(weights, message):
    with pytest.raises(ValueError) as caught:
        interpolate([{"a": torch.zeros(1)}] * 2, weights)
    assert str(caught.value) == message


def test_rounded_weights_are_scaled():
    assert check_weights([0.333, 0.333, 0.333], 3) == [1 / 3] * 3


def test_models_that_do_not_fit():
    with pytest.raises(ValueError, match="b is not in every model"):
        interpolate([{"a": torch.zeros(1)}, {"a": torch.zeros(1), "b": torch.zeros(1)}], [0.5, 0.5])
    with pytest.raises(ValueError, match=r"shapes differ: \(1,\), \(2,\)"):
        interpolate([{"a": torch.zeros(1)}, {"a": torch.zeros(2)}], [0.5, 0.5])
    with pytest.raises(ValueError, match="integers differ"):
        interpolate([{"a": torch.tensor([1])}, {"a": torch.tensor([2])}], [0.5, 0.5])
