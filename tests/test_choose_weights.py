"""The share of two models that does best on a task's dev part."""

import json
import logging

import pytest

from domain_adapt.choose_weights import merge_by_task
from domain_adapt.errors import DomainAdaptError
from domain_adapt.finetuning import Finetuning

FAST = ["finetune.learning_rate=3e-3", "budget.epochs=1", "finetune.batch_size=8"]


def test_the_best_share_by_dev_is_published(adapted, tiny_model_folder, caplog):
    caplog.set_level(logging.INFO, "domain_adapt")
    options = {"name": "between", "task": "qa", "seeds": 1, "shares": (0.3, 0.6), "overrides": FAST}
    found = merge_by_task("heart@v1", str(tiny_model_folder), **options, workspace=adapted.workspace)
    scores = {}
    for line in (record.getMessage() for record in caplog.records):
        if " of heart@v1: dev " in line:
            scores[float(line.split()[0])] = float(line.split("dev ")[1].split(",")[0])
    assert set(scores) == {0.3, 0.6}
    weights = found.manifest.recipe["weights"]
    assert scores[weights[0]] == max(scores.values()) and sum(weights) == pytest.approx(1.0)
    stored = [json.loads(path.read_text()) for path in (adapted.workspace.cache / "comparisons").glob("*.json")]
    dev = (adapted.workspace.tasks / "qa" / "dev.jsonl").read_text().splitlines()
    assert {len(one["task"]["scores"]) for one in stored} == {len(dev)}


def test_nothing_is_trained_twice(adapted, tiny_model_folder, monkeypatch):
    options = {"name": "between", "task": "qa", "seeds": 1, "shares": (0.5,), "overrides": FAST}
    first = merge_by_task("heart@v1", str(tiny_model_folder), **options, workspace=adapted.workspace)
    monkeypatch.setattr(Finetuning, "train", lambda self: pytest.fail("trained again"))
    again = merge_by_task("heart@v1", str(tiny_model_folder), **options, workspace=adapted.workspace)
    assert again.ref == first.ref


def test_what_does_not_go_together(run, adapted):
    assert run(adapted, "merge", "heart@v1", "--choose-on", "qa", "--name", "x")[0] == 2
    assert run(adapted, "merge", "heart@v1", "mini", "--domain", "heart", "--name", "x")[0] == 2
    with pytest.raises(DomainAdaptError, match="seeds"):
        merge_by_task("heart@v1", "heart@v1", name="x", task="qa", seeds=0, workspace=adapted.workspace)
