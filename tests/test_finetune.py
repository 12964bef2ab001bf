import json
import logging
import re
import shutil

import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForQuestionAnswering

from domain_adapt.adapt import adapt
from domain_adapt.checkpoints import CheckpointStore, verify
from domain_adapt.errors import DomainAdaptError
from domain_adapt.finetune import finetune
from domain_adapt.labelled import smallest_difference
from domain_adapt.predict import QuestionAnswerer
from domain_adapt.task_in_run import TaskInRun


def manifest(checkpoint):
    return json.loads((checkpoint.folder / "manifest.json").read_text())


def epoch_scores(caplog):
    """Returns the dev F1 of each epoch as it was logged."""
    return [float(found.group(1)) for found in re.finditer(r"epoch \d+: .*?f1 ([\d.]+)", caplog.text)]


def test_learns_from_the_newest_adapted_checkpoint_and_says_which(adapted, caplog):
    caplog.set_level(logging.INFO, "domain_adapt")
    checkpoint = finetune("qa", overrides=["finetune.learning_rate=1e-3"], workspace=adapted.workspace)
    assert "fine-tuning heart@v1, the newest adapted checkpoint" in caplog.text
    assert checkpoint.ref == "heart-qa@v1" and adapted.leftovers == []
    verify(checkpoint)
    values = manifest(checkpoint)
    assert (values["stage"], values["domain"], values["task"]) == ("finetune", "heart", "qa")
    parent = CheckpointStore(adapted.workspace.checkpoints).find("heart@v1")
    assert values["parent"]["kind"] == "checkpoint" and values["parent"]["name"] == "heart@v1"
    assert [one["name"] for one in values["lineage"]] == ["heart@v1", parent.manifest.parent.name]
    assert values["lineage"][1]["sha256"] == parent.manifest.parent.sha256
    assert values["corpus"]["statistics"] == {
        "train_examples": 64,
        "dev_examples": 20,
        "labels_repaired": 0,
        "examples_dropped": 0,
    }
    assert values["corpus"]["sources"][0]["licence"] == "CC0-1.0"
    scores = epoch_scores(caplog)
    assert len(scores) == 2 and scores[-1] >= scores[0]
    assert {"dev/exact_match", "dev/f1", "train/tokens", "train/tokens_per_second"} <= set(values["metrics"])
    assert values["metrics"]["dev/f1"] == pytest.approx(max(scores), abs=0.05)
    assert values["metrics"]["train/best_epoch"] == 1 + scores.index(max(scores))
    assert values["metrics"]["dev/f1"] > 60  # any one word of the context: 11
    _, report = AutoModelForQuestionAnswering.from_pretrained(checkpoint.folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]


def test_the_best_epoch_by_dev_f1_is_published_and_not_the_last(adapted, monkeypatch):
    scores = [10.0, 30.0, 30.0, 20.0]
    seen = []

    def score(self):
        seen.append({name: tensor.clone() for name, tensor in self.model.named_parameters()})
        return {"exact_match": 50.0 + len(seen), "f1": scores[len(seen) - 1]}, {}

    monkeypatch.setattr(TaskInRun, "score_dev", score)
    checkpoint = finetune("qa", overrides=["budget.epochs=4"], workspace=adapted.workspace)
    assert checkpoint.manifest.metrics["train/best_epoch"] == 2  # the first of two equally good ones
    assert checkpoint.manifest.metrics["dev/f1"] == 30.0
    published = AutoModelForQuestionAnswering.from_pretrained(checkpoint.folder)
    for name, tensor in published.named_parameters():
        assert torch.equal(tensor, seen[1][name]), name
    assert not all(torch.equal(seen[1][name], seen[3][name]) for name in seen[1])


def test_up_to_date_force_and_what_changes_the_fingerprint(adapted, caplog):
    first = finetune("qa", workspace=adapted.workspace)
    caplog.set_level(logging.INFO, "domain_adapt")
    assert finetune("qa", workspace=adapted.workspace).ref == "heart-qa@v1"
    assert "heart-qa@v1 is up to date" in caplog.text and "dev: exact_match" in caplog.text
    assert finetune("qa", overrides=["runtime.threads=2"], workspace=adapted.workspace).ref == "heart-qa@v1"
    again = finetune("qa", force=True, workspace=adapted.workspace)
    assert again.ref == "heart-qa@v2" and again.manifest.fingerprint == first.manifest.fingerprint
    bytes_of = [(one.folder / "model.safetensors").read_bytes() for one in (first, again)]
    assert bytes_of[0] == bytes_of[1]
    dev = adapted.workspace.tasks / "qa" / "dev.jsonl"
    dev.write_text("".join(dev.read_text().splitlines(keepends=True)[:-1]))
    assert finetune("qa", workspace=adapted.workspace).ref == "heart-qa@v3"


def test_a_checkpoint_of_another_name_keeps_the_domain_whose_labels_it_needs(adapted):
    other = adapt("heart", name="other", overrides=["budget.tokens=256"], workspace=adapted.workspace)
    assert (other.ref, other.manifest.domain) == ("other@v1", "heart")
    checkpoint = finetune("qa", start="other", overrides=["budget.epochs=1"], workspace=adapted.workspace)
    assert checkpoint.ref == "heart-qa@v1" and checkpoint.manifest.parent.name == "other@v1"
    with pytest.raises(DomainAdaptError, match="name: String should match pattern"):
        adapt("heart", name="No Name", workspace=adapted.workspace)


def test_the_base_itself(adapted, caplog):
    caplog.set_level(logging.INFO, "domain_adapt")
    checkpoint = finetune("qa", start="base", overrides=["budget.epochs=1"], workspace=adapted.workspace)
    assert checkpoint.ref == "base-heart-qa@v1" and checkpoint.manifest.parent.kind == "base"
    assert "itself" in caplog.text and "labelled data of heart" in caplog.text


def test_a_base_with_encoder_weights_alone(project, tiny_model_folder, tmp_path):
    base = shutil.copytree(tiny_model_folder, tmp_path / "encoder")
    tensors = {k: v for k, v in load_file(base / "model.safetensors").items() if not k.startswith("lm_head.")}
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    checkpoint = finetune("qa", base=str(base), overrides=["budget.epochs=1"], workspace=project.workspace)
    assert checkpoint.manifest.parent.has_lm_head is False and checkpoint.ref == "base-heart-qa@v1"


def test_going_on_from_a_fine_tuned_checkpoint_keeps_its_head(adapted):
    first = finetune("qa", overrides=["budget.epochs=1"], workspace=adapted.workspace)
    options = ["budget.epochs=1", "finetune.learning_rate=1e-12"]
    second = finetune("qa", start=first.ref, overrides=options, workspace=adapted.workspace)
    assert [one.name for one in second.manifest.lineage][:2] == ["heart-qa@v1", "heart@v1"]
    before, after = (load_file(one.folder / "model.safetensors") for one in (first, second))
    for name in before:
        assert before[name] == pytest.approx(after[name], abs=1e-6), name


def test_nothing_adapted_yet_names_the_command(project):
    with pytest.raises(DomainAdaptError) as caught:
        finetune("qa", workspace=project.workspace)
    assert caught.value.message == "nothing has been adapted yet, so there is nothing to fine-tune"
    assert "make adapt DOMAIN=medical" in caught.value.hint and "FROM=base" in caught.value.hint
    with pytest.raises(DomainAdaptError, match="nothing has been adapted to heart yet") as caught:
        finetune("qa", domain="heart", workspace=project.workspace)
    assert "make adapt DOMAIN=heart" in caught.value.hint


@pytest.mark.parametrize("domain", ["lung", "hart"])
def test_a_domain_without_labelled_data_names_those_that_have_some(adapted, domain):
    with pytest.raises(DomainAdaptError) as caught:
        finetune("qa", start="heart", domain=domain, workspace=adapted.workspace)
    expected = f"task qa: data: no labelled data for domain {domain!r}; there is for: heart, nodev"
    assert caught.value.message == expected and "--train FILE" in caught.value.hint
    assert adapted.published == ["heart@v1"]


@pytest.mark.parametrize(
    ("start", "message"),
    [("lungs@v1", "no checkpoint 'lungs'; known: heart"), ("heart@v9", "no version 'v9' of checkpoint 'heart'")],
)
def test_an_unknown_start(adapted, start, message):
    with pytest.raises(DomainAdaptError, match=message):
        finetune("qa", start=start, workspace=adapted.workspace)


def test_frozen_weights_stay_those_of_the_parent(adapted):
    overrides = ["budget.epochs=1", "finetune.freeze={embeddings = true, layers = 1}"]
    checkpoint = finetune("qa", overrides=overrides, workspace=adapted.workspace)
    parent = load_file(adapted.workspace.checkpoints / "heart" / "v1" / "model.safetensors")
    own = load_file(checkpoint.folder / "model.safetensors")
    frozen = ("roberta.embeddings.", "roberta.encoder.layer.0.")
    for name, tensor in own.items():
        if name.startswith("roberta."):
            same = tensor.tobytes() == parent[name].tobytes()
            # The keys' bias has no gradient: softmax does not see a constant added to all scores.
            assert same == name.startswith(frozen) or name.endswith("key.bias"), name


def test_more_frozen_layers_than_there_are(adapted):
    with pytest.raises(DomainAdaptError, match=r"finetune\.freeze\.layers: 3 layers to freeze, but the model has 2"):
        finetune("qa", overrides=["finetune.freeze.layers=3"], workspace=adapted.workspace)
    assert adapted.published == ["heart@v1"]


def test_layer_decay_moves_lower_layers_less(adapted):
    def movement(decay):
        overrides = ["budget.epochs=1", "finetune.weight_decay=0", f"finetune.layer_decay={decay}"]
        checkpoint = finetune("qa", overrides=overrides, workspace=adapted.workspace)
        parent = load_file(adapted.workspace.checkpoints / "heart" / "v1" / "model.safetensors")
        own = load_file(checkpoint.folder / "model.safetensors")
        names = [f"roberta.encoder.layer.{layer}.attention.self.value.weight" for layer in (0, 1)]
        names.insert(0, "roberta.embeddings.word_embeddings.weight")
        return [abs(own[name] - parent[name]).max() for name in names]

    even, decayed = movement(1.0), movement(0.1)
    for power, before, after in zip((3, 2, 1), even, decayed, strict=True):
        assert after == pytest.approx(before * 0.1**power, rel=0.5)


def test_without_a_dev_part_contexts_are_held_out(adapted, caplog):
    caplog.set_level(logging.INFO, "domain_adapt")
    checkpoint = finetune(
        "qa", domain="nodev", start="heart", overrides=["budget.epochs=1"], workspace=adapted.workspace
    )
    found = re.search(r"no dev part given: (\d+) of 64 training examples are held out", caplog.text)
    statistics = checkpoint.manifest.corpus["statistics"]
    assert statistics["dev_examples"] == int(found.group(1)) >= 1
    assert statistics["train_examples"] == 64 - statistics["dev_examples"]
    assert checkpoint.ref == "nodev-qa@v1"


def test_files_of_the_users_own(adapted, monkeypatch):
    folder = adapted.workspace.tasks / "qa"
    monkeypatch.chdir(folder)
    checkpoint = finetune(
        "qa", train=["train.jsonl"], dev=["dev.jsonl"], overrides=["budget.epochs=1"], workspace=adapted.workspace
    )
    assert checkpoint.ref == "heart-qa@v1" and checkpoint.manifest.corpus["statistics"]["dev_examples"] == 20
    assert checkpoint.manifest.corpus["sources"][0]["licence"] == "unknown"
    with pytest.raises(DomainAdaptError, match="--dev without --train"):
        finetune("qa", dev=["dev.jsonl"], workspace=adapted.workspace)


def test_published_and_asked(adapted):
    checkpoint = finetune("qa", overrides=["budget.epochs=1"], workspace=adapted.workspace)
    answerer = QuestionAnswerer("heart-qa", device="cpu", workspace=adapted.workspace)
    assert answerer.folder == checkpoint.folder and answerer.settings.max_length == 32
    rows = [json.loads(line) for line in (adapted.workspace.tasks / "qa" / "dev.jsonl").read_text().splitlines()]
    found = answerer([row["question"] for row in rows], [row["context"] for row in rows])
    right = sum(one["answer"] == row["answers"]["text"][0] for one, row in zip(found, rows, strict=True))
    assert 100 * right / len(rows) == pytest.approx(checkpoint.manifest.metrics["dev/exact_match"])


def test_the_test_part_is_scored_once_and_decides_nothing(adapted, caplog, monkeypatch):
    caplog.set_level(logging.INFO, "domain_adapt")
    files = adapted.workspace.tasks / "qa"
    arguments = {"train": [files / "train.jsonl"], "dev": [files / "dev.jsonl"], "workspace": adapted.workspace}
    plain = finetune("qa", overrides=["budget.epochs=2"], name="plain", **arguments)
    scored = []
    logits = TaskInRun._logits

    def spy(self, features, part):
        scored.append((part, len(features)))
        return logits(self, features, part)

    monkeypatch.setattr(TaskInRun, "_logits", spy)
    rows = (files / "dev.jsonl").read_text().splitlines()[:8]
    (files / "test.jsonl").write_text("\n".join(rows))
    checkpoint = finetune("qa", test=[files / "test.jsonl"], overrides=["budget.epochs=2"], name="tested", **arguments)
    assert scored == [("dev", 20), ("dev", 20), ("test", 8)]
    found = checkpoint.manifest
    assert found.corpus["statistics"]["test_examples"] == 8
    assert {"test/exact_match", "test/f1"} <= set(found.metrics) and "test: exact_match" in caplog.text
    assert "F1, test part" in (checkpoint.folder / "README.md").read_text()
    assert found.metrics["dev/f1"] == plain.manifest.metrics["dev/f1"]
    weights = [load_file(one.folder / "model.safetensors") for one in (plain, checkpoint)]
    assert all((weights[0][key] == weights[1][key]).all() for key in weights[0])
    with pytest.raises(DomainAdaptError, match="--test without --train"):
        finetune("qa", test=[files / "test.jsonl"], workspace=adapted.workspace)


@pytest.mark.parametrize(("examples", "points"), [(100, 13.86), (140, 11.71), (768, 5.0)])
def test_smallest_difference_by_hand(examples, points):
    assert smallest_difference(examples) == pytest.approx(points, abs=0.005)


def test_a_small_dev_part_is_said_to_be_small(adapted, caplog):
    caplog.set_level(logging.INFO, "domain_adapt")
    finetune("qa", overrides=["budget.epochs=1"], workspace=adapted.workspace)
    assert "20 dev examples are few: two settings less than 31 points apart are not told apart (95 %)" in caplog.text


def test_a_name_that_cannot_be_published_is_told_before_training_and_not_after(adapted):
    with pytest.raises(DomainAdaptError, match="checkpoint name 'sqA': expected lower-case letters"):
        finetune("qa", name="sqA", workspace=adapted.workspace)
    assert adapted.leftovers == []
