"""A comparison from end to end, with the tiny model."""

import json
import logging
import sys

import pytest

from domain_adapt import cli_compare
from domain_adapt.compare import compare
from domain_adapt.comparing import cells
from domain_adapt.errors import DomainAdaptError
from domain_adapt.finetuning import Finetuning

FAST = ["finetune.learning_rate=3e-3", "budget.epochs=2", "finetune.batch_size=8"]


@pytest.fixture
def trained(monkeypatch):
    """Counts the trainings."""
    done = []
    train = Finetuning.train

    def counted(self):
        done.append(self)
        return train(self)

    monkeypatch.setattr(Finetuning, "train", counted)
    return done


def test_base_against_adapted_with_seeds_and_labels(adapted, trained, caplog):
    caplog.set_level(logging.INFO, "domain_adapt")
    options = {"labels": [8, 0], "overrides": FAST, "workspace": adapted.workspace}
    found = compare(["qa"], seeds=2, **options)
    assert [system.label for system in found.systems] == ["base", "heart@v1"]
    assert found.reference == "base" and found.seeds == [0, 1]
    assert [(one.system, one.labels, len(one.values)) for one in found.scores] == [
        ("base", 8, 2),
        ("heart@v1", 8, 2),
        ("base", found.scores[2].labels, 2),
        ("heart@v1", found.scores[2].labels, 2),
    ]
    assert len(trained) == 8
    for contrast in found.contrasts:
        pair = {one.system: one for one in found.scores if one.labels == contrast.labels}
        assert contrast.difference == pytest.approx(pair["heart@v1"].mean - pair["base"].mean)
        assert contrast.low <= contrast.difference <= contrast.high
        assert contrast.outcome in ("helps", "hurts", "no difference shown")
    assert adapted.leftovers == [] and adapted.published == ["heart@v1"]
    assert "8 of 8: heart@v1, " in caplog.text
    for change in found.changes:
        assert change.system == "heart@v1" and -1 <= change.gain <= 1 and change.gain != 0
        assert change.right in change.context

    again = compare(["qa"], seeds=2, **options)
    assert len(trained) == 8  # nothing anew
    assert again.contrasts == found.contrasts and again.scores == found.scores

    compare(["qa"], seeds=3, **options)
    assert len(trained) == 12  # the new seed's


def test_a_cell_is_what_finetune_gives(adapted):
    from domain_adapt.finetune import finetune

    found = compare(["qa"], checkpoints=["heart@v1", "base"], seeds=1, overrides=FAST, workspace=adapted.workspace)
    published = finetune("qa", start="heart@v1", overrides=FAST, workspace=adapted.workspace)
    metrics = published.manifest.metrics
    part = "test" if "test/f1" in metrics else "dev"
    assert found.scores[0].values == pytest.approx([metrics[f"{part}/f1"]])
    assert "one seed cannot tell: " in found.contrasts[0].verdict


def test_cross_validation_scores_every_example_once_a_seed(adapted):
    found = compare(["qa"], seeds=2, folds=2, overrides=FAST, workspace=adapted.workspace)
    rows = [
        json.loads(line)
        for part in ("train", "dev")
        for line in (adapted.workspace.tasks / "qa" / f"{part}.jsonl").read_text().splitlines()
    ]
    assert found.contrasts[0].examples == len(rows)
    assert found.contrasts[0].seeds == 2 and len(found.scores[0].values) == 2


def test_a_general_set_is_scored_beside_the_task(adapted, tmp_path):
    general = tmp_path / "general.jsonl"
    row = {"id": "g", "question": "What does a bond pay?", "context": "A bond pays a coupon twice a year."}
    row["answers"] = {"text": ["a coupon"], "answer_start": [12]}
    general.write_text(json.dumps(row) + "\n")
    found = compare(["qa"], seeds=2, general=[general], overrides=FAST, workspace=adapted.workspace)
    assert [(one.evaluation, one.examples) for one in found.contrasts][1] == ("general", 1)
    assert {one.evaluation for one in found.scores} == {"task", "general"}


def test_a_damaged_result_is_trained_again(adapted, trained):
    options = {"seeds": 1, "overrides": FAST, "workspace": adapted.workspace}
    first = compare(["qa"], **options)
    paths = sorted((adapted.workspace.cache / "comparisons").glob("[!g]*.json"))
    assert len(paths) == 2
    paths[0].write_text(paths[0].read_text()[:-50])
    assert compare(["qa"], **options).scores == first.scores
    assert len(trained) == 3


def test_a_killed_comparison_goes_on(adapted, trained, monkeypatch):
    real, calls = cells.run_cell, []

    def broken(cell, workspace):
        calls.append(cell)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(cell, workspace)

    monkeypatch.setattr(sys.modules["domain_adapt.compare"], "run_cell", broken)
    with pytest.raises(KeyboardInterrupt):
        compare(["qa"], seeds=1, overrides=FAST, workspace=adapted.workspace)
    compare(["qa"], seeds=1, overrides=FAST, workspace=adapted.workspace)
    assert len(trained) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds: expected at least 1"),
        ({"folds": 1}, "folds: expected 2 or more"),
        ({"labels": [5, 5]}, "labels: expected different numbers"),
        ({"checkpoints": ["base", "base"]}, "one is named twice"),
        ({"checkpoints": ["base", "hart"]}, "hart"),
    ],
)
def test_what_cannot_be(adapted, options, message):
    with pytest.raises(DomainAdaptError, match=message):
        compare(["qa"], workspace=adapted.workspace, **options)


def test_without_an_adapted_checkpoint_it_says_what_to_do(project):
    with pytest.raises(DomainAdaptError, match="nothing has been adapted") as error:
        compare(["qa"], workspace=project.workspace)
    assert "make adapt" in error.value.hint


def test_on_the_command_line(run, adapted, monkeypatch, tmp_path):
    monkeypatch.setattr(cli_compare, "prepare_process", lambda: None)
    figures = tmp_path / "found.json"
    overrides = [part for key in FAST for part in ("--set", key)]
    code, out, err = run(
        adapted,
        "compare",
        "qa",
        "--from",
        "base,heart@v1",
        "--seeds",
        "2",
        "--labels",
        "8",
        "--json",
        str(figures),
        *overrides,
    )
    assert code == 0, err
    assert "qa, 8 labels, heart@v1: " in out and "95 % interval" in out
    assert json.loads(figures.read_text())["contrasts"][0]["system"] == "heart@v1"
    assert run(adapted, "compare", "qa", "--labels", "many")[0::2] == (
        2,
        "error: --labels: expected numbers above 0 or all (found 'many')\nhint: --labels 50,200,all\n",
    )
    assert run(adapted, "compare", "qa", "--html", "nowhere/page.html")[0] == 2
