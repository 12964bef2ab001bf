import numpy as np
import pytest
from transformers import AutoTokenizer

from domain_adapt import rehearsal
from domain_adapt.bases import resolve_base
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import load_domain
from domain_adapt.rehearsal import Speed, random_corpus, rehearse
from domain_adapt.training.runtime import Runtime

CPU = Runtime("cpu", "fp32", 1)


@pytest.fixture
def quick(monkeypatch):
    """A tenth of a second must do in the tests."""
    monkeypatch.setattr(rehearsal, "TIMED_SECONDS", 0.1)
    monkeypatch.setattr(rehearsal, "gemm_peak", lambda device, dtype, shapes: 1e9)


def rehearsed(project, *overrides):
    recipe = load_domain("heart", overrides=overrides, workspace=project.workspace).values
    return rehearse(recipe, resolve_base(recipe.base, workspace=project.workspace), CPU)


def test_random_text_is_packed_as_a_corpus_is(tiny_model_folder):
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_folder)
    corpus = random_corpus(tokenizer, 32, rows=50)
    assert corpus.train.shape == (50, 32) and corpus.train.dtype == np.int32
    assert (corpus.train[:, 0] == tokenizer.cls_token_id).all()
    ordinary = ~np.isin(corpus.train, tokenizer.all_special_ids)
    assert len(np.unique(corpus.train[ordinary])) == len(tokenizer) - 5
    assert corpus.unigram_counts[tokenizer.all_special_ids].sum() == 0
    assert np.array_equal(corpus.train, random_corpus(tokenizer, 32, rows=50).train)


def test_a_rehearsal_measures_the_steps_of_the_recipe(project, quick):
    found = rehearsed(project, "mlm.distill_weight=10.0", "mlm.distill_share=0.5")
    speed = found.speed
    assert speed.tokens_per_second > 0 and speed.seconds > 0
    assert 1 <= speed.micro_batch_rows <= speed.batch_size <= 8
    assert (found.memory.rows, found.learning) == (8, found.weights)
    assert (speed.peak, speed.peak_fp32) == (1e9, 1e9)
    plain = rehearsed(project, "mlm.freeze.layers=1")
    assert plain.speed.flops_per_token < speed.flops_per_token and plain.learning < plain.weights


def test_a_rehearsal_leaves_nothing_behind(project, quick, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = sorted(project.root.rglob("*"))
    rehearsed(project)
    assert sorted(project.root.rglob("*")) == before
    assert [path for path in tmp_path.glob("domain-adapt-*")] == []


@pytest.mark.parametrize(("seconds", "batch", "rows"), [(0.001, 8, 8), (40.0, 1, 1)])
def test_a_slow_machine_times_fewer_rows(project, monkeypatch, seconds, batch, rows):
    """``seconds`` a row: many steps of whole batches fit into the time, or not even two rows do."""
    asked = []

    def train(recipe, stage, new_head, run):
        steps = round(recipe.budget.tokens / recipe.mlm.batch_size / 32)
        asked.append((recipe.mlm.batch_size, recipe.runtime.micro_batch_size, steps))
        count = steps * recipe.mlm.batch_size
        return rehearsal.Totals(tokens=count * 32, seconds=count * seconds)

    monkeypatch.setattr(rehearsal, "gemm_peak", lambda device, dtype, shapes: 1e9)
    monkeypatch.setattr(rehearsal, "train", train)
    found = rehearsed(project)
    assert (found.speed.batch_size, found.speed.micro_batch_rows) == (batch, rows)
    assert found.speed.tokens_per_second == pytest.approx(32 / seconds)
    assert found.speed.seconds == pytest.approx(max(seconds, rehearsal.TIMED_SECONDS), rel=0.01)
    assert asked[0] == (1, 1, 2) and len(asked) == 3


def test_compilation_that_is_left_to_measuring_is_not_rehearsed(project, quick, monkeypatch):
    compiled = []
    monkeypatch.setattr(
        rehearsal,
        "train",
        lambda recipe, *others: compiled.append(recipe.runtime.compile) or rehearsal.Totals(32, 1.0),
    )
    rehearsed(project)
    rehearsed(project, "runtime.compile=on")
    assert compiled == ["off"] * 3 + ["on"] * 3


def test_blocks_that_the_base_cannot_read(project, quick):
    with pytest.raises(DomainAdaptError, match=r"corpus\.block_size: 131 is more than the 129 tokens"):
        rehearsed(project, "corpus.block_size=131")


def test_utilisation_by_hand():
    speed = Speed(1000.0, 1.0, 8, 8, flops_per_token=2e6, peak=8e9, peak_fp32=4e9)
    assert speed.utilisation == 0.25
