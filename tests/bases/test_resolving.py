from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, BertForPreTraining

from domain_adapt.bases import load_masked_lm, load_question_answering, resolve_base, save_model
from domain_adapt.checkpoints import Checkpoint, CheckpointStore, Manifest
from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import Workspace

SMALL = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "roberta": SMALL,
    "xlm-roberta": SMALL,
    "camembert": SMALL,
    "bert": SMALL,
    "distilbert": {"vocab_size": 60, "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16},
    "deberta-v2": SMALL,
    "electra": SMALL | {"embedding_size": 8},
    "albert": SMALL | {"embedding_size": 8},
    "modernbert": SMALL | {"bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2},
}


def model_folder(auto: Any, model_type: str, folder: Path, **changes: Any) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = auto.from_config(AutoConfig.for_model(model_type, **(ARCHITECTURES[model_type] | changes)))
    save_model(model, folder)
    return folder


def change_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def copy(tiny_model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model_folder, tmp_path / "copy"))


@pytest.mark.parametrize("model_type", ARCHITECTURES)
def test_every_supported_architecture_loads_with_its_head(
    model_type: str, tmp_path: Path, workspace: Workspace
) -> None:
    folder = model_folder(AutoModelForMaskedLM, model_type, tmp_path / "model")
    base = resolve_base(str(folder), workspace=workspace)
    assert base.has_lm_head
    expected = AutoModelForMaskedLM.from_pretrained(folder).state_dict()
    found = load_masked_lm(base).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert hasattr(load_question_answering(folder, seed=1), "config")


@pytest.mark.parametrize("model_type", [name for name in ARCHITECTURES if name != "electra"])
def test_a_bare_encoder_loads_and_is_said_to_have_no_head(
    model_type: str, tmp_path: Path, workspace: Workspace, capfd: pytest.CaptureFixture[str]
) -> None:
    base = resolve_base(str(model_folder(AutoModel, model_type, tmp_path / "model")), workspace=workspace)
    assert not base.has_lm_head
    capfd.readouterr()
    first, second = load_masked_lm(base).state_dict(), load_masked_lm(base).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert capfd.readouterr() == ("", "")


def test_the_original_head_of_deberta_is_loaded_and_not_replaced_by_a_new_one(
    tmp_path: Path, workspace: Workspace
) -> None:
    """Its config says nothing of "legacy", which by default names the other head; the weights decide."""
    folder = model_folder(AutoModelForMaskedLM, "deberta-v2", tmp_path / "model", legacy=False)
    config = json.loads((folder / "config.json").read_text())
    del config["legacy"]
    (folder / "config.json").write_text(json.dumps(config))
    base = resolve_base(str(folder), workspace=workspace)
    assert base.has_lm_head
    model = load_masked_lm(base)
    stored = load_file(folder / "model.safetensors")["lm_predictions.lm_head.dense.weight"]
    assert torch.equal(model.state_dict()["lm_predictions.lm_head.dense.weight"], stored)
    assert model.config.legacy is False


def test_bert_with_a_pretraining_head_is_a_masked_lm(tmp_path: Path, workspace: Workspace) -> None:
    model = BertForPreTraining(AutoConfig.for_model("bert", **SMALL))
    save_model(model, tmp_path / "model")
    assert resolve_base(str(tmp_path / "model"), workspace=workspace).has_lm_head


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}, r"found architectures \['GPT2LMHeadModel'\]"),
        ({"architectures": ["T5ForConditionalGeneration"], "model_type": "t5"}, "is not a masked language model"),
        ({"architectures": ["RobertaForQuestionAnswering"]}, "expected one of RobertaForMaskedLM, RobertaModel"),
        ({"architectures": ["RobertaForCausalLM"]}, "is not a masked language model"),
        ({"architectures": ["ElectraForPreTraining"], "model_type": "electra"}, "ELECTRA discriminator"),
        ({"architectures": None, "model_type": None}, "is not a masked language model"),
        ({"auto_map": {"AutoModel": "modeling.py"}}, "auto_map"),
    ],
)
def test_anything_else_is_refused_by_name(
    copy: Path, workspace: Workspace, changes: dict[str, Any], expected: str
) -> None:
    change_json(copy / "config.json", **changes)
    with pytest.raises(DomainAdaptError, match=expected) as caught:
        resolve_base(str(copy), workspace=workspace)
    assert str(copy) in caught.value.message


def test_an_electra_without_a_head_is_no_generator(tmp_path: Path, workspace: Workspace) -> None:
    folder = model_folder(AutoModel, "electra", tmp_path / "model")
    change_json(folder / "config.json", architectures=None)
    with pytest.raises(DomainAdaptError, match="no generator_predictions weights"):
        resolve_base(str(folder), workspace=workspace)


def test_a_tokenizer_with_code_of_its_own_is_refused(copy: Path, workspace: Workspace) -> None:
    change_json(copy / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokenizer", None]})
    with pytest.raises(DomainAdaptError, match=r"tokenizer_config\.json has auto_map"):
        resolve_base(str(copy), workspace=workspace)


def test_a_fine_tuned_model_can_be_a_start_of_stage_2_only(copy: Path, tmp_path: Path, workspace: Workspace) -> None:
    folder = tmp_path / "tuned"
    save_model(load_question_answering(copy, seed=0), folder)
    with pytest.raises(DomainAdaptError, match="RobertaForQuestionAnswering"):
        resolve_base(str(folder), workspace=workspace)
    base = resolve_base(str(folder), workspace=workspace, allow_fine_tuned=True)
    assert not base.has_lm_head


def test_pickled_weights_are_refused(copy: Path, workspace: Workspace) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(DomainAdaptError, match=r"only pickled weights \(pytorch_model\.bin\)"):
        resolve_base(str(copy), workspace=workspace)
    (copy / "pytorch_model.bin").unlink()
    with pytest.raises(DomainAdaptError, match=r"has no weights: expected model\.safetensors"):
        resolve_base(str(copy), workspace=workspace)


def test_a_truncated_weight_file_is_named(copy: Path, workspace: Workspace) -> None:
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DomainAdaptError, match=r"model\.safetensors: damaged"):
        resolve_base(str(copy), workspace=workspace)


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_damaged_config_is_named(copy: Path, workspace: Workspace, text: str) -> None:
    (copy / "config.json").write_text(text)
    with pytest.raises(DomainAdaptError, match=r"config\.json"):
        resolve_base(str(copy), workspace=workspace)


def test_shards_are_read_through_their_index(copy: Path, workspace: Workspace) -> None:
    whole = load_masked_lm(resolve_base(str(copy), workspace=workspace)).state_dict()
    weights = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    names = sorted(weights)
    shards = {"model-00001-of-00002.safetensors": names[:9], "model-00002-of-00002.safetensors": names[9:]}
    for shard, part in shards.items():
        save_file({name: weights[name] for name in part}, copy / shard, metadata={"format": "pt"})
    weight_map = {name: shard for shard, part in shards.items() for name in part}
    (copy / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    base = resolve_base(str(copy), workspace=workspace)
    assert base.has_lm_head
    loaded = load_masked_lm(base).state_dict()
    assert all(torch.equal(loaded[name], whole[name]) for name in whole)
    (copy / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(DomainAdaptError, match=r"model-00002-of-00002\.safetensors is missing"):
        resolve_base(str(copy), workspace=workspace)


def test_the_hash_is_of_the_content_and_not_of_the_place(
    tiny_model_folder: Path, copy: Path, workspace: Workspace
) -> None:
    here, there = (resolve_base(str(folder), workspace=workspace) for folder in (tiny_model_folder, copy))
    assert here.sha256 == there.sha256
    (copy / "README.md").write_text("a note")
    assert resolve_base(str(copy), workspace=workspace).sha256 == here.sha256
    change_json(copy / "config.json", layer_norm_eps=1e-3)
    assert resolve_base(str(copy), workspace=workspace).sha256 != here.sha256
    assert resolve_base(str(copy), workspace=workspace).tokenizer_sha256 == here.tokenizer_sha256
    change_json(copy / "tokenizer_config.json", model_max_length=64)
    assert resolve_base(str(copy), workspace=workspace).tokenizer_sha256 != here.tokenizer_sha256


def test_a_word_with_a_space_or_a_missing_folder_is_explained(workspace: Workspace) -> None:
    with pytest.raises(DomainAdaptError, match="expected mini, a folder, a checkpoint such as medical@v1, or a Hub id"):
        resolve_base("my model", workspace=workspace)
    with pytest.raises(DomainAdaptError, match="no such folder"):
        resolve_base("./nowhere", workspace=workspace)


def _publish(workspace: Workspace, source: Path, name: str, parent_name: str, **changes: Any) -> Checkpoint:
    parent = resolve_base(parent_name, workspace=workspace)

    def make(version: int, files: dict[str, str]) -> Manifest:
        values: dict[str, Any] = {
            "name": name,
            "version": version,
            "stage": "adapt",
            "domain": name,
            "profile": "quick",
            "created": "2026-01-01T00:00:00+00:00",
            "fingerprint": "0" * 64,
            "recipe": {},
            "parent": parent.as_parent(),
            "lineage": parent.lineage(),
            "corpus": {},
            "metrics": {},
            "packages": {},
            "environment": {},
            "command": "",
            "wall_seconds": 1.0,
            "files": files,
        }
        return Manifest.model_validate(values | changes)

    copy: Callable[[Path], Any] = lambda folder: shutil.copytree(source, folder, dirs_exist_ok=True)  # noqa: E731
    return CheckpointStore(workspace.checkpoints).publish(name, copy, make)


def test_a_checkpoint_is_a_base_with_its_lineage(tiny_model_folder: Path, workspace: Workspace) -> None:
    first = _publish(workspace, tiny_model_folder, "medical", str(tiny_model_folder))
    base = resolve_base("medical", workspace=workspace)
    assert (base.name, base.checkpoint, base.folder) == ("medical@v1", first, first.folder.absolute())
    assert base.sha256 == resolve_base(str(tiny_model_folder), workspace=workspace).sha256
    assert base.as_parent().kind == "checkpoint"
    assert [one.name for one in base.lineage()] == ["medical@v1", str(tiny_model_folder)]
    second = _publish(workspace, tiny_model_folder, "cardiology", "medical@v1")
    assert [one.name for one in second.manifest.lineage] == ["medical@v1", str(tiny_model_folder)]
    by_folder = resolve_base(str(first.folder), workspace=workspace)
    assert by_folder.checkpoint is not None and by_folder.checkpoint.ref == "medical@v1"
    with pytest.raises(DomainAdaptError, match="no version 'v2'"):
        resolve_base("medical@v2", workspace=workspace)


def test_a_checkpoint_changed_after_publication_is_no_base(tiny_model_folder: Path, workspace: Workspace) -> None:
    checkpoint = _publish(workspace, tiny_model_folder, "medical", str(tiny_model_folder))
    path = checkpoint.folder / "model.safetensors"
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    with pytest.raises(DomainAdaptError, match=r"changed: .* it is not what was published as medical@v1") as caught:
        resolve_base("medical", workspace=workspace)
    assert str(path) in caught.value.message
