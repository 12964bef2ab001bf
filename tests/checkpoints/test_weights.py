import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from domain_adapt.checkpoints import weights
from domain_adapt.checkpoints.weights import open_weights, write_weights

STATE = {
    "z.weight": torch.arange(12, dtype=torch.float32).reshape(3, 4),
    "a.flag": torch.tensor([True, False, True]),
    "m.ids": torch.tensor([[5, 6]], dtype=torch.int64),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 4),
}


def write(path, state):
    shapes = {name: (tuple(one.shape), str(one.dtype).removeprefix("torch.")) for name, one in state.items()}
    write_weights(path, shapes, lambda name: state[name].split(1) if name == "z.weight" else [state[name]])


def test_what_is_written_tensor_by_tensor_is_what_safetensors_reads_and_would_write(tmp_path):
    write(tmp_path / "ours", STATE)
    save_file(STATE, tmp_path / "theirs", metadata={"format": "pt"})
    found = load_file(tmp_path / "ours")
    assert found.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_a_tensor_that_is_not_what_was_said_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="a: 3 numbers, expected 2"):
        write_weights(tmp_path / "1", {"a": ((2,), "float32")}, lambda name: [torch.zeros(3)])
    with pytest.raises(ValueError, match=r"a: torch\.float64, expected float32"):
        write_weights(tmp_path / "2", {"a": ((2,), "float32")}, lambda name: [torch.zeros(2, dtype=torch.float64)])


def test_large_tensors_come_in_pieces_and_files_as_one_model(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "CHUNK_NUMBERS", 8)
    big = torch.arange(30, dtype=torch.float32).reshape(10, 3)
    save_file({"big": big}, tmp_path / "1.safetensors")
    save_file({"small": torch.ones(2)}, tmp_path / "2.safetensors")
    with open_weights([tmp_path / "1.safetensors", tmp_path / "2.safetensors"]) as opened:
        assert opened.names == ["big", "small"] and opened.shape("big") == (10, 3) and opened.dtype("big") == "float32"
        pieces = list(opened.pieces("big"))
        assert [len(piece) for piece in pieces] == [2] * 5 and torch.equal(torch.cat(pieces), big)
        assert [piece.tolist() for piece in opened.pieces("small")] == [[1.0, 1.0]]


def test_the_header_is_padded_so_that_numbers_are_aligned(tmp_path):
    for length in range(1, 9):
        path = tmp_path / f"{length}"
        write(path, {"n" * length: torch.ones(1)})
        size = int.from_bytes(path.read_bytes()[:8], "little")
        assert size % 8 == 0 and json.loads(path.read_bytes()[8 : 8 + size])["__metadata__"] == {"format": "pt"}
