import json
import sys
from dataclasses import replace

import pytest

from domain_adapt import assess as assessing
from domain_adapt import cli, corpus_show, rehearsal
from domain_adapt.assess import assess
from domain_adapt.rehearsal import Rehearsal, Speed
from domain_adapt.training.memory import MemoryPlan

MEASURED = Rehearsal(
    weights=1000,
    learning=900,
    memory=MemoryPlan(free=10**9, fixed=10**6, row=10**5, rows=8),
    speed=Speed(500.0, 10.0, 8, 8, flops_per_token=2e6, peak=8e9, peak_fp32=4e9),
)


@pytest.fixture(autouse=True)
def _measured(monkeypatch):
    monkeypatch.setattr(rehearsal, "rehearse", lambda recipe, base, runtime: MEASURED)
    monkeypatch.setattr(corpus_show, "general_counts", lambda: {"house": 90.0, "dog": 50.0, "the": 900.0})
    texts = ["the house of the dog and the cat"] * 50
    for module in (corpus_show, assessing):
        monkeypatch.setattr(module, "general_texts", lambda: iter(texts))


def test_a_base_with_an_lm_head_has_its_loss_measured(adapted):
    found = assess("heart", "heart@v1", workspace=adapted.workspace)
    figures = found.figures
    assert figures.tokens < 10_000 and found.verdict.outcome == "do not adapt"
    assert 0 < figures.loss < figures.general_loss  # it was trained on this text, and not on that
    assert {reason.figure: reason.speaks for reason in found.verdict.reasons} == {
        "tokens": "against",
        "overlap": "for",
        "fertility": found.verdict.reasons[2].speaks,
        "loss": "against",
    }
    again = assess("heart", "heart@v1", workspace=adapted.workspace)
    assert again.figures == figures
    assert adapted.published == ["heart@v1"] and adapted.leftovers == []


def test_a_base_without_an_lm_head_has_none(project, monkeypatch):
    resolve = assessing.resolve_base
    monkeypatch.setattr(
        assessing, "resolve_base", lambda *args, **given: replace(resolve(*args, **given), has_lm_head=False)
    )
    monkeypatch.setattr(assessing, "loss_on_texts", None)  # would fail
    found = assess("heart", workspace=project.workspace)
    assert found.figures.loss is None and found.verdict.reasons[3].value == "not measured"


def test_the_time_of_budgets(project):
    found = assess("heart", overrides=["budget.tokens=90_000"], workspace=project.workspace)
    assert (found.run_tokens, found.seconds) == (90_000, 180.0)
    assert found.cost().startswith("about 3 min 0 s on this machine: 90,000 tokens (")
    found = assess("heart", overrides=["budget.epochs=2"], workspace=project.workspace)
    assert found.run_tokens == round(2 * 0.9 * found.figures.tokens)  # a tenth is held out
    assert found.seconds == found.run_tokens / 500


def test_the_command(project, monkeypatch, capsys):
    monkeypatch.chdir(project.root)
    monkeypatch.setattr(cli, "prepare_process", lambda: None)
    monkeypatch.setattr(sys, "argv", ["domain-adapt", "assess", "heart"])
    cli.app(standalone_mode=False)
    out = capsys.readouterr().out
    assert " to heart: do not adapt\n" in out and "10,000 (rule of thumb)" in " ".join(out.split())
    assert "stage 1: about " in out
    monkeypatch.setattr(sys, "argv", ["domain-adapt", "assess", "heart", "--json"])
    cli.app(standalone_mode=False)
    values = json.loads(capsys.readouterr().out)
    assert values["verdict"] == "do not adapt" and values["run"]["tokens_per_second"] == 500.0
    assert [reason["figure"] for reason in values["reasons"]] == ["tokens", "overlap", "fertility", "loss"]
