"""Classification and tagging from the recipe to predictions, with the tiny model."""

import json

import pytest
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from domain_adapt.checkpoints import verify
from domain_adapt.errors import DomainAdaptError
from domain_adapt.finetune import finetune
from domain_adapt.fingerprint import hash_file
from domain_adapt.predict import EntityTagger, TextClassifier, load, predict_file

FAST = ["finetune.learning_rate=3e-3", "budget.epochs=8", "finetune.batch_size=8"]


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def recipe(project, name, kind):
    folder = project.workspace.tasks / name
    folder.mkdir(parents=True)
    parts = "\n".join(f'{part} = "{part}.jsonl"' for part in ("train", "dev", "test"))
    (folder / "task.toml").write_text(f'name = "{name}"\ntype = "{kind}"\n[data.heart]\n{parts}\nlicence = "CC0-1.0"\n')
    return folder


@pytest.fixture
def topics(adapted):
    """A task in which the words fever and bond decide."""
    folder = recipe(adapted, "topics", "text-classification")
    fillers = ["the second day", "the patients and the market", "a cough", "when the price falls", "in the chest"]
    for part, count in (("train", 40), ("dev", 10), ("test", 10)):
        rows = []
        for number in range(count):
            word, label = (("fever", "medicine"), ("bond", "finance"))[number % 2]
            rows.append({"id": f"{part}{number}", "text": f"{fillers[number % 5]} {word} {number}", "label": label})
        write(folder / f"{part}.jsonl", rows)
    return adapted


@pytest.fixture
def terms(adapted):
    """A task in which every mention of heart muscle and of fever is tagged."""
    folder = recipe(adapted, "terms", "token-classification")
    for part, count in (("train", 40), ("dev", 10), ("test", 10)):
        rows = []
        for number in range(count):
            text = f"the patients {number} with fever and the heart muscle"
            spans = [(text.index("fever"), "fever", "disease"), (text.index("heart"), "heart muscle", "anatomy")]
            entities = [{"start": at, "end": at + len(word), "label": label} for at, word, label in spans]
            rows.append({"id": f"{part}{number}", "text": text, "entities": entities})
        write(folder / f"{part}.jsonl", rows)
    return adapted


def test_topics(topics, tmp_path):
    checkpoint = finetune("topics", overrides=FAST, workspace=topics.workspace)
    verify(checkpoint)
    assert checkpoint.ref == "heart-topics@v1"
    metrics = checkpoint.manifest.metrics
    assert metrics["dev/macro_f1"] == 100.0 and {"test/accuracy", "test/macro_f1", "test/mcc"} <= set(metrics)
    assert 0 <= metrics["dev/ece"] <= 100 and 0 <= metrics["test/ece"] <= 100
    assert hash_file(checkpoint.folder / "reliability.png") == checkpoint.manifest.files["reliability.png"]
    stock = AutoModelForSequenceClassification.from_pretrained(checkpoint.folder)
    assert stock.config.id2label == {0: "finance", 1: "medicine"}
    card = (checkpoint.folder / "README.md").read_text()
    assert "pipeline_tag: text-classification" in card and "macro F1, test part" in card
    assert "(reliability.png)" in card and "expected calibration error (lower is better), test part" in card
    classifier = load("heart-topics", device="cpu", workspace=topics.workspace)
    assert isinstance(classifier, TextClassifier) and classifier.labels == ("finance", "medicine")
    found = classifier(["a cough fever", "the price bond"])
    assert [one["label"] for one in found] == ["medicine", "finance"] and all(0.5 < one["score"] <= 1 for one in found)
    assert classifier("a cough fever")["label"] == "medicine"
    write(tmp_path / "in.jsonl", [{"id": "x", "text": "a cough fever"}, {"text": "bond"}])
    assert predict_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.jsonl") == 2
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["id"], row["label"]) for row in rows] == [("x", "medicine"), (2, "finance")]
    with pytest.raises(DomainAdaptError, match="item 1: text is blank"):
        classifier(["fever", " "])


def test_without_a_test_part_the_plot_is_of_the_dev_part(topics, monkeypatch):
    seen = []

    def draw(found, title):
        seen.append((found, title))
        return b"drawn"

    monkeypatch.setattr("domain_adapt.tasks.text_classification.decoding.reliability_plot", draw)
    folder = topics.workspace.tasks / "topics"
    files = {"train": [folder / "train.jsonl"], "dev": [folder / "dev.jsonl"]}
    checkpoint = finetune("topics", **files, overrides=[*FAST, "budget.epochs=1"], workspace=topics.workspace)
    ((found, title),) = seen
    assert title == f"{checkpoint.name}, dev part" and found.counts.sum() == 10
    assert found.error == pytest.approx(checkpoint.manifest.metrics["dev/ece"])
    assert (checkpoint.folder / "reliability.png").read_bytes() == b"drawn"
    assert not any(key.startswith("test/") for key in checkpoint.manifest.metrics)


def test_terms(terms, tmp_path):
    checkpoint = finetune("terms", overrides=FAST, workspace=terms.workspace)
    verify(checkpoint)
    metrics = checkpoint.manifest.metrics
    assert metrics["dev/f1"] == 100.0 and {"test/precision", "test/recall", "test/f1"} <= set(metrics)
    stock = AutoModelForTokenClassification.from_pretrained(checkpoint.folder)
    assert list(stock.config.id2label.values()) == ["O", "B-anatomy", "I-anatomy", "B-disease", "I-disease"]
    card = (checkpoint.folder / "README.md").read_text()
    assert "pipeline_tag: token-classification" in card and "reliability" not in card
    assert not list(checkpoint.folder.glob("*.png"))
    tagger = load(checkpoint.folder, device="cpu")
    assert isinstance(tagger, EntityTagger)
    text = "the patients 3 with fever and the heart muscle"
    assert tagger(text) == [
        {"start": 20, "end": 25, "label": "disease", "text": "fever"},
        {"start": 34, "end": 46, "label": "anatomy", "text": "heart muscle"},
    ]
    write(tmp_path / "in.jsonl", [{"text": text}])
    predict_file(tagger, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    (row,) = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert row["id"] == 1 and [one["text"] for one in row["entities"]] == ["fever", "heart muscle"]


def test_a_label_only_in_dev_is_named_with_its_line(topics):
    path = topics.workspace.tasks / "topics" / "dev.jsonl"
    path.write_text(path.read_text() + json.dumps({"id": "new", "text": "law", "label": "law"}) + "\n")
    with pytest.raises(DomainAdaptError, match=r"dev.jsonl:11: label 'law' does not occur in the training data"):
        finetune("topics", overrides=FAST, workspace=topics.workspace)


def test_a_model_for_another_task_is_refused(topics):
    finetune("topics", overrides=[*FAST[:2], "budget.epochs=1"], workspace=topics.workspace)
    with pytest.raises(DomainAdaptError, match="is not a token-classification model"):
        EntityTagger("heart-topics", workspace=topics.workspace)
    with pytest.raises(DomainAdaptError, match="RobertaForMaskedLM is not fine-tuned for a task"):
        load("heart", workspace=topics.workspace)
