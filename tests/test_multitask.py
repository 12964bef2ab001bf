"""Several tasks on one encoder, from the recipes to predictions, with the tiny model."""

import json
import logging
import signal
import sys

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForQuestionAnswering, AutoModelForTokenClassification

from domain_adapt import cli
from domain_adapt.checkpoints import CheckpointStore, verify
from domain_adapt.errors import DomainAdaptError, Stopped
from domain_adapt.finetune import finetune
from domain_adapt.multitask import finetune_multitask
from domain_adapt.predict import load

FAST = ["finetune.learning_rate=3e-3", "budget.epochs=4", "finetune.batch_size=8"]


@pytest.fixture
def two(adapted):
    """The task qa, and one in which every mention of fever is tagged."""
    folder = adapted.workspace.tasks / "terms"
    folder.mkdir(parents=True)
    for part, count in (("train", 24), ("dev", 8), ("test", 6)):
        rows = []
        for number in range(count):
            text = f"the patients {number} with fever and the heart muscle"
            at = text.index("fever")
            entities = [{"start": at, "end": at + 5, "label": "disease"}]
            rows.append({"id": f"{part}{number}", "text": text, "entities": entities})
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parts = "\n".join(f'{part} = "{part}.jsonl"' for part in ("train", "dev", "test"))
    (folder / "task.toml").write_text(
        f'name = "terms"\ntype = "token-classification"\n[data.heart]\n{parts}\nlicence = "MIT"\n'
        "[budget]\nepochs = 1\n[finetune]\nlabel_smoothing = 0.01\n"
    )
    return adapted


def encoder_of(checkpoint):
    tensors = load_file(checkpoint.folder / "model.safetensors")
    return {name.removeprefix("roberta."): value for name, value in tensors.items() if ".layer." in name}


def test_a_stock_checkpoint_for_each_task_and_the_encoder(two, caplog):
    caplog.set_level(logging.INFO, "domain_adapt")
    found = finetune_multitask(["qa", "terms"], overrides=FAST, workspace=two.workspace)
    assert {key: one.ref for key, one in found.items()} == {
        "qa": "heart-multitask-qa@v1",
        "terms": "heart-multitask-terms@v1",
        "encoder": "heart-multitask-encoder@v1",
    }
    assert two.leftovers == []
    for one, auto in zip(
        found.values(), (AutoModelForQuestionAnswering, AutoModelForTokenClassification, AutoModel), strict=True
    ):
        verify(one)
        _, report = auto.from_pretrained(one.folder, output_loading_info=True)
        assert not report["unexpected_keys"] and {key.split(".")[0] for key in report["missing_keys"]} <= {"pooler"}
    # One encoder in all three, and not the one it started from.
    qa, terms, encoder = (encoder_of(one) for one in found.values())
    assert qa.keys() == terms.keys() == encoder.keys()
    assert all(torch.equal(qa[name], terms[name]) and torch.equal(qa[name], encoder[name]) for name in qa)
    start = encoder_of(CheckpointStore(two.workspace.checkpoints).find("heart@v1"))
    assert not any(torch.equal(qa[name], start[name]) for name in qa if name.endswith("dense.weight"))
    # What each of them says of itself.
    metrics = found["terms"].manifest.metrics
    assert metrics["dev/f1"] == 100.0 and "test/f1" in metrics
    assert found["encoder"].manifest.metrics["dev/terms_f1"] == 100.0
    assert verify(found["encoder"], deep=True) == []
    for one in found.values():
        corpus = one.manifest.corpus
        assert [source["name"] for source in corpus["sources"]] == ["qa data of heart", "terms data of heart"]
    assert found["terms"].manifest.corpus["statistics"]["train_examples"] == 24
    own = found["terms"].manifest.recipe
    assert own["budget"]["epochs"] == 4 and own["finetune"]["label_smoothing"] == 0.01
    assert "epoch 4: qa exact_match" in caplog.text and "epoch 4: terms precision" in caplog.text
    card = (found["encoder"].folder / "README.md").read_text()
    assert "pipeline_tag: feature-extraction" in card and "An encoder: `heart@v1`, trained further on heart" in card
    assert "AutoModel.from_pretrained(folder)" in card and "the task `None`" not in card
    # They predict, and the encoder can be trained further.
    tagger = load("heart-multitask-terms", device="cpu", workspace=two.workspace)
    assert [one["label"] for one in tagger("the patients 3 with fever and the heart muscle")] == ["disease"]
    again = finetune("terms", start="heart-multitask-encoder", overrides=FAST[:1], workspace=two.workspace)
    assert again.manifest.parent.name == "heart-multitask-encoder@v1"
    with pytest.raises(DomainAdaptError, match="heart-multitask-encoder"):
        load("heart-multitask-encoder", device="cpu", workspace=two.workspace)


def test_the_same_again_is_up_to_date_and_another_order_is_another_run(two, caplog):
    overrides = [*FAST, "budget.epochs=1"]
    first = finetune_multitask(["qa", "terms"], overrides=overrides, workspace=two.workspace)
    caplog.set_level(logging.INFO, "domain_adapt")
    again = finetune_multitask(["qa", "terms"], overrides=overrides, workspace=two.workspace)
    assert {key: one.ref for key, one in again.items()} == {key: one.ref for key, one in first.items()}
    assert caplog.text.count("is up to date") == 3
    forced = finetune_multitask(["qa", "terms"], overrides=overrides, force=True, workspace=two.workspace)
    assert all(one.ref.endswith("@v2") for one in forced.values())
    for key, one in forced.items():
        assert one.manifest.files["model.safetensors"] == first[key].manifest.files["model.safetensors"]
    other = finetune_multitask(["terms", "qa"], overrides=overrides, workspace=two.workspace)
    assert list(other) == ["terms", "qa", "encoder"] and other["qa"].ref.endswith("@v3")


def test_an_interrupted_run_goes_on_to_the_same_weights(two):
    arguments = {"overrides": [*FAST, "runtime.save_seconds=0"], "workspace": two.workspace}
    whole = finetune_multitask(["qa", "terms"], **arguments)
    stops = []

    def stop(frame, event, argument):
        if event == "call" and frame.f_code.co_name == "_save_state":
            stops.append(1)
            if len(stops) == 7:
                signal.raise_signal(signal.SIGINT)

    sys.setprofile(stop)
    try:
        with pytest.raises(Stopped):
            finetune_multitask(["qa", "terms"], force=True, **arguments)
    finally:
        sys.setprofile(None)
    resumed = finetune_multitask(["qa", "terms"], name="resumed", **arguments)
    assert resumed["qa"].ref == "resumed-qa@v1"
    for key, one in resumed.items():
        assert one.manifest.files["model.safetensors"] == whole[key].manifest.files["model.safetensors"]


def test_what_a_killed_process_has_published_is_not_published_twice(two, monkeypatch):
    import domain_adapt.multitasking as module

    overrides = [*FAST, "budget.epochs=1"]

    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.Multitasking, "_publish_encoder", fail)
        with pytest.raises(KeyboardInterrupt):
            finetune_multitask(["qa", "terms"], overrides=overrides, workspace=two.workspace)
    assert set(two.published) == {"heart@v1", "heart-multitask-qa@v1", "heart-multitask-terms@v1"}
    found = finetune_multitask(["qa", "terms"], overrides=overrides, workspace=two.workspace)
    assert [one.ref.split("@")[1] for one in found.values()] == ["v1", "v1", "v1"]


def test_a_masked_lm_loss_beside_the_tasks(two, caplog, tmp_path, monkeypatch):
    caplog.set_level(logging.INFO, "domain_adapt")
    kept = []
    import domain_adapt.multitasking as module

    train = module.Multitasking._train

    def keep(self, *args):
        totals = train(self, *args)
        kept.extend(json.loads(line) for line in (self._run.folder / "metrics.jsonl").read_text().splitlines())
        return totals

    monkeypatch.setattr(module.Multitasking, "_train", keep)
    options = ["multitask.mlm_weight=0.5", "multitask.mlm_block_size=16"]
    found = finetune_multitask(["qa", "terms"], overrides=[*FAST, *options], workspace=two.workspace)
    assert "masked-LM loss on" in caplog.text
    assert {tuple(key for key in row if "/" in key) for row in kept} == {("mlm/mlm",), ("qa/span",), ("terms/tag",)}
    for row in kept:
        if "mlm/mlm" in row:
            assert row["loss"] == pytest.approx(0.5 * row["mlm/mlm"])
    first, *_, last = [row["mlm/mlm"] for row in kept if "mlm/mlm" in row]
    assert last < first
    # The LM head is nobody's business: the files are those of a stock model.
    names = load_file(found["qa"].folder / "model.safetensors")
    assert not any("lm_head" in name for name in names)
    alone = finetune_multitask(["terms"], overrides=[*FAST, *options], workspace=two.workspace)
    assert list(alone) == ["terms", "encoder"]


def test_adapters_of_the_shared_encoder_are_merged(two):
    overrides = [*FAST, "budget.epochs=1", "finetune.lora.rank=2", 'finetune.lora.targets=["query"]']
    found = finetune_multitask(["qa", "terms"], overrides=overrides, workspace=two.workspace)
    qa, terms, _ = (encoder_of(one) for one in found.values())
    start = encoder_of(CheckpointStore(two.workspace.checkpoints).find("heart@v1"))
    assert qa.keys() == start.keys()
    for name, value in qa.items():
        assert torch.equal(value, terms[name])
        assert torch.equal(value, start[name]) != name.endswith("query.weight"), name


@pytest.mark.parametrize(
    ("tasks", "options", "message"),
    [
        (["qa"], [], "multitask: expected two or more tasks, or multitask.mlm_weight above 0"),
        ([], [], "multitask: expected two or more tasks"),
        (["qa", "qa"], [], "task qa: name: another part of this multitask run is called so"),
        (["qa", "term"], [], "task 'term'"),
        (["qa", "terms"], ["finetune.folds=2"], r"finetune\.folds: there is no cross-validation of several tasks"),
        (["qa", "terms"], ["finetune.batch_size_start=2"], r"finetune\.batch_size_start: a batch does not grow"),
        (["qa", "terms"], ["multitask.size_exponent=2"], r"multitask\.size_exponent"),
    ],
)
def test_what_cannot_be(two, tasks, options, message):
    with pytest.raises(DomainAdaptError, match=message):
        finetune_multitask(tasks, overrides=options, workspace=two.workspace)
    assert two.published == ["heart@v1"]


@pytest.fixture
def run(two, monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.chdir(two.root)
        monkeypatch.setattr("domain_adapt.cli_finetune.prepare_process", lambda: None)
        monkeypatch.setattr(sys, "argv", ["domain-adapt", "finetune", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run


def test_on_the_command_line(run, two):
    options = [part for override in [*FAST, "budget.epochs=1"] for part in ("--set", override)]
    code, out, err = run("qa", "terms", "--multitask", "--seeds", "2", *options)
    assert code == 0, err
    assert set(two.published) == {"heart@v1"} | {
        f"heart-multitask-{key}@v{version}" for key in ("qa", "terms", "encoder") for version in (1, 2)
    }
    assert any(line.startswith("qa dev/f1") for line in out.splitlines())
    assert any(line.startswith("terms test/f1") for line in out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("qa", "terms"), "expected one task (found qa, terms)"),
        (("qa", "terms", "--multitask", "--folds", "2"), "--folds with --multitask"),
        (("qa", "terms", "--multitask", "--train", "x.jsonl"), "--train with --multitask"),
    ],
)
def test_options_that_do_not_go_together(run, arguments, message):
    code, _, err = run(*arguments)
    assert code == 2 and message in err and "hint:" in err
