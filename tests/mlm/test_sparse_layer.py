import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.mlm.sparse_layer import _LIKE_BERT, Selection

ROWS, WIDTH = 4, 12


def draw(seed, share, kept_share):
    """Random disjoint positions and kept positions, ascending."""
    values = np.random.Generator(np.random.Philox(seed)).random(ROWS * WIDTH)
    return np.flatnonzero(values < share), np.flatnonzero((values >= share) & (values < share + kept_share))


@settings(deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_the_grid_holds_every_selected_position_in_its_row(seed, share, kept_share):
    positions, kept = draw(seed, share, kept_share)
    selection = Selection.of(positions, kept, ROWS, WIDTH)
    selected = np.concatenate([positions, kept])
    flat = selection.grid.reshape(-1).numpy()
    assert np.array_equal(flat[selection.slots.numpy()], selected)
    assert len(set(selection.slots.tolist())) == len(selected)
    assert np.array_equal(flat // WIDTH, np.repeat(np.arange(ROWS), selection.grid.shape[1]))
    assert selection.grid.shape[1] == max(1, np.bincount(selected // WIDTH, minlength=ROWS).max())


def masks(kind):
    if kind == "none":
        return None
    if kind == "padding":
        mask = torch.ones(ROWS, WIDTH, dtype=torch.int64)
        mask[1, 9:] = 0
        return mask
    documents = torch.arange(WIDTH).expand(ROWS, WIDTH) // 5
    return (documents[:, :, None] == documents[:, None, :])[:, None]


@pytest.mark.parametrize("mask", ["none", "padding", "documents"])
@pytest.mark.parametrize("kind", sorted(_LIKE_BERT))
def test_logits_states_and_gradients_are_those_of_the_whole_layer(build, kind, mask):
    stock = build(kind)
    sparse = copy.deepcopy(stock)
    input_ids = torch.randint(5, 90, (ROWS, WIDTH), generator=torch.Generator().manual_seed(0))
    positions, kept = draw(5, 0.2, 0.3)
    attention_mask = masks(mask)
    if mask == "padding":
        positions, kept = (part[(part < WIDTH + 9) | (part >= 2 * WIDTH)] for part in (positions, kept))
    found = []
    head = SparseHead(sparse)
    sparse.base_model.encoder.layer[-1].output.register_forward_hook(lambda *a: found.append(a[2].shape))
    logits = head.logits(
        sparse, Selection.of(positions, kept, ROWS, WIDTH), input_ids=input_ids, attention_mask=attention_mask
    )
    assert found == [(1, len(positions) + len(kept), 32)]
    output = stock(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True)
    full, states = output.logits.view(-1, 90)[positions], output.hidden_states[-1].reshape(-1, 32)[kept]
    torch.testing.assert_close(logits, full, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(head.kept, states, atol=1e-5, rtol=1e-4)
    (logits.square().sum() + head.kept.cos().sum()).backward()
    (full.square().sum() + states.cos().sum()).backward()
    for (name, one), (_, other) in zip(sparse.named_parameters(), stock.named_parameters(), strict=True):
        scale = 1 if other.grad is None else float(other.grad.abs().max())
        torch.testing.assert_close(one.grad, other.grad, atol=1e-5 * max(1, scale), rtol=1e-4, msg=name)


@pytest.mark.parametrize("why", ["eager", "checkpointing"])
def test_where_it_cannot_be_the_whole_layer_runs_and_the_answer_is_the_same(build, why):
    model = build("roberta")
    head, selection = SparseHead(model), Selection.of(*draw(1, 0.2, 0.2), ROWS, WIDTH)
    input_ids = torch.full((ROWS, WIDTH), 7)
    expected = head.logits(model, selection, input_ids=input_ids)
    found = []
    model.base_model.encoder.layer[-1].output.register_forward_hook(lambda *a: found.append(a[2].shape))
    if why == "eager":
        model.set_attn_implementation("eager")
    else:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.train()
    logits = head.logits(model, selection, input_ids=input_ids)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)
    logits.sum().backward()
    assert found[0] == (ROWS, WIDTH, 32)


def test_a_copy_of_the_model_is_the_stock_one(build):
    """A copy made while methods stood replaced on the instances would run the last layer of the original."""
    model = build("roberta")
    head, selection = SparseHead(model), Selection.of(*draw(1, 0.2, 0.2), ROWS, WIDTH)
    head.logits(model, selection, input_ids=torch.full((ROWS, WIDTH), 7))
    assert not [name for name, part in model.named_modules() if "forward" in vars(part)]
