import sys

import pytest

from domain_adapt import cli
from domain_adapt.errors import DomainAdaptError
from domain_adapt.seeds import Spread, finetune_seeds, spreads

FAST = ["budget.epochs=1", "finetune.learning_rate=1e-3"]


def test_spread_by_hand():
    spread = Spread("dev/f1", (30.0, 34.0, 38.0))
    assert (spread.mean, spread.deviation) == (34.0, 4.0)
    assert Spread("dev/f1", (30.0,)).deviation == 0.0


def test_each_seed_is_a_version_and_none_is_trained_twice(adapted):
    first = finetune_seeds("qa", 2, overrides=[*FAST, "seed=5"], workspace=adapted.workspace)
    assert [one.ref for one in first] == ["heart-qa@v1", "heart-qa@v2"]
    assert [one.manifest.recipe["seed"] for one in first] == [5, 6]
    more = finetune_seeds("qa", 3, overrides=[*FAST, "seed=5"], workspace=adapted.workspace)
    assert [one.ref for one in more] == ["heart-qa@v1", "heart-qa@v2", "heart-qa@v3"]
    found = {one.name: one for one in spreads(more)}
    assert {"dev/exact_match", "dev/f1"} <= set(found)
    assert found["dev/f1"].values == tuple(one.manifest.metrics["dev/f1"] for one in more)


def test_no_seeds_at_all(adapted):
    with pytest.raises(DomainAdaptError, match=r"seeds: expected at least 1 \(found 0\)"):
        finetune_seeds("qa", 0, workspace=adapted.workspace)


def test_the_command_line_prints_mean_deviation_and_values(adapted, monkeypatch, capsys):
    monkeypatch.chdir(adapted.root)
    monkeypatch.setattr("domain_adapt.cli_finetune.prepare_process", lambda: None)
    options = [part for override in FAST for part in ("--set", override)]
    monkeypatch.setattr(sys, "argv", ["domain-adapt", "finetune", "qa", "--seeds", "2", *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("dev/f1")]
    values = [float(value) for value in line.split()[-2:]]
    mean = float(line.split()[1])
    assert mean == pytest.approx(sum(values) / 2, abs=0.11) and "±" in line


def test_with_folds_every_example_is_in_one_dev_part(adapted):
    found = finetune_seeds("qa", 1, folds=3, overrides=["budget.epochs=1"], workspace=adapted.workspace)
    counts = [one.manifest.corpus["statistics"] for one in found]
    assert sum(one["dev_examples"] for one in counts) == 84
    assert [one["train_examples"] + one["dev_examples"] for one in counts] == [84] * 3
    assert [one.ref for one in found] == ["heart-qa@v1", "heart-qa@v2", "heart-qa@v3"]
    (spread,) = [one for one in spreads(found) if one.name == "dev/f1"]
    assert len(spread.values) == 3
