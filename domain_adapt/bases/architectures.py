"""Which architectures can be a base, read from a folder's config and weight headers without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from domain_adapt.errors import DomainAdaptError

INDEX = "model.safetensors.index.json"
WEIGHTS = "model.safetensors"
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")


@dataclass(frozen=True)
class Family:
    """One architecture of transformers that has a masked-LM head.

    Attributes:
        classes: Class names in ``architectures`` that hold a masked LM or its bare encoder.
        head_keys: Weights of which one is there if the LM head was saved.
        fine_tuned: Class names of the models for the tasks of stage 2.
    """

    classes: tuple[str, ...]
    head_keys: tuple[str, ...]
    fine_tuned: tuple[str, ...]


_TASKS = ("ForQuestionAnswering", "ForSequenceClassification", "ForTokenClassification", "ForMultipleChoice")


def _family(stem: str, *head_keys: str, suffixes: tuple[str, ...] = ("ForMaskedLM", "Model")) -> Family:
    return Family(tuple(stem + suffix for suffix in suffixes), head_keys, tuple(stem + suffix for suffix in _TASKS))


_WITH_PRETRAINING = ("ForMaskedLM", "ForPreTraining", "Model")

# model_type -> family. Of ELECTRA's two models only the generator predicts tokens; the discriminator is ForPreTraining.
FAMILIES: dict[str, Family] = {
    "albert": _family("Albert", "predictions.dense.weight", suffixes=_WITH_PRETRAINING),
    "bert": _family("Bert", "cls.predictions.transform.dense.weight", suffixes=_WITH_PRETRAINING),
    "camembert": _family("Camembert", "lm_head.dense.weight"),
    "deberta-v2": _family("DebertaV2", "cls.predictions.transform.dense.weight", "lm_predictions.lm_head.dense.weight"),
    "distilbert": _family("DistilBert", "vocab_transform.weight"),
    "electra": _family("Electra", "generator_predictions.dense.weight", suffixes=("ForMaskedLM",)),
    "modernbert": _family("ModernBert", "head.dense.weight"),
    "roberta": _family("Roberta", "lm_head.dense.weight"),
    "xlm-roberta": _family("XLMRoberta", "lm_head.dense.weight"),
}


def check_architecture(folder: Path, name: str, *, allow_fine_tuned: bool = False) -> bool:
    """Returns whether the model in ``folder`` has an LM head.

    Args:
        folder: Holds ``config.json`` and safetensors.
        name: What the user called it, for messages.
        allow_fine_tuned: Accept a fine-tuned model too; it has no LM head.

    Raises:
        DomainAdaptError: If it is not a masked language model that is supported, would run code of its own, has only
            pickled weights, or its files are damaged.
    """
    config = _read_json(folder / "config.json", name)
    for file in ("config.json", "tokenizer_config.json"):
        if (folder / file).is_file() and "auto_map" in _read_json(folder / file, name):
            raise DomainAdaptError(
                f"base {name!r}: {file} has auto_map: it would run Python code of its own, which is never done",
                hint=f"choose a base of one of these types: {', '.join(FAMILIES)}",
            )
    model_type, found = config.get("model_type"), config.get("architectures") or []
    family = FAMILIES.get(model_type) if isinstance(model_type, str) else None
    if family is None:
        raise _not_masked_lm(name, f"found architectures {found}, model_type {model_type!r}", ", ".join(FAMILIES))
    allowed = {*family.classes, *family.fine_tuned} if allow_fine_tuned else set(family.classes)
    if found and not allowed.intersection(found):
        if found == ["ElectraForPreTraining"]:
            raise _not_masked_lm(
                name,
                "it is an ELECTRA discriminator, which tells tokens apart and predicts none",
                "an ELECTRA generator",
            )
        raise _not_masked_lm(name, f"found architectures {found}", ", ".join(family.classes))
    keys = weight_names(folder, name)
    if set(family.fine_tuned) & set(found):
        return False  # ModernBERT's models for tasks keep "head.*", but its LM decoder is gone
    has_head = any(key in keys for key in family.head_keys)
    if model_type == "electra" and not has_head:
        raise _not_masked_lm(name, "it has no generator_predictions weights", "an ELECTRA generator")
    return has_head


def encoder_depth(folder: Path, name: str) -> int:
    """Returns the number of encoder layers with weights of their own (1 for ALBERT, which shares them), or 0."""
    config = _read_json(folder / "config.json", name)
    for key in ("num_hidden_groups", "num_hidden_layers", "n_layers"):  # ALBERT, the others, DistilBERT
        if isinstance(config.get(key), int):
            return int(config[key])
    return 0


def weight_files(folder: Path, name: str) -> list[Path]:
    """Returns the safetensors files that transformers would read.

    Raises:
        DomainAdaptError: If there are none, or one that the index names is missing.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        weight_map = _read_json(folder / INDEX, name).get("weight_map")
        if not isinstance(weight_map, dict):
            raise DomainAdaptError(f"base {name!r}: {folder / INDEX}: weight_map is missing")
        shards = sorted(folder / Path(str(shard)).name for shard in set(weight_map.values()))
        for shard in shards:
            if not shard.is_file():
                raise DomainAdaptError(f"base {name!r}: {shard} is missing, which {INDEX} names")
        return shards
    raise no_safetensors(name, [path.name for path in folder.iterdir()])


def weight_names(folder: Path, name: str) -> set[str]:
    """Returns the names of all weights, from the headers alone.

    Raises:
        DomainAdaptError: If a file is damaged.
    """
    names: set[str] = set()
    for path in weight_files(folder, name):
        try:
            with safe_open(path, framework="np") as file:
                names.update(file.keys())
        except (SafetensorError, OSError) as error:
            raise DomainAdaptError(f"base {name!r}: {path}: damaged safetensors file: {error}") from error
    return names


def no_safetensors(name: str, files: list[str]) -> DomainAdaptError:
    """Returns the error for a base that has ``files`` but no safetensors among them."""
    if any(file in PICKLED or file.endswith((".bin", ".pt", ".pth", ".ckpt", ".h5")) for file in files):
        pickled = ", ".join(file for file in PICKLED if file in files) or "no safetensors"
        return DomainAdaptError(
            f"base {name!r} has only pickled weights ({pickled}); only safetensors are read, expected {WEIGHTS}",
            hint="unpickling can run any code: choose a base, or a revision of it, that has safetensors",
        )
    return DomainAdaptError(f"base {name!r} has no weights: expected {WEIGHTS} or {INDEX}")


def _not_masked_lm(name: str, found: str, expected: str) -> DomainAdaptError:
    return DomainAdaptError(f"base {name!r} is not a masked language model: {found}; expected one of {expected}")


def _read_json(path: Path, name: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DomainAdaptError(f"base {name!r}: {path} is missing") from None
    except (OSError, ValueError) as error:
        raise DomainAdaptError(f"base {name!r}: {path}: cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise DomainAdaptError(f"base {name!r}: {path}: expected a JSON object")
    return value
