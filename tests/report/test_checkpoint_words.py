from pathlib import Path

import pytest

from domain_adapt.checkpoints import Checkpoint, Manifest
from domain_adapt.report.checkpoint_words import describe_checkpoint

HEART = {"kind": "checkpoint", "name": "heart@v1", "sha256": "b" * 64, "licence": "mit"}
MINI = {"kind": "base", "name": "mini", "sha256": "a" * 64, "has_lm_head": False, "revision": "r1"}


@pytest.fixture
def lines():
    def make(**changes):
        values = {
            "name": "x",
            "version": 2,
            "stage": "finetune",
            "domain": "heart",
            "task": "qa",
            "profile": "quick",
            "created": "2026-01-02T03:04:05+00:00",
            "fingerprint": "f" * 64,
            "recipe": {
                "name": "qa",
                "type": "question-answering",
                "seed": 3,
                "budget": {"epochs": 4.0, "tokens": None},
            },
            "parent": HEART,
            "lineage": [{"name": "heart@v1", "sha256": "b" * 64}, {"name": "mini", "sha256": "a" * 64}],
            "corpus": {
                "sources": [{"kind": "labelled", "name": "qa data", "licence": "CC0-1.0", "documents": 1234}],
                "statistics": {"train_examples": 1000, "dropped: no answer": 7},
            },
            "metrics": {"dev/f1": 81.25, "train/flops": 1.5e15},
            "packages": {"torch": "2.13.0"},
            "environment": {"device": "cpu", "threads": 2},
            "command": "domain-adapt finetune qa",
            "wall_seconds": 75.0,
            "files": {"config.json": "c" * 64},
        }
        manifest = Manifest.model_validate(values | changes)
        return dict(describe_checkpoint(Checkpoint("x", 2, Path("x/v2"), manifest), ["best"], 2_000_000))

    return make


def test_a_fine_tuned_model(lines):
    found = lines()
    assert found["checkpoint"] == "x@v2, @best"
    assert found["what"].startswith(
        "An extractive question-answering model: heart@v1, fine-tuned on heart text for the task qa."
    )
    assert found["folder"] == "x/v2 (2.0 MB in 2 files)"
    assert found["from"] == f"heart@v1, checkpoint, licence mit, SHA-256 {'b' * 64}"
    assert found["lineage"] == "heart@v1 ← mini"
    assert found["text"] == "qa data (labelled), 1,234 documents, licence CC0-1.0"
    assert found["counts"] == "train_examples 1,000, dropped: no answer 7"
    assert found["recipe"] == "name = qa, seed = 3 (all keys: --json)"
    assert (found["F1, dev part"], found["training FLOP, estimated"]) == ("81.25 %", "1.50e+15")
    assert found["made"] == "2026-01-02T03:04:05+00:00, in 1 min 15 s"


def test_a_merged_model_of_which_nothing_was_measured(lines):
    recipe = {"type": "fill-mask", "operands": ["heart@v1", "mini"], "weights": [0.7, 0.3]}
    found = lines(stage="merge", task=None, parents=[HEART, MINI], recipe=recipe, metrics={}, corpus={})
    assert "the weighted mean of the weights of heart@v1 (0.7) and mini (0.3)" in found["what"]
    assert (
        found["from"] == f"mini, base, weight 0.3, revision r1, licence unknown, no trained LM head, SHA-256 {'a' * 64}"
    )
    assert found["how good"] == "nothing was measured"
