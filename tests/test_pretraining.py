"""Stage 1 with each masking strategy, from the recipe to the published weights."""

import logging

import pytest
import torch
from safetensors.torch import load_file

from domain_adapt.adapt import adapt
from domain_adapt.errors import DomainAdaptError

QUICK = ["budget.epochs=0.5", "corpus.holdout=0.0"]


def train(project, *overrides, **options):
    return adapt("heart", workspace=project.workspace, overrides=[*QUICK, *overrides], **options)


def weights(checkpoint):
    return (checkpoint.folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize("masking", ["whole-word", "span", "difference"])
def test_each_strategy_trains_to_the_same_weights_twice_and_to_others_than_single_tokens(project, masking, caplog):
    (project.texts / "c.txt").write_text("unheardof words of several pieces, zyzzyva " * 20, encoding="utf-8")
    with caplog.at_level(logging.INFO):
        first = train(project, f"mlm.masking={masking}")
    assert ("difference masking: anchors: " in caplog.text) == (masking == "difference")
    again = train(project, f"mlm.masking={masking}", force=True)
    assert weights(first) == weights(again)
    assert weights(first) != weights(train(project, force=True))


def test_schedule_and_mask_sets_change_the_weights(project):
    keys = ["mlm.mask_sets=0", "mlm.mask_sets=1", "mlm.probability_end=0.5"]
    found = [weights(train(project, "budget.epochs=2", key, force=True)) for key in keys]
    assert len(set(found)) == 3


def test_what_a_strategy_cannot_do_is_said_before_the_corpus_is_read(project):
    with pytest.raises(DomainAdaptError, match=r"mlm\.probability: spans"):
        train(project, "mlm.masking=span", "mlm.probability=0.9")
    assert not (project.workspace.cache / "corpora").exists()


def tensors(folder):
    return load_file(folder / "model.safetensors")


def distance(left, right):
    return sum(float((left[key].float() - right[key].float()).square().sum()) for key in left if key in right) ** 0.5


def test_pulling_and_averaging_keep_the_weights_near_the_base(project, tiny_model_folder):
    base = tensors(tiny_model_folder)
    free, pulled, half = (
        tensors(train(project, *keys, force=True).folder)
        for keys in ([], ["mlm.l2sp_weight=500"], ["mlm.interpolation=0.5"])
    )
    assert 0 < distance(pulled, base) < distance(free, base)
    for key, value in base.items():
        assert torch.allclose(half[key], (value + free[key]) / 2, atol=1e-6)
