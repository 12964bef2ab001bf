import json
from dataclasses import replace

import pytest

from domain_adapt import doctor, rehearsal
from domain_adapt.adapt import adapt
from domain_adapt.doctor import examine
from domain_adapt.errors import DomainAdaptError
from domain_adapt.rehearsal import Rehearsal, Speed
from domain_adapt.training.memory import MemoryPlan

FAST = Rehearsal(
    weights=1000,
    learning=900,
    memory=MemoryPlan(free=10**9, fixed=10**6, row=10**5, rows=8),
    speed=Speed(500.0, 10.0, 8, 8, flops_per_token=2e6, peak=8e9, peak_fp32=4e9),
)


@pytest.fixture
def measured(monkeypatch):
    """Stands in for the rehearsal; ``measured(...)`` changes what it finds."""

    def found(**changes):
        monkeypatch.setattr(rehearsal, "rehearse", lambda recipe, base, runtime: replace(FAST, **changes))

    found()
    return found


def test_the_time_of_a_budget_in_tokens(project, measured):
    found = examine("heart", overrides=["budget.tokens=90_000"], workspace=project.workspace)
    assert (found.tokens, found.seconds) == (90_000, 180.0)
    lines = dict(found.lines())
    assert lines["time for the run"] == "3 min 0 s (budget.tokens = 90,000)"
    assert lines["time for 1 M tokens"] == "33 min 20 s"
    assert lines["training"] == "500 tokens/s, timed for 10 s"
    assert lines["utilisation"].startswith("12% = 2.0 MFLOP a token")
    assert lines["batch size"] == "8 rows, 8 in one pass"
    assert lines["precision"] == "fp32: runtime.precision says so"


def test_epochs_are_known_once_the_text_was_prepared(project, measured):
    before = examine("heart", workspace=project.workspace)
    assert before.seconds is None
    assert "the first `domain-adapt adapt` prepares the text" in dict(before.lines())["time for the run"]
    checkpoint = adapt("heart", overrides=["budget.tokens=256"], workspace=project.workspace)
    after = examine("heart", overrides=["budget.epochs=3"], workspace=project.workspace)
    assert after.tokens == 3 * 32 * checkpoint.manifest.corpus["statistics"]["blocks_train"]
    assert after.tokens_source.startswith("budget.epochs = 3 of ")


def test_a_hub_source_is_not_asked_for_its_version(project, measured, monkeypatch):
    path = project.workspace.corpora / "heart" / "domain.toml"
    path.write_text(path.read_text().replace('kind = "files"\npath = "texts"', 'kind = "hub"\nid = "nobody/nothing"'))
    monkeypatch.setattr(doctor, "corpus_plan", None)
    assert examine("heart", workspace=project.workspace).tokens is None


def test_without_a_domain_default_settings_are_measured(project, measured, tiny_model_folder):
    found = examine(base=str(tiny_model_folder), workspace=project.workspace)
    lines = dict(found.lines())
    assert lines["domain"] == "none: default settings" and "name a domain" in lines["time for the run"]
    assert found.recipe.mlm.batch_size == 16
    with pytest.raises(DomainAdaptError, match="--profile: expected a domain"):
        examine(profile="full", workspace=project.workspace)


def test_what_is_in_the_way_is_said(project, measured, monkeypatch):
    monkeypatch.setattr(doctor, "has_fast_bf16", lambda device: False)
    measured(weights=10**18, learning=10**18, memory=MemoryPlan(free=10**9, fixed=10**9, row=10**8, rows=1))
    found = examine("heart", overrides=["runtime.precision=bf16"], workspace=project.workspace)
    text = "\n".join(found.warnings)
    assert "bf16 is emulated on this device" in text
    assert "Training needs about 1.1 GB and 1.0 GB are free" in text
    assert "Saved states take up to 36000000000.0 GB, and the disk has" in text  # three of 12 bytes a weight


def test_a_real_rehearsal_in_json(project, monkeypatch):
    monkeypatch.setattr(rehearsal, "TIMED_SECONDS", 0.1)
    monkeypatch.setattr(rehearsal, "gemm_peak", lambda device, dtype, shapes: 1e12)
    found = examine("heart", workspace=project.workspace)
    values = json.loads(json.dumps(found.as_json()))
    assert values["domain"] == "heart" and values["block_size"] == 32
    assert values["speed"]["tokens_per_second"] > 0
    assert values["speed"]["utilisation"] == pytest.approx(
        values["speed"]["flops_per_token"] * values["speed"]["tokens_per_second"] / 1e12
    )
    assert values["memory"]["needed"] == values["memory"]["fixed"] + 8 * values["memory"]["row"]
    assert project.published == [] and not project.workspace.runs.exists()
