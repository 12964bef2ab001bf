"""Which architectures can be a base, read from a folder's config and weight headers without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from domain_adapt.checkpoints.untrusted import check_untrusted, open_config, read_tensors
from domain_adapt.errors import DomainAdaptError


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
        DomainAdaptError: If it is not a masked language model that is supported, has only pickled weights, or is not
            safe to open, see :func:`domain_adapt.checkpoints.check_untrusted`.
    """
    config = open_config(folder, name)
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
    check_untrusted(folder, name)
    keys = weight_names(folder, name)
    if set(family.fine_tuned) & set(found):
        return False  # ModernBERT's models for tasks keep "head.*", but its LM decoder is gone
    has_head = any(key in keys for key in family.head_keys)
    if model_type == "electra" and not has_head:
        raise _not_masked_lm(name, "it has no generator_predictions weights", "an ELECTRA generator")
    return has_head


def encoder_depth(folder: Path, name: str) -> int:
    """Returns the number of encoder layers with weights of their own (1 for ALBERT, which shares them), or 0."""
    config = open_config(folder, name)
    for key in ("num_hidden_groups", "num_hidden_layers", "n_layers"):  # ALBERT, the others, DistilBERT
        if isinstance(config.get(key), int):
            return int(config[key])
    return 0


def weight_names(folder: Path, name: str) -> set[str]:
    """Returns the names of all weights, from the headers alone.

    Raises:
        DomainAdaptError: If a file is damaged.
    """
    return set(read_tensors(folder, name))


def _not_masked_lm(name: str, found: str, expected: str) -> DomainAdaptError:
    return DomainAdaptError(f"base {name!r} is not a masked language model: {found}; expected one of {expected}")
