import importlib
import json
import logging
import os
import shutil

import numpy as np
import pytest
from filelock import FileLock
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

from domain_adapt.adapt import adapt
from domain_adapt.checkpoints import CheckpointStore, verify
from domain_adapt.errors import DomainAdaptError
from domain_adapt.finetune import finetune
from domain_adapt.fingerprint import hash_file

stage = importlib.import_module("domain_adapt.adapt")  # domain_adapt.adapt itself is the function


def weights(checkpoint):
    return (checkpoint.folder / "model.safetensors").read_bytes()


def manifest(checkpoint):
    return json.loads((checkpoint.folder / "manifest.json").read_text())


def fingerprint_of(project, monkeypatch, **options):
    """Returns the fingerprint that adapt() computes, without training."""
    found = []

    def stop(kind, fingerprint, *arguments, **others):
        found.append(fingerprint)
        raise KeyError("computed")

    monkeypatch.setattr(stage, "open_run", stop)
    with pytest.raises(KeyError, match="computed"):
        adapt("heart", workspace=project.workspace, force=True, **options)
    monkeypatch.undo()
    return found[0]


def test_publishes_a_checkpoint_that_says_what_it_is(adapted, tiny_model_folder):
    (checkpoint,) = CheckpointStore(adapted.workspace.checkpoints).list()
    assert checkpoint.folder == adapted.workspace.checkpoints / "heart" / "v1"
    values = manifest(checkpoint)
    assert (values["name"], values["version"], values["stage"], values["domain"]) == ("heart", 1, "adapt", "heart")
    assert (values["task"], values["profile"]) == (None, "quick")
    assert values["recipe"]["mlm"]["learning_rate"] == 1e-3 and values["recipe"]["budget"] == {
        "epochs": 1.0,
        "tokens": None,
    }
    assert values["parent"]["name"] == str(tiny_model_folder) and values["parent"]["kind"] == "base"
    assert values["lineage"] == [{"name": str(tiny_model_folder), "sha256": values["parent"]["sha256"]}]
    statistics = values["corpus"]["statistics"]
    assert statistics["documents_train"] + statistics["documents_heldout"] == statistics["documents_read"] == 60
    assert len(values["corpus"]["content_sha256"]) == 64
    (source,) = values["corpus"]["sources"]
    assert (source["kind"], source["name"], source["licence"], source["documents"]) == ("files", "texts", "CC0-1.0", 60)
    assert {"torch", "transformers", "datasets", "accelerate", "domain-adapt"} <= set(values["packages"])
    metrics = values["metrics"]
    assert {"heldout/mlm_loss", "heldout/mlm_loss_before", "train/tokens", "train/tokens_per_second"} <= set(metrics)
    assert metrics["heldout/mlm_loss"] < metrics["heldout/mlm_loss_before"] - 0.2
    assert metrics["heldout/perplexity"] == pytest.approx(np.exp(metrics["heldout/mlm_loss"]))
    assert metrics["train/tokens"] == statistics["tokens_train"] + _separators(checkpoint, adapted)
    expected = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"}
    assert expected <= set(values["files"])
    assert {path.name for path in checkpoint.folder.iterdir()} == {*values["files"], "manifest.json"}
    for name, sha256 in values["files"].items():
        assert hash_file(checkpoint.folder / name) == sha256
    verify(checkpoint)
    assert adapted.leftovers == []


def _separators(checkpoint, project):
    """Special tokens that packing put into the training blocks: one epoch reads each token of a block once."""
    (folder,) = (project.workspace.cache / "corpora").iterdir()
    from domain_adapt.corpus.blocks import read_blocks

    blocks = np.asarray(read_blocks(folder / "train", 32)[:])
    special = [one for one in AutoTokenizer.from_pretrained(checkpoint.folder).all_special_ids if one not in (0, 1)]
    return int(np.isin(blocks, special).sum())


def test_stock_code_loads_it_with_no_missing_and_no_unexpected_weights(adapted):
    folder = adapted.workspace.checkpoints / "heart" / "v1"
    _, report = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert AutoTokenizer.from_pretrained(folder).mask_token == "[MASK]"
    assert (folder / "README.md").read_text().startswith("---\n")


def test_the_same_inputs_again_are_up_to_date(adapted, caplog, monkeypatch):
    monkeypatch.setattr(stage, "open_run", None)  # to be called would be an error
    caplog.set_level(logging.INFO, "domain_adapt")
    assert adapt("heart", workspace=adapted.workspace).ref == "heart@v1"
    assert f"heart@v1 is up to date: {adapted.root}/checkpoints/heart/v1" in caplog.text
    assert adapted.published == ["heart@v1"]


def test_force_trains_again_and_ends_with_the_same_bytes(adapted):
    again = adapt("heart", workspace=adapted.workspace, force=True)
    first = CheckpointStore(adapted.workspace.checkpoints).find("heart@v1")
    assert again.ref == "heart@v2" and again.manifest.fingerprint == first.manifest.fingerprint
    assert weights(again) == weights(first)
    assert adapted.leftovers == []
    assert adapt("heart", workspace=adapted.workspace).ref == "heart@v2"  # the newest of these inputs


def test_what_decides_the_result_changes_the_fingerprint_and_nothing_else_does(
    adapted, monkeypatch, tmp_path, tiny_model_folder
):
    def fingerprint(*overrides, **options):
        return fingerprint_of(adapted, monkeypatch, overrides=overrides, **options)

    first = CheckpointStore(adapted.workspace.checkpoints).find("heart").manifest.fingerprint
    assert fingerprint() == first
    for same in ("runtime.threads=2", "runtime.save_seconds=5", "runtime.precision=bf16", "description=other"):
        assert fingerprint(same) == first, same
    assert fingerprint(name="other") == first
    copy = shutil.copytree(tiny_model_folder, tmp_path / "copy")
    assert fingerprint(base=str(copy)) == first  # what is in it counts, not where it lies
    different = [
        fingerprint("seed=1"),
        fingerprint("mlm.learning_rate=2e-3"),
        fingerprint("corpus.block_size=16"),
        fingerprint(profile="long"),
    ]
    tensors = load_file(copy / "model.safetensors")
    tensors["roberta.encoder.layer.0.output.dense.bias"][0] += 1
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    different.append(fingerprint(base=str(copy)))
    with (adapted.texts / "a.jsonl").open("a") as file:
        file.write('{"text": "One more document about the heart."}\n')
    different.append(fingerprint())
    assert len({first, *different}) == 1 + len(different)


def test_a_moved_project_is_still_up_to_date(adapted, tmp_path):
    moved = type(adapted)(type(adapted.workspace)(adapted.root.rename(tmp_path / "elsewhere")))
    assert adapt("heart", workspace=moved.workspace).ref == "heart@v1"
    assert moved.published == ["heart@v1"]


def test_budget_in_tokens(project):
    checkpoint = adapt("heart", overrides=["budget.tokens=1000"], workspace=project.workspace)
    assert checkpoint.manifest.metrics["train/tokens"] == 4 * 8 * 32  # the nearest number of steps of 256 tokens


def test_an_untrained_head_starts_from_word_frequencies_and_has_no_loss_before(project, tmp_path, tiny_model_folder):
    base = tmp_path / "encoder"
    shutil.copytree(tiny_model_folder, base)
    tensors = {k: v for k, v in load_file(base / "model.safetensors").items() if not k.startswith("lm_head.")}
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    options = ["budget.tokens=256", "mlm.learning_rate=1e-9"]
    metrics = adapt("heart", base=str(base), overrides=options, workspace=project.workspace).manifest.metrics
    assert "heldout/mlm_loss_before" not in metrics and "heldout/perplexity_before" not in metrics
    # With the frequencies as bias the loss of a model that has learnt nothing is near the unigram entropy.
    (folder,) = (project.workspace.cache / "corpora").iterdir()
    counts = np.load(folder / "unigram_counts.npy")
    shares = counts[counts > 0] / counts.sum()
    entropy = -(shares * np.log(shares)).sum()
    assert metrics["heldout/mlm_loss"] == pytest.approx(entropy, abs=0.35)
    assert metrics["heldout/mlm_loss"] < np.log(len(counts)) - 0.2


def test_adapting_an_adapted_checkpoint_records_the_lineage(adapted):
    options = ["budget.tokens=256"]
    second = adapt("heart", base="heart@v1", name="heart2", overrides=options, workspace=adapted.workspace)
    assert second.manifest.parent.name == "heart@v1" and second.manifest.parent.kind == "checkpoint"
    assert second.manifest.lineage[0].name == "heart@v1" and len(second.manifest.lineage) == 2


def test_a_corpus_without_a_recipe(project, tiny_model_folder, monkeypatch):
    monkeypatch.chdir(project.root)
    checkpoint = adapt(
        corpus=["corpora/heart/texts"],
        name="mine",
        base=str(tiny_model_folder),
        overrides=["budget.tokens=500", "corpus.block_size=16", "runtime.precision=fp32"],
        workspace=project.workspace,
    )
    assert checkpoint.ref == "mine@v1" and checkpoint.manifest.corpus["sources"][0]["name"] == "texts"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "expected a domain, or --corpus with --name"),
        ({"domain": "heart", "corpus": ["x"]}, "expected a domain, or --corpus with --name"),
        ({"corpus": ["x"]}, "--corpus needs a name for the checkpoint"),
    ],
)
def test_domain_or_corpus(project, arguments, message):
    with pytest.raises(DomainAdaptError) as caught:
        adapt(workspace=project.workspace, **arguments)
    assert caught.value.message == message and caught.value.hint


def test_too_long_blocks_name_the_key(project):
    with pytest.raises(DomainAdaptError) as caught:
        adapt("heart", overrides=["corpus.block_size=130"], workspace=project.workspace)
    assert caught.value.message == "corpus.block_size: 130 is more than the 129 tokens the base can read"
    assert project.published == []


def test_two_processes_on_one_run(adapted, monkeypatch):
    fingerprint = fingerprint_of(adapted, monkeypatch, overrides=["seed=5"])
    adapted.workspace.runs.mkdir(exist_ok=True)
    with (
        FileLock(adapted.workspace.runs / f"adapt-{fingerprint[:16]}.lock"),
        pytest.raises(DomainAdaptError, match="another process is at work on this run") as caught,
    ):
        adapt("heart", overrides=["seed=5"], workspace=adapted.workspace)
    assert caught.value.hint == "wait for it, or stop it first"
    assert adapted.published == ["heart@v1"]


def test_a_failed_publication_can_be_given_again(project, monkeypatch):
    options = {"overrides": ["budget.tokens=600", "runtime.save_seconds=0"], "workspace": project.workspace}

    def full(*arguments):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr("domain_adapt.stages.save_model", full)
        with pytest.raises(DomainAdaptError, match=r"no space left on device: .* MB free; nothing was published"):
            adapt("heart", **options)
    assert project.published == []
    assert len(project.leftovers) == 1  # the run, to go on from
    assert adapt("heart", **options).ref == "heart@v1"
    assert project.leftovers == []


def test_the_public_names_are_functions_although_modules_are_called_the_same():
    import domain_adapt

    for name in ("adapt", "finetune"):
        setattr(domain_adapt, name, importlib.import_module(f"domain_adapt.{name}"))  # what importing it does
        assert callable(getattr(domain_adapt, name)) and name in domain_adapt.__all__
    for name in domain_adapt.__all__:
        assert getattr(domain_adapt, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'adaptt'"):
        domain_adapt.adaptt  # noqa: B018


def test_terms_of_the_domain_become_tokens(project):
    (project.texts / "terms.txt").write_text("The zyzzyva and the quokkaform met the zyzzyva. " * 30, encoding="utf-8")
    keys = ["vocabulary.add=5", "vocabulary.min_count=5", "vocabulary.min_pieces=3", "mlm.distill_weight=1"]
    found = adapt("heart", workspace=project.workspace, overrides=[*keys, "budget.epochs=0.5"])
    tokenizer = AutoTokenizer.from_pretrained(found.folder)
    assert tokenizer.tokenize("the zyzzyva, zyzzyvas")[1] == "zyzzyva"
    assert tokenizer.tokenize("zyzzyvas")[0] != "zyzzyva"
    model = AutoModelForMaskedLM.from_pretrained(found.folder)
    assert model.config.vocab_size == len(tokenizer)
    metrics = found.manifest.metrics
    assert metrics["vocabulary/terms"] >= 2
    assert metrics["vocabulary/tokens_per_word"] < metrics["vocabulary/tokens_per_word_before"]
    listed = (found.folder / "added_terms.tsv").read_text(encoding="utf-8").splitlines()
    assert listed[1].split("\t")[0] in ("zyzzyva", "quokkaform") and len(listed) == 1 + metrics["vocabulary/terms"]
    assert verify(found) == []
    again = adapt("heart", workspace=project.workspace, overrides=[*keys, "budget.epochs=0.5"])
    assert again.ref == found.ref
    from_it = finetune("qa", start=found.ref, overrides=["budget.epochs=1"], workspace=project.workspace)
    assert AutoTokenizer.from_pretrained(from_it.folder).tokenize("zyzzyva") == ["zyzzyva"]
