from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from domain_adapt.checkpoints import Manifest
from domain_adapt.report.model_card import render_card

MINI = {
    "kind": "base",
    "name": "mini",
    "sha256": "a" * 64,
    "licence": "apache-2.0",
    "url": "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    "has_lm_head": False,
}
ROBERTA = MINI | {
    "name": "FacebookAI/roberta-base",
    "licence": "mit",
    "url": "https://huggingface.co/FacebookAI/roberta-base",
    "has_lm_head": True,
    "revision": "e" * 40,
}


@pytest.fixture
def manifest() -> Callable[..., Manifest]:
    def make(**changes: Any) -> Manifest:
        values: dict[str, Any] = {
            "name": "medical",
            "version": 2,
            "stage": "adapt",
            "domain": "medical",
            "profile": "quick",
            "created": "2026-01-02T03:04:05+00:00",
            "fingerprint": "f" * 64,
            "recipe": {"seed": 3, "mlm": {"learning_rate": 2e-4}, "sources": [{"kind": "hpo"}]},
            "parent": MINI,
            "lineage": [{"name": "mini", "sha256": "a" * 64}],
            "corpus": {
                "sources": [
                    {
                        "kind": "hpo",
                        "name": "Human Phenotype | Ontology",
                        "licence": "HPO licence",
                        "url": "https://hpo.jax.org/license",
                        "revision": "2025-01",
                        "documents": 16000,
                    },
                    {
                        "kind": "hub",
                        "name": "MedRAG/textbooks",
                        "licence": "unknown",
                        "url": "https://huggingface.co/datasets/MedRAG/textbooks",
                    },
                ],
                "tokens_train": 900000,
            },
            "metrics": {"heldout/mlm_loss": 4.25, "heldout/perplexity": 70.1, "train/tokens": 900000.0},
            "packages": {"torch": "2.13.0"},
            "environment": {"device": "cpu", "threads": 2},
            "command": "domain-adapt adapt medical",
            "wall_seconds": 412.0,
            "files": {},
        }
        return Manifest.model_validate(values | changes)

    return make


def test_the_hub_reads_the_front_matter(manifest: Callable[..., Manifest]) -> None:
    data = ModelCard(render_card(manifest()), ignore_metadata_errors=False).data
    assert data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert data.library_name == "transformers"
    assert data.pipeline_tag == "fill-mask"
    assert data.license == "apache-2.0"
    assert data.language == "en"
    assert data.datasets == ["MedRAG/textbooks"]
    assert data.tags == ["domain-adaptation", "medical"]
    assert data.eval_results is not None
    assert {(one.metric_type, one.metric_value) for one in data.eval_results} == {("loss", 4.25), ("perplexity", 70.1)}


def test_unknown_metadata_is_left_out_and_not_invented(manifest: Callable[..., Manifest]) -> None:
    parent = MINI | {"name": "/home/me/model", "url": None, "licence": "ask the owner"}
    card = render_card(
        manifest(parent=parent, lineage=[{"name": "/home/me/model", "sha256": "a" * 64}], corpus={}, metrics={})
    )
    data = ModelCard(card, ignore_metadata_errors=False).data
    assert (data.base_model, data.license, data.language, data.datasets) == (None, None, None, None)
    assert not data.eval_results
    assert "ask the owner" in card
    assert "Nothing was measured." in card


def test_a_base_without_a_head_has_no_loss_before_and_the_card_says_why(manifest: Callable[..., Manifest]) -> None:
    card = render_card(manifest())
    assert "| masked-LM loss, held-out text (nats) |  | 4.2500 |" in card
    assert "`mini` has no trained LM head" in card


def test_before_and_after_stand_side_by_side(manifest: Callable[..., Manifest]) -> None:
    metrics = {"heldout/mlm_loss_before": 2.5, "heldout/mlm_loss": 1.75}
    card = render_card(manifest(parent=ROBERTA, metrics=metrics))
    assert "| masked-LM loss, held-out text (nats) | 2.5000 | 1.7500 |" in card
    assert "mlm_loss_before" not in card
    assert "no trained LM head" not in card


def test_sources_stand_with_their_licences_and_a_bar_breaks_no_table(manifest: Callable[..., Manifest]) -> None:
    card = render_card(manifest())
    row = "| [Human Phenotype \\| Ontology](https://hpo.jax.org/license) | hpo | HPO licence | 2025-01 | 16,000 |"
    assert row in card
    assert "| tokens_train | 900,000 |" in card
    assert "| `mlm.learning_rate` | `0.0002` |" in card
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in card.splitlines() if line.startswith("|")]
    assert set(widths) <= {3, 4, 6}


def test_a_qa_card_speaks_of_answers(manifest: Callable[..., Manifest]) -> None:
    lineage = [{"name": "medical@v2", "sha256": "b" * 64}, {"name": "mini", "sha256": "a" * 64}]
    parent = MINI | {"kind": "checkpoint", "name": "medical@v2"}
    metrics = {"dev/exact_match": 50.0, "dev/f1": 62.5}
    card = render_card(
        manifest(name="medical-qa", stage="finetune", task="qa", parent=parent, lineage=lineage, metrics=metrics)
    )
    data = ModelCard(card, ignore_metadata_errors=False).data
    assert data.pipeline_tag == "question-answering"
    assert data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert "`medical-qa@v2` ← `medical@v2` ← `mini`" in card
    assert "| F1, dev part (%) |  | 62.50 |" in card
    assert "no trained LM head" not in card


def test_the_calibration_error_is_lower_is_better_and_no_result_on_the_hub(manifest: Callable[..., Manifest]) -> None:
    changes = {"stage": "finetune", "task": "topics", "recipe": {"type": "text-classification"}}
    card = render_card(
        manifest(**changes, metrics={"test/ece": 4.25, "test/mcc": 50.0}, files={"reliability.png": "0" * 64})
    )
    assert "| expected calibration error (lower is better), test part (%) |  | 4.25 |" in card
    assert "![How often predictions are right, by confidence](reliability.png)" in card
    results = ModelCard(card, ignore_metadata_errors=False).data.eval_results
    assert [result.metric_type for result in results] == ["matthews_correlation"]
    assert "reliability" not in render_card(manifest(**changes))


def test_every_figure_of_a_task_is_a_result_on_the_hub(manifest: Callable[..., Manifest]) -> None:
    changes = {"stage": "finetune", "task": "scores", "recipe": {"type": "text-classification"}}
    values = {"test/spearman": 80.0, "test/pearson": 81.0, "test/r2": 60.5, "test/rmse": 0.25}
    card = render_card(manifest(**changes, metrics=values))
    data = ModelCard(card, ignore_metadata_errors=False).data
    results = {(one.metric_type, one.metric_value, one.dataset_name) for one in data.eval_results or []}
    assert results == {
        (kind, value, "medical, test part of the labelled data")
        for kind, value in {"spearmanr": 80.0, "pearsonr": 81.0, "r_squared": 60.5, "rmse": 0.25}.items()
    }
    assert "| explained variance (R²), test part (%) |  | 60.50 |" in card
    assert "| root mean squared error (lower is better), test part |  | 0.25 |" in card


def test_the_code_in_the_card_runs(
    manifest: Callable[..., Manifest],
    tiny_model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "checkpoints" / "medical").mkdir(parents=True)
    (tmp_path / "checkpoints" / "medical" / "v2").symlink_to(tiny_model_folder)
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", render_card(manifest()), flags=re.DOTALL)
    exec(compile(block, "README.md", "exec"), {})
    assert "token_str" in capsys.readouterr().out
    for block in re.findall(r"```python\n(.*?)```", render_card(manifest(stage="finetune", task="qa")), re.DOTALL):
        compile(block, "README.md", "exec")
