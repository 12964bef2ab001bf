import importlib
import json
import logging
import shutil
import sys
from pathlib import Path

import optuna
import pytest

from domain_adapt import cli_tune
from domain_adapt.checkpoints import CheckpointStore, verify
from domain_adapt.cli import main
from domain_adapt.errors import DomainAdaptError
from domain_adapt.finetune import finetune
from domain_adapt.finetuning import Finetuning, TaskInRun
from domain_adapt.search import study
from domain_adapt.stages import lock_run
from domain_adapt.tune import tune
from domain_adapt.workspace import Workspace

module = importlib.import_module("domain_adapt.tune")

SLOW = ["budget.epochs=1", "finetune.learning_rate=5e-4"]
# Nothing but the head learns.
POOR = [*SLOW, "finetune.freeze={embeddings = true, layers = 2}"]


@pytest.fixture
def trained(monkeypatch):
    """What has been trained so far: ``trial`` or ``published``, in order."""
    calls = []
    for method, word in (("try_out", "trial"), ("publish", "published")):
        original = getattr(Finetuning, method)

        def spy(self, original=original, word=word):
            calls.append(word)
            return original(self)

        monkeypatch.setattr(Finetuning, method, spy)
    return calls


def table(checkpoint):
    return json.loads((checkpoint.folder / "study.json").read_text())


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_winner_is_published_with_the_table_and_nothing_is_done_twice(adapted, trained, caplog, monkeypatch):
    def good(seed):  # all trials but the recipe's own are better than it, however optuna draws
        drawn = optuna.samplers.RandomSampler(seed)
        return optuna.samplers.PartialFixedSampler({"freeze": 0, "learning_rate": 2.5e-3}, drawn)

    monkeypatch.setattr(study, "sampler", good)
    caplog.set_level(logging.INFO, "domain_adapt")
    found = tune("qa", trials=3, overrides=POOR, workspace=adapted.workspace)
    assert found.ref == "heart-qa@v1" and verify(found) == [] and trained == ["trial"] * 3 + ["published"]
    values = table(found)
    assert [one["number"] for one in values["trials"]] == [1, 2, 3]
    assert values["trials"][0]["parameters"] == values["space"]["own"]
    assert values["space"]["own"] == {"learning_rate": 5e-4, "epochs": 1, "freeze": 2, "layer_decay": 1}
    best = max(values["trials"], key=lambda one: one["value"])
    assert values["winner"] == best["number"] != 1 and best["value"] > values["trials"][0]["value"]
    assert found.manifest.metrics["dev/f1"] == best["value"]
    recipe = found.manifest.recipe
    assert recipe["finetune"]["learning_rate"] == best["parameters"]["learning_rate"]
    assert recipe["budget"]["epochs"] == best["parameters"]["epochs"]
    assert "search.md" in (found.folder / "README.md").read_text()
    assert {"study.json", "search.md"} <= set(found.manifest.files)
    (left,) = adapted.leftovers
    assert [path.name for path in (adapted.workspace.runs / left).iterdir()] == [study.JOURNAL]
    lines = [one.message for one in caplog.records if one.name == "domain_adapt.tune"]
    assert [line.split(":")[0] for line in lines[:3]] == [f"trial {number} of 3" for number in (1, 2, 3)]
    assert lines[3].startswith("trial 2 of 3 wins: f1") and len(lines) == 4
    assert caplog.records[-1].levelno == logging.INFO and "told apart" not in lines[3]
    # The epochs of trials are not logged, those of the winner's training are.
    assert sum(one.message.startswith("epoch ") for one in caplog.records) == recipe["budget"]["epochs"]

    trained.clear()
    assert tune("qa", trials=2, overrides=POOR, workspace=adapted.workspace).ref == "heart-qa@v1" and trained == []
    monkeypatch.setattr(module, "smallest_difference", lambda examples: 99.0)
    more = tune("qa", trials=4, overrides=POOR, workspace=adapted.workspace)
    assert trained == ["trial", "published"] and more.ref == "heart-qa@v2"
    assert caplog.records[-1].levelno == logging.WARNING
    assert "Not told apart from the recipe's own setting: with 20 dev examples that takes 99.0" in caplog.text
    assert table(more)["trials"][:3] == values["trials"] and len(table(more)["trials"]) == 4
    with pytest.raises(DomainAdaptError, match="another process is at work on this run"):
        lock = lock_run(adapted.workspace.runs / left)
        try:
            tune("qa", trials=4, overrides=POOR, workspace=adapted.workspace)
        finally:
            lock.release()


def test_an_interrupted_search_goes_on_and_ends_with_the_same_table(adapted, trained, monkeypatch, tmp_path):
    other = Workspace(Path(shutil.copytree(adapted.root, tmp_path / "other")))
    whole = tune("qa", trials=3, overrides=SLOW, workspace=other)
    trained.clear()
    listen = study.Study.try_next

    def broken(self, score):
        def run(setting, listener):
            value = score(setting, listener)
            if len(self.tried()) == 1:
                raise RuntimeError("in trial 2")
            return value

        return listen(self, run)

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="in trial 2"):
        patched.setattr(study.Study, "try_next", broken)
        tune("qa", trials=3, overrides=SLOW, workspace=adapted.workspace)
    assert trained == ["trial", "trial"] and adapted.published == ["heart@v1"]
    resumed = tune("qa", trials=3, overrides=SLOW, workspace=adapted.workspace)
    assert trained == ["trial", "trial"] + ["trial", "trial", "published"]
    for file in ("study.json", "search.md", "model.safetensors"):
        assert (resumed.folder / file).read_bytes() == (whole.folder / file).read_bytes(), file


def test_an_exception_in_the_middle_of_an_epoch_leaves_no_run_folder(adapted, monkeypatch):
    def score_dev(self):
        assert len(adapted.leftovers) == 1
        raise RuntimeError("in the dev part")

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="in the dev part"):
        patched.setattr(TaskInRun, "score_dev", score_dev)
        tune("qa", trials=1, overrides=SLOW, workspace=adapted.workspace)
    (left,) = adapted.leftovers
    assert [path.name for path in (adapted.workspace.runs / left).iterdir()] == [study.JOURNAL]
    assert logging.getLogger("domain_adapt").level != logging.WARNING  # it speaks again


def test_what_is_pruned_ends_at_once_and_does_not_win(adapted, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "domain_adapt")

    class AfterTheFirst(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            return trial.number > 0

    scored = []

    def score_dev(self):
        scored.append(self.values.budget.epochs)
        return {"exact_match": 0.0, "f1": 10.0}, {}

    monkeypatch.setattr(study, "pruner", AfterTheFirst)
    monkeypatch.setattr(TaskInRun, "score_dev", score_dev)
    found = tune("qa", trials=4, workspace=adapted.workspace)
    trials = table(found)["trials"]
    for one in trials[1:]:
        assert one["epochs_done"] == 1 and one["state"] == ("pruned" if one["parameters"]["epochs"] > 1 else "complete")
    assert {one["state"] for one in trials} == {"complete", "pruned"} and table(found)["winner"] == 1
    assert len(scored) == sum(one["epochs_done"] for one in trials) + 2  # and the winner's two epochs
    assert "pruned at epoch 1, f1 10.0 (best so far 10.0, trial 1)" in caplog.text
    assert "no trial of 4 is better than the recipe's own setting: f1 10.0" in caplog.text


def test_a_plain_run_of_the_winner_is_the_same_but_has_no_table(adapted):
    plain = finetune("qa", overrides=SLOW, workspace=adapted.workspace)
    found = tune("qa", trials=1, overrides=SLOW, workspace=adapted.workspace)
    assert (plain.ref, found.ref) == ("heart-qa@v1", "heart-qa@v2")
    assert plain.manifest.fingerprint == found.manifest.fingerprint
    own, other = ((one.folder / "model.safetensors").read_bytes() for one in (plain, found))
    assert own == other and "study.json" not in plain.manifest.files
    assert finetune("qa", overrides=SLOW, workspace=adapted.workspace).ref == "heart-qa@v2"


def test_the_start_is_that_of_the_search_even_if_a_newer_one_appears(adapted, monkeypatch):
    seen = {}
    monkeypatch.setattr(module, "finetune", lambda task, **given: seen.update(given))
    tune("qa", trials=1, overrides=SLOW, workspace=adapted.workspace)
    assert seen["start"] == "heart@v1" and seen["name"] == "heart-qa"
    base = str(CheckpointStore(adapted.workspace.checkpoints).find("heart@v1").folder)
    tune("qa", trials=1, base=base, domain="heart", overrides=SLOW, workspace=adapted.workspace)
    assert (seen["start"], seen["base"]) == (None, base)


@pytest.mark.parametrize("trials", [0, -3])
def test_no_trials_at_all(adapted, trials):
    with pytest.raises(DomainAdaptError, match=rf"trials: expected at least 1 \(found {trials}\)"):
        tune("qa", trials=trials, workspace=adapted.workspace)
    assert adapted.leftovers == []


def test_what_would_fail_after_the_search_fails_before_it(adapted, monkeypatch):
    with pytest.raises(DomainAdaptError, match="checkpoint name 'sqA'"):
        tune("qa", name="sqA", workspace=adapted.workspace)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(DomainAdaptError, match=r"tune works in one process only \(there are 2\)"):
        tune("qa", workspace=adapted.workspace)
    assert adapted.leftovers == []


def command_line(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(cli_tune, "prepare_process", lambda: None)
    monkeypatch.setattr(sys, "argv", ["domain-adapt", "tune", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    return capsys.readouterr().out


def test_the_command_line_prints_a_row_a_trial(adapted, monkeypatch, capsys):
    monkeypatch.chdir(adapted.root)
    options = [part for override in SLOW for part in ("--set", override)]
    lines = command_line(monkeypatch, capsys, "qa", "--trials", "2", *options).splitlines()
    assert " ".join(lines[0].split()) == "trial learning_rate epochs freeze layer_decay f1 epochs done remark"
    assert lines[1].split()[:5] == ["1", "5.0e-4", "1", "0", "1"] and "the recipe's own" in lines[1]
    assert lines[2].split()[0] == "2" and len(lines) == 3 and adapted.published[-1] == "heart-qa@v1"


def test_the_help_says_what_is_searched_and_for_how_long(monkeypatch, capsys):
    shown = " ".join(command_line(monkeypatch, capsys, "--help").split())
    for words in ("--trials", "--from", "--test", "learning rate", "layer decay", "goes on where it was"):
        assert words in shown
