"""ONNX files against the stock models they came from."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from domain_adapt.checkpoints import Checkpoint, CheckpointStore
from domain_adapt.errors import DomainAdaptError
from domain_adapt.exporting import answer_questions, comparing, export_onnx, onnx_file
from domain_adapt.exporting.onnx_model import OnnxModel
from domain_adapt.exporting.subject import load_subject
from domain_adapt.fingerprint import hash_file
from domain_adapt.predict import QuestionAnswerer
from domain_adapt.workspace import Workspace
from tests.conftest import SENTENCES, Project, make_questions

onnx = pytest.importorskip("onnx", reason="an extra")
onnxruntime = pytest.importorskip("onnxruntime", reason="an extra")
Publish = Callable[[str], Checkpoint]

STOCK = {
    "fill-mask": ("AutoModelForMaskedLM", ["logits"]),
    "feature-extraction": ("AutoModel", ["last_hidden_state"]),
    "question-answering": ("AutoModelForQuestionAnswering", ["start_logits", "end_logits"]),
    "multiple-choice": ("AutoModelForMultipleChoice", ["logits"]),
    "text-classification": ("AutoModelForSequenceClassification", ["logits"]),
    "token-classification": ("AutoModelForTokenClassification", ["logits"]),
}


def real_inputs(folder: Path, kind: str, count: int) -> dict[str, torch.Tensor]:
    """Tokenised sentences of unlike lengths, padded; as three choices each for multiple choice."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    texts = [" ".join(SENTENCES[: 1 + number]) for number in range(count)]
    batch = tokenizer(texts, padding=True, truncation=True, max_length=100, return_tensors="pt")
    if kind != "multiple-choice":
        return dict(batch)
    return {name: torch.stack([value, value.flip(0), value], dim=1) for name, value in batch.items()}


@pytest.mark.parametrize("kind", STOCK)
def test_every_kind_says_what_the_stock_model_says_at_any_size(
    kind: str, checkpoint_of: Publish, adapted: Project, tmp_path: Path
) -> None:
    checkpoint = checkpoint_of(kind)
    about = export_onnx(checkpoint.ref, tmp_path / "out", workspace=adapted.workspace)
    auto, outputs = STOCK[kind]
    stock = getattr(transformers, auto).from_pretrained(checkpoint.folder).eval()
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx", providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_outputs()] == outputs
    assert {one.name for one in session.get_inputs()} == {"input_ids", "attention_mask"}
    for count in (1, 2, 7):
        inputs = real_inputs(checkpoint.folder, kind, count)
        with torch.inference_mode():
            expected = stock(**inputs)
        found = session.run(outputs, {name: value.numpy() for name, value in inputs.items()})
        for name, values in zip(outputs, found, strict=True):
            np.testing.assert_allclose(values, expected[name].numpy(), atol=1e-4)
    assert about["kind"] == kind
    assert about["against_pytorch"]["max_difference"] <= 1e-4 < about["against_pytorch"]["largest_output"]


def test_a_model_with_segments_is_given_them(tiny_wordpiece: Path, tmp_path: Path, adapted: Project) -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tiny_wordpiece)
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    heart = CheckpointStore(adapted.workspace.checkpoints).find("heart")

    def fill(folder: Path) -> None:
        BertForMaskedLM(config).save_pretrained(folder)
        onnx_file.save_tokenizer(tokenizer, folder)

    made = CheckpointStore(adapted.workspace.checkpoints).publish(
        "bert",
        fill,
        lambda version, files: heart.manifest.model_copy(update={"name": "bert", "version": version, "files": files}),
    )
    assert export_onnx(made.ref, tmp_path / "out", workspace=adapted.workspace)["inputs"] == [
        "input_ids",
        "token_type_ids",
        "attention_mask",
    ]
    model = OnnxModel(tmp_path / "out" / "model.onnx")
    inputs = tokenizer("the fever", "the bond", return_tensors="pt")
    first, second = (
        model(**{**inputs, "token_type_ids": torch.full_like(inputs["input_ids"], segment)}).logits
        for segment in (0, 1)
    )
    assert not torch.allclose(first, second, atol=1e-3)


def test_the_folder_says_what_it_is_and_serves_stock_code(
    checkpoint_of: Publish, adapted: Project, tmp_path: Path
) -> None:
    checkpoint = checkpoint_of("text-classification")
    about = export_onnx(checkpoint.ref, tmp_path / "out", workspace=adapted.workspace)
    folder = tmp_path / "out"
    assert json.loads((folder / "export.json").read_text()) == about
    assert (about["checkpoint"], about["checkpoint_sha256"]) == ("text-classification@v1", checkpoint.sha256)
    present = {path.name for path in folder.iterdir()}
    assert present == {"model.onnx", "config.json", "tokenizer.json", "tokenizer_config.json", "export.json"}
    assert about["files"] == {name: hash_file(folder / name) for name in present - {"export.json"}}
    assert "int8" not in about
    config = transformers.AutoConfig.from_pretrained(folder)
    assert config.id2label == {0: "law", 1: "medicine"}
    onnx.checker.check_model(onnx.load(folder / "model.onnx"))


def test_answers_are_those_of_pytorch(checkpoint_of: Publish, adapted: Project, tmp_path: Path) -> None:
    checkpoint = checkpoint_of("question-answering")
    export_onnx(checkpoint.ref, tmp_path / "out", workspace=adapted.workspace)
    rows = make_questions(30, 5)
    questions = [row["question"] for row in rows]
    contexts = [row["context"] * (1 + 5 * (number % 3)) for number, row in enumerate(rows)]  # several windows, too
    expected = QuestionAnswerer(checkpoint.ref, device="cpu", workspace=adapted.workspace)(questions, contexts)
    found = answer_questions(tmp_path / "out", questions, contexts)
    assert [(one.text, one.start, one.end) for one in found] == [
        (one["answer"], one["start"], one["end"]) for one in expected
    ]
    assert len({one.text for one in found}) > 5
    with pytest.raises(DomainAdaptError, match=r"export\.json: cannot be read"):
        answer_questions(checkpoint.folder, questions, contexts)


@pytest.mark.parametrize("kind", ["question-answering", "multiple-choice"])
def test_int8_is_measured_on_the_tasks_own_data(
    kind: str, checkpoint_of: Publish, adapted: Project, tmp_path: Path
) -> None:
    about = export_onnx(checkpoint_of(kind).ref, tmp_path / "out", int8=True, workspace=adapted.workspace)
    folder = tmp_path / "out"
    assert {"MatMulInteger", "DynamicQuantizeLinear"} <= {
        node.op_type for node in onnx.load(folder / "model_int8.onnx").graph.node
    }
    assert (folder / "model_int8.onnx").stat().st_size < 0.6 * (folder / "model.onnx").stat().st_size
    measured = about["int8"]["on_own_data"]
    assert measured["part"] == "dev" and measured["same_data_as_trained_on"]
    assert measured["examples"] == {"question-answering": 20, "multiple-choice": 8}[kind]
    assert 1e-4 < about["int8"]["against_pytorch"]["max_difference"] < 5  # that is what 8 bits cost
    assert 0 < measured["max_difference"] < 5
    assert measured["metrics"]["float32"].keys() == measured["metrics"]["int8"].keys()


def test_agreement_and_metrics_are_what_they_say(checkpoint_of: Publish, adapted: Project) -> None:
    """A model that always says the opposite agrees never, and is right where the first is wrong."""
    from domain_adapt.exporting.quality import measure_loss

    subject = load_subject(checkpoint_of("text-classification").ref, adapted.workspace)

    class Opposite(torch.nn.Module):
        def forward(self, **inputs: Any) -> Any:
            found = subject.model(**inputs)
            found.logits = found.logits.flip(1)
            return found

    same = measure_loss(subject, subject.model, adapted.workspace)
    opposite = measure_loss(subject, Opposite(), adapted.workspace)
    assert same is not None and opposite is not None
    assert (same["agreement"], same["max_difference"], opposite["agreement"]) == (100.0, 0.0, 0.0)
    metrics = opposite["metrics"]
    assert metrics["int8"]["accuracy"] == pytest.approx(100 - metrics["float32"]["accuracy"])
    assert same["metrics"]["int8"] == metrics["float32"]


def test_int8_of_a_masked_lm_is_measured_on_held_out_text(
    checkpoint_of: Publish, adapted: Project, tmp_path: Path
) -> None:
    subject = load_subject("heart", adapted.workspace)
    about = export_onnx("heart", tmp_path / "out", int8=True, workspace=adapted.workspace)
    measured = about["int8"]["on_own_data"]
    assert measured["part"] == "held-out text" and measured["same_data_as_trained_on"]
    # The figure of the manifest, found anew.
    assert measured["metrics"]["float32"]["mlm_loss"] == pytest.approx(
        subject.checkpoint.manifest.metrics["heldout/mlm_loss"], abs=1e-4
    )
    assert measured["examples"] > 5
    empty = Workspace(tmp_path / "elsewhere")  # nothing prepared, no recipe: the folder of a checkpoint alone
    again = export_onnx(subject.checkpoint.folder, tmp_path / "again", int8=True, workspace=empty)
    assert again["int8"]["on_own_data"] is None


def test_a_file_that_says_something_else_is_not_exported(
    checkpoint_of: Publish, adapted: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = onnx_file.write_graph

    def wrong(subject: Any, path: Path) -> None:
        write(subject, path)
        subject.model.lm_head.bias.data[7] += 0.001

    monkeypatch.setattr(onnx_file, "write_graph", wrong)
    with pytest.raises(DomainAdaptError, match=r"heart@v1: the ONNX file differs from PyTorch by 1\.0\de-03"):
        export_onnx("heart", tmp_path / "out", workspace=adapted.workspace)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


def test_differences_are_found_where_they_count(checkpoint_of: Publish, adapted: Project) -> None:
    subject = load_subject(checkpoint_of("token-classification").ref, adapted.workspace)
    batches = list(comparing.sample_inputs(subject))

    class Changed(torch.nn.Module):
        def __init__(self, change: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
            super().__init__()
            self.change = change

        def forward(self, **inputs: torch.Tensor) -> Any:
            found = subject.model(**inputs)
            found.logits = self.change(found.logits, inputs["attention_mask"])
            return found

    def difference(change: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> float:
        return comparing.largest_difference(subject, Changed(change), batches).difference

    assert difference(lambda logits, mask: logits) == 0
    assert difference(lambda logits, mask: logits + 0.5) == pytest.approx(0.5, abs=1e-5)
    assert difference(lambda logits, mask: logits + 9.0 * (1 - mask[..., None])) == 0  # padding
    assert difference(lambda logits, mask: logits[:, :1]) == float("inf")
    assert np.isnan(difference(lambda logits, mask: logits * float("nan")))
    for bad in (0.5, float("inf"), float("nan")):
        with pytest.raises(DomainAdaptError, match="differs from PyTorch"):
            comparing.Comparison(bad, 1.0, []).check("heart@v1")


def test_the_samples_are_of_many_sizes_with_padding_and_always_the_same(
    checkpoint_of: Publish, adapted: Project
) -> None:
    subject = load_subject("heart", adapted.workspace)
    batches = list(comparing.sample_inputs(subject))
    assert [list(one["input_ids"].shape) for one in batches] == [[1, 8], [3, 33], [6, 64], [2, 128]]
    again = list(comparing.sample_inputs(subject))
    tokenizer = subject.tokenizer
    for one, two in zip(batches, again, strict=True):
        assert torch.equal(one["input_ids"], two["input_ids"])
        assert ((one["input_ids"] == tokenizer.pad_token_id) == (one["attention_mask"] == 0)).all()
        assert (one["input_ids"][:, 0] == tokenizer.cls_token_id).all()
        assert (one["input_ids"] < subject.model.config.vocab_size).all()
    assert any((one["attention_mask"] == 0).any() for one in batches)


def test_nothing_is_overwritten(checkpoint_of: Publish, adapted: Project, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(DomainAdaptError, match="out: is there already"):
        export_onnx("heart", tmp_path / "out", workspace=adapted.workspace)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
    with pytest.raises(DomainAdaptError, match=r"mine\.txt/out: .*; nothing was exported"):
        export_onnx("heart", tmp_path / "out" / "mine.txt" / "out", workspace=adapted.workspace)


def test_a_damaged_checkpoint_is_not_exported(checkpoint_of: Publish, adapted: Project, tmp_path: Path) -> None:
    path = checkpoint_of("fill-mask").folder / "config.json"
    path.chmod(0o644)
    path.write_text(path.read_text() + " ")
    with pytest.raises(DomainAdaptError, match=r"config\.json: (damaged|changed)"):
        export_onnx("heart", tmp_path / "out", workspace=adapted.workspace)


def test_without_the_packages_the_hint_names_the_extra(
    adapted: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "onnx" else found(name, *rest))
    with pytest.raises(DomainAdaptError, match=r"export to ONNX needs onnx$") as caught:
        export_onnx("heart", tmp_path / "out", workspace=adapted.workspace)
    assert caught.value.hint == "pip install 'domain-adapt[onnx]'"


def test_a_plain_folder_is_no_checkpoint(tiny_model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DomainAdaptError, match=r"is not a checkpoint: it has no manifest\.json"):
        export_onnx(tiny_model_folder, tmp_path / "out", workspace=Workspace(tmp_path))
