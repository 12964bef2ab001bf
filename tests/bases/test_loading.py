from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, PreTrainedModel
from transformers.utils import logging as transformers_logging

from domain_adapt.bases import (
    load_classifier,
    load_masked_lm,
    load_multiple_choice,
    load_question_answering,
    load_tokenizer,
    resolve_base,
    save_model,
    save_tokenizer,
)
from domain_adapt.bases.architectures import FAMILIES
from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import Workspace


@pytest.fixture
def copy(tiny_model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model_folder, tmp_path / "copy"))


def rewrite_weights(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_a_missing_encoder_weight_is_an_error_and_not_noise(copy: Path, part: str) -> None:
    """Matrices are missed before anything is loaded, vectors by the loader."""
    weights = load_file(copy / "model.safetensors")
    del weights[f"roberta.encoder.layer.1.output.dense.{part}"]
    rewrite_weights(copy, weights)
    expected = rf"1 weights of the encoder are missing, the first is roberta\.encoder\.layer\.1\.output\.dense\.{part}"
    with pytest.raises(DomainAdaptError, match=expected):
        load_masked_lm(resolve_base(str(copy), workspace=Workspace()))
    with pytest.raises(DomainAdaptError, match=expected):
        load_question_answering(copy, seed=0)


@pytest.mark.parametrize(
    ("part", "shape", "expected"),
    [("weight", (3, 3), r"has shape \[3, 3\], config\.json makes it \[64, 128\]"), ("bias", (3,), "cannot be loaded")],
)
def test_a_weight_of_the_wrong_shape_is_one_line(copy: Path, part: str, shape: tuple[int, ...], expected: str) -> None:
    weights = load_file(copy / "model.safetensors")
    weights[f"roberta.encoder.layer.0.output.dense.{part}"] = torch.zeros(shape)
    rewrite_weights(copy, weights)
    with pytest.raises(DomainAdaptError, match=expected) as caught:
        load_masked_lm(resolve_base(str(copy), workspace=Workspace()))
    assert "\n" not in caught.value.message


def test_the_model_is_float32_whatever_the_file_is(copy: Path) -> None:
    rewrite_weights(copy, {k: v.to(torch.bfloat16) for k, v in load_file(copy / "model.safetensors").items()})
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}))
    model = load_masked_lm(resolve_base(str(copy), workspace=Workspace()))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert not model.training


def test_the_new_qa_head_depends_on_the_seed_and_on_nothing_else(
    tiny_model_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    state = torch.random.get_rng_state()
    verbosity = transformers_logging.get_verbosity()
    one = load_question_answering(tiny_model_folder, seed=7)
    torch.rand(5)
    same, other = (load_question_answering(tiny_model_folder, seed=seed) for seed in (7, 8))
    assert torch.equal(one.qa_outputs.weight, same.qa_outputs.weight)
    assert not torch.equal(one.qa_outputs.weight, other.qa_outputs.weight)
    encoder = load_masked_lm(resolve_base(str(tiny_model_folder), workspace=Workspace())).base_model.state_dict()
    assert all(torch.equal(one.base_model.state_dict()[name], encoder[name]) for name in encoder)
    assert capfd.readouterr() == ("", "")
    assert transformers_logging.get_verbosity() == verbosity
    torch.random.set_rng_state(state)


@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_a_masked_lm_of_every_type_gets_a_head_with_its_pooler(
    build: Callable[[str], PreTrainedModel], tmp_path: Path, kind: str
) -> None:
    """Text classification on BERT and ALBERT failed: the pooler, which a masked LM lacks, counted as the encoder's."""
    base = build(kind)
    save_model(base, tmp_path / "base")
    load_classifier(tmp_path / "base", "text", ["a", "b"], seed=0)
    one, same, other = (load_multiple_choice(tmp_path / "base", seed=seed) for seed in (7, 7, 8))
    before = base.state_dict()  # ModernBERT's masked LM and its models for a task share a dense layer above the encoder
    new = [name for name in one.state_dict() if name not in before]
    assert any("classifier" in name for name in new) and len(new) <= 5
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name])
        if name not in new:
            assert torch.equal(value, before[name]), name
        elif value.ndim > 1:
            assert not torch.equal(value, other.state_dict()[name]), name
    save_model(one, tmp_path / "head")
    again = load_multiple_choice(tmp_path / "head", seed=None)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in one.state_dict().items())
    with pytest.raises(DomainAdaptError, match="is not a multiple-choice model"):
        load_multiple_choice(tmp_path / "base", seed=None)


def test_loading_leaves_the_global_generator_alone(tiny_model_folder: Path) -> None:
    before = torch.random.get_rng_state()
    load_question_answering(tiny_model_folder, seed=7)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_without_a_seed_the_qa_head_must_be_there(tiny_model_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DomainAdaptError, match=r"not a question-answering model: it has no qa_outputs\.bias"):
        load_question_answering(tiny_model_folder, seed=None)
    tuned = load_question_answering(tiny_model_folder, seed=3)
    save_model(tuned, tmp_path / "tuned")
    again = load_question_answering(tmp_path / "tuned", seed=None)
    assert torch.equal(again.qa_outputs.weight, tuned.qa_outputs.weight)


def test_saving_prints_nothing(tiny_model_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = load_question_answering(tiny_model_folder, seed=3)
    save_model(model, tmp_path / "saved")
    assert capfd.readouterr() == ("", "")


def test_tokenizer_errors_say_what_is_wrong(copy: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DomainAdaptError, match="no tokenizer that can be loaded"):
        load_tokenizer(empty)
    config, weights = json.loads((copy / "config.json").read_text()), load_file(copy / "model.safetensors")
    (copy / "config.json").write_text(json.dumps(config | {"vocab_size": 20}))
    rewrite_weights(copy, {name: value[:20] if "word_embeddings" in name else value for name, value in weights.items()})
    with pytest.raises(DomainAdaptError, match=r"the tokenizer has \d+ entries, but vocab_size in config\.json is 20"):
        load_tokenizer(copy)
    (copy / "config.json").write_text(json.dumps(config))
    rewrite_weights(copy, weights)
    settings = json.loads((copy / "tokenizer_config.json").read_text())
    del settings["mask_token"]
    (copy / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(DomainAdaptError, match="no mask_token"):
        load_tokenizer(copy)
    (copy / "tokenizer.json").write_text("{")
    with pytest.raises(DomainAdaptError, match="no tokenizer that can be loaded"):
        load_tokenizer(copy)


def test_a_saved_tokenizer_names_a_class_that_transformers_4_knows(tiny_model_folder: Path, tmp_path: Path) -> None:
    """transformers 5 writes the class TokenizersBackend, at which 4 stops, and drops model_input_names."""
    tokenizer = load_tokenizer(tiny_model_folder)
    save_tokenizer(tokenizer, tmp_path)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert settings["model_input_names"] == ["input_ids", "attention_mask"]
    assert settings.keys().isdisjoint({"is_local", "local_files_only"})
    again = AutoTokenizer.from_pretrained(tmp_path)
    pair = ("Who pays?", "The bank pays.")
    assert again(*pair) == tokenizer(*pair)
    assert set(again(*pair)) == {"input_ids", "attention_mask"}
