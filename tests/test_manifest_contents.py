"""What a published manifest tells, and the training curve beside it."""

import json

import pytest

from domain_adapt import adapt, finetune, stages
from domain_adapt.checkpoints import CheckpointStore
from domain_adapt.fingerprint import hash_file
from domain_adapt.training.energy import EnergyMeter
from domain_adapt.training.metrics_file import METRICS


@pytest.fixture
def heart(adapted):
    return CheckpointStore(adapted.workspace.checkpoints).find("heart")


def test_every_source_has_licence_counts_and_hash(heart):
    corpus = heart.manifest.corpus
    (source,) = corpus["sources"]
    assert (source["licence"], source["documents"]) == ("CC0-1.0", 60)
    assert source["tokens"] == corpus["statistics"]["tokens_train"] + corpus["statistics"]["tokens_heldout"]
    assert len(source["fingerprint"]) == len(corpus["content_sha256"]) == 64


def test_the_environment_holds_all_that_the_machine_decided(heart):
    assert heart.manifest.environment.keys() == {
        *("python", "platform", "hardware", "device", "precision", "threads", "processes"),
        *("micro_batch_rows", "compile"),
    }
    assert heart.manifest.origin is not None
    assert heart.manifest.origin.model_dump() == {"folder": "corpora/heart", "files": {}, "multitask": False}


def test_the_curve_is_published_and_ends_where_training_did(heart, adapted, monkeypatch):
    monkeypatch.chdir(adapted.root)
    for checkpoint in (heart, finetune("qa", overrides=["budget.epochs=1"], workspace=adapted.workspace)):
        path = checkpoint.folder / "training_curve.json"
        curve = json.loads(path.read_text())
        assert curve[-1][0] == checkpoint.manifest.metrics["train/tokens"] and all(loss > 0 for _, loss in curve)
        assert checkpoint.manifest.files[path.name] == hash_file(path)
        # Some 64,000 weights in two layers of width 64, forward and backward.
        assert 3e5 < checkpoint.manifest.metrics["train/flops"] / curve[-1][0] < 1e6


def test_energy_is_recorded_where_it_can_be_measured_over_the_whole_run(project, tmp_path, monkeypatch):
    zone = tmp_path / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    for name, text in {"name": "package-0", "energy_uj": "7", "max_energy_range_uj": "100"}.items():
        (zone / name).write_text(text)
    assert "train/energy_joules" not in adapt("heart", name="plain", workspace=project.workspace).manifest.metrics
    monkeypatch.setattr(stages, "EnergyMeter", lambda: EnergyMeter(zone.parent))
    made = adapt("heart", overrides=["seed=1"], workspace=project.workspace)
    assert made.manifest.metrics["train/energy_joules"] == 0.0
    with pytest.raises(KeyError), stages.open_run("adapt", "e" * 64, project.workspace, fresh=False) as run:
        assert run.energy is not None
        (run.folder / METRICS).write_text("")
        raise KeyError
    with stages.open_run("adapt", "e" * 64, project.workspace, fresh=False) as run:
        assert run.energy is None  # what the killed process took is not known
