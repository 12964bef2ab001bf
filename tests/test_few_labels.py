import json
import logging
import re

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForQuestionAnswering

from domain_adapt.errors import DomainAdaptError
from domain_adapt.finetune import finetune
from domain_adapt.labelled import load_data
from domain_adapt.predict import QuestionAnswerer
from domain_adapt.recipes import load_task
from domain_adapt.tasks import task_type
from tests.conftest import make_questions, write_jsonl


def weights(checkpoint):
    return load_file(checkpoint.folder / "model.safetensors")


def test_training_stops_when_the_dev_part_gets_no_better(adapted, caplog):
    caplog.set_level(logging.INFO, "domain_adapt")
    options = ["budget.epochs=9", "finetune.patience=2", "finetune.learning_rate=1e-12"]
    checkpoint = finetune("qa", overrides=options, workspace=adapted.workspace)
    assert "no better for 2 epochs: training ends here" in caplog.text
    assert re.findall(r"epoch (\d+):", caplog.text) == ["1", "2", "3"]
    assert checkpoint.manifest.metrics["train/best_epoch"] == 1


def test_every_fold_holds_out_other_examples_of_train_and_dev_together(adapted, caplog):
    caplog.set_level(logging.INFO, "domain_adapt")
    sizes = []
    for fold in range(3):
        options = ["budget.epochs=1", "finetune.folds=3", f"finetune.fold={fold}"]
        found = finetune("qa", overrides=options, workspace=adapted.workspace).manifest
        sizes.append((found.corpus["statistics"]["train_examples"], found.corpus["statistics"]["dev_examples"]))
    assert [train + dev for train, dev in sizes] == [84] * 3 and sum(dev for _, dev in sizes) == 84
    assert "fold 2 of 3: its examples are the dev part" in caplog.text


@pytest.mark.parametrize(("articles", "together"), [(12, True), (11, False)])
def test_folds_keep_articles_together_where_there_are_four_a_fold(adapted, tmp_path, articles, together):
    rows = [
        question | {"title": f"article {number % articles}"} for number, question in enumerate(make_questions(60, 0))
    ]
    recipe = load_task("qa", overrides=["finetune.folds=3"], workspace=adapted.workspace)
    data = load_data(recipe, task_type(recipe.values.type), None, [write_jsonl(tmp_path / "train.jsonl", rows)], [])
    train, dev = ({one.title for one in part.examples} for part in (data.train, data.dev))
    assert train | dev == {f"article {number}" for number in range(articles)}
    assert (not train & dev) == together


@pytest.mark.parametrize("keys", [["folds=1"], ["folds=3", "fold=3"]])
def test_folds_that_do_not_exist(adapted, keys):
    with pytest.raises(DomainAdaptError, match=r"expected finetune\.folds of 2 or more, and finetune\.fold below it"):
        finetune("qa", overrides=[f"finetune.{key}" for key in keys], workspace=adapted.workspace)


def test_adapters_are_merged_and_the_base_s_own_numbers_stay(adapted, caplog):
    caplog.set_level(logging.INFO, "domain_adapt")
    options = ["budget.epochs=1", "finetune.lora.rank=2", 'finetune.lora.targets=["query"]']
    checkpoint = finetune("qa", overrides=options, workspace=adapted.workspace)
    assert "low-rank adapters in 2 matrices" in caplog.text
    _, report = AutoModelForQuestionAnswering.from_pretrained(checkpoint.folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    start = load_file(adapted.workspace.checkpoints / "heart" / "v1" / "model.safetensors")
    for name, tensor in weights(checkpoint).items():
        if name in start:
            changed = not torch.equal(tensor, start[name])
            assert changed == name.endswith("query.weight"), name
            if changed:  # by a product of two matrices of rank 2
                assert torch.linalg.matrix_rank(tensor - start[name], atol=1e-5) <= 2


def test_layers_that_start_anew_and_gradual_unfreezing_train_and_publish(adapted):
    options = ["budget.epochs=1", "finetune.reinitialise_layers=1", "finetune.gradual_unfreezing=1.0"]
    checkpoint = finetune("qa", overrides=options, workspace=adapted.workspace)
    start = load_file(adapted.workspace.checkpoints / "heart" / "v1" / "model.safetensors")
    found = weights(checkpoint)
    # The embeddings would begin at the step behind the last one.
    same = {name for name in found if name in start and torch.equal(found[name], start[name])}
    assert any("embeddings" in name for name in same)
    assert not any(".layer.1." in name and name.endswith("dense.weight") for name in same)


def test_the_threshold_for_no_answer_is_chosen_on_dev_kept_in_the_model_and_used(adapted):
    for part in ("train", "dev"):
        path = adapted.workspace.tasks / "qa" / f"{part}.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows[::3]:
            row["answers"] = {"text": [], "answer_start": []}
        path.write_text("\n".join(map(json.dumps, rows)))
    checkpoint = finetune("qa", overrides=["budget.epochs=1"], workspace=adapted.workspace)
    metrics = checkpoint.manifest.metrics
    chosen = AutoModelForQuestionAnswering.from_pretrained(checkpoint.folder).config.no_answer_threshold
    answerer = QuestionAnswerer(checkpoint.folder)
    assert answerer.settings.no_answer_threshold == chosen
    found = answerer([row["question"] for row in rows], [row["context"] for row in rows])
    silent = [one["answer"] == "" for one, row in zip(found, rows, strict=True) if not row["answers"]["text"]]
    assert 100 * sum(silent) / len(silent) == pytest.approx(metrics["dev/no_answer_accuracy"])
    fixed = finetune(
        "qa",
        overrides=["budget.epochs=1", "question_answering.no_answer_threshold=-1000.0"],
        workspace=adapted.workspace,
    )
    assert fixed.manifest.metrics["dev/no_answer_accuracy"] == 0
    assert not hasattr(AutoModelForQuestionAnswering.from_pretrained(fixed.folder).config, "no_answer_threshold")
    assert QuestionAnswerer(fixed.folder).settings.no_answer_threshold == -1000
    assert metrics["dev/f1"] >= fixed.manifest.metrics["dev/f1"]
