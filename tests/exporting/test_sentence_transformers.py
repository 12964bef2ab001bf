"""The folder that sentence-transformers loads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from domain_adapt.checkpoints import Checkpoint
from domain_adapt.errors import DomainAdaptError
from domain_adapt.exporting import export_sentence_transformers
from domain_adapt.exporting.subject import load_subject
from domain_adapt.fingerprint import hash_file
from tests.conftest import SENTENCES, Project

Publish = Callable[[str], Checkpoint]


def mean_states(checkpoint: Checkpoint, adapted: Project, texts: list[str]) -> np.ndarray:
    """The mean over tokens of the checkpoint's own last states, one text at a time, so that nothing is padded."""
    subject = load_subject(checkpoint.ref, adapted.workspace)
    rows = []
    for text in texts:
        inputs = subject.tokenizer(text, return_tensors="pt")
        with torch.inference_mode():
            states = subject.model(**inputs, output_hidden_states=True).hidden_states[-1]
        rows.append(states[0].mean(0).numpy())
    return np.stack(rows)


@pytest.mark.parametrize("kind", ["fill-mask", "question-answering", "text-classification"])
def test_the_vectors_are_the_means_of_the_checkpoints_own_states(
    kind: str, checkpoint_of: Publish, adapted: Project, tmp_path: Path
) -> None:
    checkpoint = checkpoint_of(kind)
    export_sentence_transformers(checkpoint.ref, tmp_path / "out", workspace=adapted.workspace)
    model, report = AutoModel.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["unexpected_keys"]  # no head
    assert all("pooler" in key for key in report["missing_keys"])  # which the mean does not look at
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    inputs = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = model.eval()(**inputs).last_hidden_state
    mask = inputs["attention_mask"][..., None]
    found = ((states * mask).sum(1) / mask.sum(1)).numpy()
    np.testing.assert_allclose(found, mean_states(checkpoint, adapted, SENTENCES), atol=1e-5)


def test_the_layout(checkpoint_of: Publish, adapted: Project, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    about = export_sentence_transformers("heart", folder, workspace=adapted.workspace)
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "1_Pooling/config.json",
        "README.md",
        "config.json",
        "export.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert about["files"] == {name: hash_file(folder / name) for name in files - {"export.json"}}
    modules = json.loads((folder / "modules.json").read_text())
    assert [(one["path"], one["type"].rsplit(".", 1)[1]) for one in modules] == [
        ("", "Transformer"),
        ("1_Pooling", "Pooling"),
    ]
    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    assert pooling["word_embedding_dimension"] == 64 == about["embedding_dimension"]
    assert [key for key, value in pooling.items() if key.startswith("pooling_mode") and value] == [
        "pooling_mode_mean_tokens"
    ]
    # 130 positions, of which RoBERTa keeps one for padding; the tokenizer says 128.
    assert json.loads((folder / "sentence_bert_config.json").read_text())["max_seq_length"] == 128
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["RobertaModel"]
    with pytest.raises(DomainAdaptError, match="is there already"):
        export_sentence_transformers("heart", folder, workspace=adapted.workspace)


def test_sentence_transformers_itself_loads_it(checkpoint_of: Publish, adapted: Project, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers", reason="not a dependency")
    checkpoint = checkpoint_of("fill-mask")
    export_sentence_transformers("heart", tmp_path / "out", workspace=adapted.workspace)
    model = library.SentenceTransformer(str(tmp_path / "out"), device="cpu")
    assert model.max_seq_length == 128
    found = model.encode(SENTENCES, show_progress_bar=False)
    np.testing.assert_allclose(found, mean_states(checkpoint, adapted, SENTENCES), atol=1e-5)
