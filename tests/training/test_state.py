import logging

import pytest
import torch

from domain_adapt.training.state import load_newest_state, model_tensors, restore, save_state


def make(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    model(torch.arange(8.0).view(2, 4)).sum().backward()
    optimizer.step()
    return model, optimizer


@pytest.fixture
def run(tmp_path):
    """A run folder with the states after steps 10 and 20, and the model and optimizer after 20."""
    for step, seed in ((10, 1), (20, 2)):
        model, optimizer = make(seed)
        save_state(tmp_path, step, model, optimizer, {"tokens": step}, keep_last=2)
    return tmp_path, model, optimizer


def test_everything_comes_back(run):
    folder, model, optimizer = run
    state = load_newest_state(folder)
    assert state.step == 20 and state.info == {"tokens": 20}
    other, other_optimizer = make(5)
    restore(state, other, other_optimizer)
    for name, tensor in model_tensors(model).items():
        assert torch.equal(tensor, model_tensors(other)[name])
    for one, two in zip(optimizer.state.values(), other_optimizer.state.values(), strict=True):
        assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize(
    "damage", [flip_a_bit, truncate, lambda path: path.unlink()], ids=["flip", "truncate", "delete"]
)
def test_a_damaged_state_is_passed_over_with_one_warning_that_names_it(run, caplog, file, damage):
    """Trainer 5.23 resumes from a half-written or bit-flipped state without a word."""
    folder, _, _ = run
    damage(folder / "state-00000020" / file)
    with caplog.at_level(logging.WARNING):
        assert load_newest_state(folder).step == 10
    assert len(caplog.records) == 1 and "state-00000020" in caplog.text and file in caplog.text


def test_a_changed_digit_in_the_index_is_seen_although_it_is_still_json(run, caplog):
    folder, _, _ = run
    index = folder / "state-00000020" / "state.json"
    index.write_text(index.read_text().replace('"tokens": 20', '"tokens": 28'))
    assert load_newest_state(folder).step == 10
    assert "state.json: its SHA-256" in caplog.text


def test_a_half_written_state_is_not_seen_and_goes_when_the_next_is_saved(run):
    folder, model, optimizer = run
    half = folder / ".state-00000030.1-ab.tmp"
    half.mkdir()
    assert load_newest_state(folder).step == 20
    save_state(folder, 30, model, optimizer, {}, keep_last=2)
    assert not half.exists()


def test_only_the_last_states_are_kept(run):
    folder, model, optimizer = run
    save_state(folder, 30, model, optimizer, {}, keep_last=2)
    assert sorted(path.name for path in folder.iterdir()) == ["state-00000020", "state-00000030"]


def test_a_run_without_states_starts_from_the_beginning(tmp_path):
    assert load_newest_state(tmp_path) is None


def test_a_state_of_another_architecture_is_refused(run):
    folder, _, _ = run
    with pytest.raises(ValueError, match="other tensors"):
        restore(load_newest_state(folder), torch.nn.Linear(4, 4), torch.optim.AdamW([torch.zeros(1)]))
