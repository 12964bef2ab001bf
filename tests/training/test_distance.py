import math

import pytest
import torch
from safetensors.torch import save_file

from domain_adapt.checkpoints import weights
from domain_adapt.training.distance import group_of, weight_distance

NAMES = [
    "roberta.embeddings.word_embeddings.weight",
    "roberta.encoder.layer.0.x",
    "roberta.encoder.layer.10.x",
    "lm_head.bias",
]


def save(path, **changes):
    state = {name: torch.tensor([3.0, 4.0]) for name in NAMES}
    save_file(state | {name.replace("__", "."): tensor for name, tensor in changes.items()}, path)
    return [path]


def test_each_part_has_its_relative_distance(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "CHUNK_NUMBERS", 1)  # piece by piece adds up to the same
    one = save(tmp_path / "one")
    other = save(
        tmp_path / "other",
        roberta__encoder__layer__0__x=torch.tensor([3.0, 5.0]),
        lm_head__bias=torch.tensor([0.0, 0.0]),
    )
    found = weight_distance(one, other)
    assert [(part.group, part.relative, part.largest, part.numbers) for part in found.groups] == [
        ("embeddings", 0.0, 0.0, 2),
        ("layer 0", pytest.approx(1 / 5), 1.0, 2),
        ("layer 10", 0.0, 0.0, 2),
        ("head", 1.0, 4.0, 2),
    ]
    assert (found.furthest, found.largest) == (1.0, 4.0)


def test_what_cannot_be_compared_is_named(tmp_path):
    one = save(tmp_path / "one", extra=torch.zeros(1))
    other = save(tmp_path / "other", lm_head__bias=torch.zeros(3), qa__bias=torch.zeros(1))
    found = weight_distance(one, other)
    assert found.only == (["extra"], ["qa.bias"])
    assert found.shapes == {"lm_head.bias": ((2,), (3,))}
    assert [part.group for part in found.groups] == ["embeddings", "layer 0", "layer 10"]


def test_away_from_nothing_is_infinitely_far(tmp_path):
    one, other = save(tmp_path / "one", lm_head__bias=torch.zeros(2)), save(tmp_path / "other")
    assert weight_distance(one, other).furthest == math.inf
    assert weight_distance(one, one).furthest == 0.0


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("model.embeddings.tok_embeddings.weight", "embeddings"),
        ("model.layers.3.attn.Wo.weight", "layer 3"),
        ("model.final_norm.weight", "rest of the encoder"),
        ("albert.encoder.albert_layer_groups.0.albert_layers.0.ffn.weight", "layer 0"),
        ("head.dense.weight", "head"),
    ],
)
def test_names_of_other_architectures(name, group):
    assert group_of(name, name.partition(".")[0] if not name.startswith("head") else "model") == group
