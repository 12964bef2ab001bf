"""What a model from elsewhere has to pass before any library opens its files; torch is not imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domain_adapt.checkpoints.untrusted.configs import check_config
from domain_adapt.checkpoints.untrusted.json_files import read_json
from domain_adapt.checkpoints.untrusted.links import check_link, check_links
from domain_adapt.checkpoints.untrusted.shapes import shape_problem
from domain_adapt.checkpoints.untrusted.tensors import (
    INDEX,
    PICKLED,
    WEIGHTS,
    label_of,
    no_safetensors,
    read_tensors,
    weight_files,
)
from domain_adapt.checkpoints.untrusted.tokenizer_files import check_tokenizer
from domain_adapt.errors import DomainAdaptError

__all__ = [
    "INDEX",
    "PICKLED",
    "WEIGHTS",
    "check_tokenizer",
    "check_untrusted",
    "label_of",
    "no_safetensors",
    "open_config",
    "read_json",
    "read_tensors",
    "weight_files",
]

CONFIG = "config.json"
_ADAPTER = "adapter_config.json"
_WORDS = ("word_embeddings.weight", "tok_embeddings.weight")


def check_untrusted(folder: Path, name: str) -> None:
    """Checks a model's folder before it is loaded: a base, a Hub snapshot, a checkpoint that was copied or pulled.

    Only headers and JSON are read, each bounded in bytes before it is parsed; no code of the folder is run, no tensor
    is mapped and nothing is allocated by the word of a file. It takes some milliseconds.

    Args:
        folder: Holds ``config.json``, safetensors and tokenizer files.
        name: What the user called it, for messages.

    Raises:
        DomainAdaptError: If a file is missing, damaged, of another kind than its name says, larger than any real one,
            leads elsewhere, asks for code to be run, or the weights do not fit the config.
    """
    config = open_config(folder, name)  # first: a folder without it is no model, however large it is
    check_links(folder, name)
    if (folder / _ADAPTER).exists():
        raise DomainAdaptError(
            f"{label_of(name, folder / _ADAPTER)}: an adapter names another model, which would be loaded in the place "
            "of this one",
            hint="merge the adapter into its model first",
        )
    tensors = read_tensors(folder, name)
    if problem := shape_problem(config, tensors):
        raise DomainAdaptError(f"{label_of(name, weight_files(folder, name)[0])}: does not fit config.json: {problem}")
    rows = max((tensor.shape[0] for key, tensor in tensors.items() if key.endswith(_WORDS) and tensor.shape), default=0)
    check_tokenizer(folder, name, rows)


def open_config(folder: Path, name: str) -> dict[str, Any]:
    """Returns what ``config.json`` says, within its bounds.

    Raises:
        DomainAdaptError: As :func:`check_untrusted` does about this file.
    """
    path = folder / CONFIG
    label = label_of(name, path)
    check_link(path, folder, name)
    config = read_json(path, label)
    check_config(config, label)
    return config
