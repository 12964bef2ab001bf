"""Multiple choice from the recipe to predictions, with the tiny model."""

import json
import logging

import numpy as np
import pytest
import torch
from transformers import AutoModelForMultipleChoice, AutoTokenizer

from domain_adapt.checkpoints import verify
from domain_adapt.errors import DomainAdaptError
from domain_adapt.finetune import finetune
from domain_adapt.predict import ChoiceAnswerer, load, predict_file

FAST = ["finetune.learning_rate=3e-3", "budget.epochs=2", "finetune.batch_size=8"]
RECIPE = """
name = "exam"
type = "multiple-choice"
[data.heart]
train = "train.jsonl"
dev = "dev.jsonl"
test = "test.jsonl"
licence = "CC0-1.0"
[multiple_choice]
max_length = 32
question = "stem"
answer = "key"
[runtime]
precision = "fp32"
threads = 1
device = "cpu"
"""
SIGNS = ["fever", "cough", "pain"]
OTHERS = ["a bond", "the market", "a coupon", "the committee", "the price", "second day"]


def make_rows(count, seed):
    """Two to four choices, of which the one sign of illness is right: by chance about 36 % are hit."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        choices = [str(one) for one in generator.choice(OTHERS, size=int(generator.integers(1, 4)), replace=False)]
        place = int(generator.integers(len(choices) + 1))
        choices.insert(place, str(generator.choice(SIGNS)))
        rows.append({"id": f"{seed}-{number}", "stem": "What had the patients?", "choices": choices, "key": place})
        rows[-1]["context"] = f"They were examined on day {number}."
    return rows


@pytest.fixture
def exam(adapted):
    folder = adapted.workspace.tasks / "exam"
    folder.mkdir(parents=True)
    (folder / "task.toml").write_text(RECIPE)
    for seed, (part, count) in enumerate({"train": 96, "dev": 30, "test": 40}.items()):
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in make_rows(count, seed)))
    return adapted


def test_exam(exam, tmp_path):
    checkpoint = finetune("exam", overrides=FAST, workspace=exam.workspace)
    verify(checkpoint)
    metrics = checkpoint.manifest.metrics
    assert metrics["dev/accuracy"] > 90 and metrics["test/accuracy"] > 90
    card = (checkpoint.folder / "README.md").read_text()
    assert "pipeline_tag: multiple-choice" in card and "accuracy, test part" in card
    answerer = load("heart-exam", device="cpu", workspace=exam.workspace)
    assert isinstance(answerer, ChoiceAnswerer) and answerer.settings.max_length == 32
    rows = make_rows(20, 9)
    columns = [[row[name] for row in rows] for name in ("stem", "choices", "context")]
    found = answerer(*columns)
    assert np.mean([one["choice"] == row["key"] for one, row in zip(found, rows, strict=True)]) > 0.9
    check_against_stock(checkpoint.folder, rows, found)
    alone = answerer(rows[3]["stem"], rows[3]["choices"], rows[3]["context"], batch_size=1)
    assert alone == {**found[3], "score": pytest.approx(found[3]["score"], abs=1e-5)}
    check_file(answerer, tmp_path)


def check_against_stock(folder, rows, found):
    """The scores are those that stock code gets from the published folder."""
    model = AutoModelForMultipleChoice.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for row, one in zip(rows, found, strict=True):
        choices = row["choices"]
        encoded = tokenizer(
            [f"{row['context']} {row['stem']}"] * len(choices), choices, padding=True, return_tensors="pt"
        )
        with torch.no_grad():
            logits = model(**{name: value.unsqueeze(0) for name, value in encoded.items()}).logits[0]
        assert one["choice"] == logits.argmax() and one["answer"] == choices[one["choice"]]
        assert one["score"] == pytest.approx(logits.softmax(0).max().item(), abs=1e-5)


def check_file(answerer, folder):
    rows = [
        {"id": "x", "question": "What had the patients?", "choices": ["a bond", "fever"]},
        {"question": "What had the patients?", "choices": ["pain", "a coupon", "the market"], "context": "In May."},
    ]
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert predict_file(answerer, folder / "in.jsonl", folder / "out.jsonl") == 2
    written = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [list(row) for row in written] == [["id", "question", "choice", "answer", "score"]] * 2
    assert [(row["id"], row["choice"], row["answer"]) for row in written] == [("x", 1, "fever"), (2, 0, "pain")]
    (folder / "in.jsonl").write_text(json.dumps(rows[0]) + '\n{"question": "Who?", "choices": ["a"]}\n')
    with pytest.raises(DomainAdaptError, match=r"in.jsonl:2: expected two or more choices"):
        predict_file(answerer, folder / "in.jsonl", folder / "out.jsonl")
    for arguments, message in (
        (("Who?", ["a", "a"]), r"item 0: the choices 'choices\[0\]' and 'choices\[1\]' are the same"),
        ((["Who?", " "], [["a", "b"], ["a", "b"]]), "item 1: field 'question' is blank"),
        ((["Who?"], ["a", "b"]), "1 questions, 2 lists of choices and 1 contexts"),
        ((["Who?"], ["ab"]), "item 0: field 'choices': expected a list of texts"),
    ):
        with pytest.raises(DomainAdaptError, match=message):
            answerer(*arguments)
    assert answerer([], []) == []


def test_frozen_layers_adapters_and_smoothing(exam, caplog):
    """Frozen states are not kept for examples of several rows, which a line says."""
    caplog.set_level(logging.INFO, "domain_adapt")
    more = ["finetune.freeze={embeddings = true, layers = 1}", "finetune.dropout=0.0", "finetune.label_smoothing=0.1"]
    overrides = [*FAST[:1], "budget.epochs=2", *more]
    finetune("exam", overrides=overrides, workspace=exam.workspace)
    assert (
        "computed in every step: a training example is several rows of the encoder, one for each choice" in caplog.text
    )
    with_adapters = [*overrides, "finetune.lora.rank=2"]
    checkpoint = finetune("exam", overrides=with_adapters, name="thin", workspace=exam.workspace)
    AutoModelForMultipleChoice.from_pretrained(checkpoint.folder)


def test_a_model_for_another_task_is_refused(exam):
    with pytest.raises(DomainAdaptError, match=r"is not a multiple-choice model: it has no classifier"):
        ChoiceAnswerer("heart", workspace=exam.workspace)
