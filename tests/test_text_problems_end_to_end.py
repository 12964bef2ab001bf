"""Pairs of texts, several labels and numbers from the recipe to predictions, with the tiny model."""

import io
import json

import pytest
from transformers import AutoModelForSequenceClassification

from domain_adapt.errors import DomainAdaptError
from domain_adapt.finetune import finetune
from domain_adapt.predict import load, predict_file, predict_stream

FAST = ["finetune.learning_rate=3e-3", "finetune.dropout=0.0", "budget.epochs=16", "finetune.batch_size=8"]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def make_task(project, table, row_of):
    """Writes a task whose rows are made by ``row_of(number)``."""
    folder = project.workspace.tasks / "made"
    folder.mkdir(parents=True)
    (folder / "task.toml").write_text(
        'name = "made"\ntype = "text-classification"\n[data.heart]\ntrain = "train.jsonl"\ndev = "dev.jsonl"\n'
        f"[text_classification]\n{table}\n"
    )
    for part, count in (("train", 48), ("dev", 12)):
        write(folder / f"{part}.jsonl", [row_of(number) for number in range(count)])
    return finetune("made", overrides=FAST, workspace=project.workspace)


def test_a_pair_of_texts_in_columns_of_other_names(adapted, tmp_path):
    """The second text decides."""

    def row(number):
        words = ["fever", "bond"]
        first, second = words[number % 2], words[number // 2 % 2]
        answer = "yes" if second == "fever" else "no"
        return {
            "question": f"the {first} {number}",
            "context": {"parts": ["a day", f"the {second}"]},
            "decision": answer,
        }

    table = 'text = "question"\ntext_pair = "context.parts"\nlabel = "decision"'
    checkpoint = make_task(adapted, table, row)
    assert checkpoint.manifest.metrics["dev/accuracy"] > 80
    classifier = load("heart-made", device="cpu", workspace=adapted.workspace)
    assert classifier.columns == ("question", "context.parts") and classifier.options == ("--text", "--text-pair")
    found = classifier("the fever 1", "a day the fever")
    assert set(found) == {"label", "score"}
    assert classifier(["the fever 1"] * 2, ["a day the fever", "a day the bond"])[0] == pytest.approx(found)
    with pytest.raises(DomainAdaptError, match="1 texts but 2 second texts"):
        classifier(["a"], ["b", "c"])


def test_several_labels(adapted):
    def row(number):
        labels = [name for bit, name in enumerate(("fever", "bond")) if number >> bit & 1]
        return {"text": " ".join([*labels, "pain", str(number)]), "label": labels}

    checkpoint = make_task(adapted, 'problem = "multi-label"', row)
    assert checkpoint.manifest.metrics["dev/macro_f1"] > 70  # giving every text both labels: 67
    assert {"dev/micro_f1", "dev/exact_match"} <= set(checkpoint.manifest.metrics)
    config = AutoModelForSequenceClassification.from_pretrained(checkpoint.folder).config
    assert config.problem_type == "multi_label_classification" and config.id2label == {0: "bond", 1: "fever"}
    found = load("heart-made", device="cpu", workspace=adapted.workspace)(["pain 3", "fever bond pain 3"])
    for one in found:
        assert one["labels"] == tuple(label for label in ("bond", "fever") if one["scores"][label] >= 0.5)
    assert found[1]["scores"]["fever"] > found[0]["scores"]["fever"]


def test_a_number_of_any_unit(adapted):
    """From 900 to 1100: a head that started at 0 would not be there after some 50 steps."""

    def row(number):
        count = number % 3
        return {"text": " ".join(["the day", *["fever"] * count, str(number)]), "label": 900.0 + 100 * count}

    checkpoint = make_task(adapted, 'problem = "regression"', row)
    metrics = checkpoint.manifest.metrics
    assert metrics["dev/spearman"] > 90 and metrics["dev/rmse"] < 40
    assert AutoModelForSequenceClassification.from_pretrained(checkpoint.folder).config.problem_type == "regression"
    low, high = load("heart-made", device="cpu", workspace=adapted.workspace)(["the day 3", "the day fever fever 3"])
    assert low["value"] == pytest.approx(900, abs=60) and high["value"] == pytest.approx(1100, abs=60)
    again = finetune(
        "made",
        start="heart-made",
        overrides=["finetune.learning_rate=1e-12"],
        name="again",
        workspace=adapted.workspace,
    )
    assert again.manifest.metrics["dev/rmse"] == pytest.approx(metrics["dev/rmse"], rel=1e-3)  # its head is kept


def test_rows_from_a_stream_and_from_a_table(adapted, tmp_path):
    make_task(adapted, "", lambda number: {"text": f"{('fever', 'bond')[number % 2]} {number}", "label": number % 2})
    classifier = load("heart-made", device="cpu", workspace=adapted.workspace)
    output = io.StringIO()
    lines = ['{"text": "fever 1"}\n', "\n", '{"id": "x", "text": "bond 1"}\n']
    assert predict_stream(classifier, lines, output) == 2
    streamed = [json.loads(line) for line in output.getvalue().splitlines()]
    assert [row["id"] for row in streamed] == [1, "x"]
    (tmp_path / "in.csv").write_text("id,text\n1,fever 1\nx,bond 1\n")
    predict_file(classifier, tmp_path / "in.csv", tmp_path / "out.jsonl")
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["label"] for row in written] == [row["label"] for row in streamed]
    for bad, message in (("{", "stdin:2: not valid JSON"), ("{}", "stdin:2: field 'text' is missing")):
        with pytest.raises(DomainAdaptError, match=message):
            predict_stream(classifier, [lines[0], bad], io.StringIO())
