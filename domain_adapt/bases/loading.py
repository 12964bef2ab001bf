"""Models and tokenizers from the folder of a base. Importing this is light; torch is imported by the functions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from domain_adapt.bases.architectures import weight_names
from domain_adapt.checkpoints.untrusted import check_tokenizer, check_untrusted, read_json, read_tensors
from domain_adapt.errors import DomainAdaptError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from domain_adapt.bases.resolving import Base

# RoBERTa and its descendants count positions from pad_token_id + 1, so their tables are longer than their inputs.
_SHIFTED_POSITIONS = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm", "longformer"}
HEAD_SEED = 0  # an LM head that the base lacks starts from the same numbers in every run


def load_masked_lm(base: Base) -> PreTrainedModel:
    """Returns the masked LM of a base in float32 on the CPU, in evaluation mode.

    A missing LM head is drawn from a generator of its own: the same every time, and the global ones are untouched.

    Raises:
        DomainAdaptError: If encoder weights are missing or have the wrong shape, or a file is damaged.
    """
    from transformers import AutoModelForMaskedLM

    # DeBERTa-v2 has two LM heads: files with the original one load it only if the config does not say "legacy",
    # which it does by default.
    options: dict[str, Any] = {}
    if any(key.startswith("lm_predictions.") for key in weight_names(base.folder, base.name)):
        options["legacy"] = False
    return _load(AutoModelForMaskedLM, base.folder, base.name, HEAD_SEED, **options)[0]


def load_question_answering(folder: Path, *, seed: int | None) -> PreTrainedModel:
    """Returns an extractive QA model in float32 on the CPU, in evaluation mode.

    Args:
        folder: A masked LM or encoder, whose new QA head is drawn from ``seed``, or a QA model, which keeps its head.
        seed: None if the head must be there already.

    Raises:
        DomainAdaptError: If encoder weights are missing or have the wrong shape, a file is damaged, or ``seed`` is None
            and there is no QA head.
    """
    from transformers import AutoModelForQuestionAnswering

    return _load_for_task(AutoModelForQuestionAnswering, folder, "question-answering", seed)


def load_multiple_choice(folder: Path, *, seed: int | None) -> PreTrainedModel:
    """Returns a model that scores the choices of a question; float32, on the CPU, in evaluation mode.

    Args:
        folder: A masked LM or encoder, whose new head is drawn from ``seed``, or a model for multiple choice, which
            keeps its head.
        seed: None if the head must be there already.

    Raises:
        DomainAdaptError: If encoder weights are missing or have the wrong shape, a file is damaged, or ``seed`` is None
            and there is no such head.
    """
    from transformers import AutoModelForMultipleChoice

    return _load_for_task(AutoModelForMultipleChoice, folder, "multiple-choice", seed)


def load_classifier(
    folder: Path,
    kind: Literal["text", "token"],
    labels: Sequence[str] | None,
    *,
    seed: int | None,
    problem_type: str | None = None,
) -> PreTrainedModel:
    """Returns a model that gives every text, or every token, a label; float32, on the CPU, in evaluation mode.

    Args:
        folder: A masked LM or encoder, whose new head is drawn from ``seed``, or a classifier, which keeps its head.
        kind: What is labelled.
        labels: The label of each output, in order; None: as the folder says.
        seed: None if the head must be there already.
        problem_type: What transformers calls the kind of labels; None: as the folder says.

    Raises:
        DomainAdaptError: If encoder weights are missing or have the wrong shape, a file is damaged, or ``seed`` is None
            and there is no such head.
    """
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    auto = AutoModelForSequenceClassification if kind == "text" else AutoModelForTokenClassification
    named: dict[str, Any] = {}
    if labels is not None:
        named = {"id2label": dict(enumerate(labels)), "label2id": {label: id for id, label in enumerate(labels)}}
    if problem_type is not None:
        named["problem_type"] = problem_type
    return _load_for_task(auto, folder, f"{kind}-classification", seed, **named)


def longest_input(config: Any) -> int | None:
    """Returns the most tokens that a model of this configuration can read, or None if it sets no limit."""
    positions = getattr(config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:
        return None
    if config.model_type in _SHIFTED_POSITIONS:
        positions -= (config.pad_token_id or 0) + 1
    return positions


def check_block_size(block_size: int, config: Any) -> None:
    """Raises DomainAdaptError if a model of this configuration cannot read ``block_size`` tokens."""
    longest = longest_input(config)
    if longest is not None and block_size > longest:
        raise DomainAdaptError(f"corpus.block_size: {block_size} is more than the {longest} tokens the base can read")


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Returns the fast tokenizer in ``folder``.

    Raises:
        DomainAdaptError: If there is none, it is a slow one, has no mask or padding token, has more entries than the
            embedding table of the model in ``folder`` has rows, or its files are not safe to open.
    """
    from transformers import AutoTokenizer

    config = folder / "config.json"
    if config.is_file() and any(folder.glob("*.safetensors*")):
        check_untrusted(folder, str(folder))
    else:  # no model of ours beside it: what was exported has its weights in another format
        check_tokenizer(folder, str(folder))
    try:
        with _quiet():
            _check_tokenizer_class(folder)
            tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True)
    except DomainAdaptError:
        raise
    except Exception as error:  # tokenizers raises bare Exception for a damaged file
        raise DomainAdaptError(f"{folder}: no tokenizer that can be loaded: {first_line(error)}") from error
    if not tokenizer.is_fast:
        raise DomainAdaptError(f"{folder}: expected a fast tokenizer (tokenizer.json), found only a slow one")
    for role in ("mask_token", "pad_token"):
        if getattr(tokenizer, f"{role}_id") is None:
            raise DomainAdaptError(f"{folder}: the tokenizer has no {role}, which a masked language model needs")
    if config.is_file():
        rows = read_json(config, str(config)).get("vocab_size")
        if isinstance(rows, int) and len(tokenizer) > rows:
            raise DomainAdaptError(
                f"{folder}: the tokenizer has {len(tokenizer)} entries, but vocab_size in config.json is {rows}: "
                "they do not belong together"
            )
    return tokenizer


def save_model(model: PreTrainedModel, folder: Path) -> None:
    """Writes config and weights (safetensors) as stock code expects them, without progress bars."""
    with _quiet():
        model.save_pretrained(folder)


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Writes a tokenizer so that transformers 4 and 5 both load it as it is.

    ``save_pretrained`` of transformers 5 names classes that 4 does not know, and leaves out ``model_input_names``.
    """
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    for key in ("is_local", "local_files_only"):  # how it was loaded here is nobody's business
        settings.pop(key, None)
    settings["model_input_names"] = list(tokenizer.model_input_names)
    if settings.get("tokenizer_class") == "TokenizersBackend":
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _check_tokenizer_class(folder: Path) -> None:
    """Raises DomainAdaptError if the class that the folder names reads its files by itself, not with ``tokenizers``."""
    from transformers import PreTrainedTokenizerFast
    from transformers.models.auto.tokenization_auto import tokenizer_class_from_name

    for file in ("tokenizer_config.json", "config.json"):
        if (folder / file).is_file():
            name = read_json(folder / file, str(folder / file)).get("tokenizer_class")
            found = tokenizer_class_from_name(name) if isinstance(name, str) and name else None
            if found is not None and not issubclass(found, PreTrainedTokenizerFast):
                raise DomainAdaptError(
                    f"{folder / file}: tokenizer_class: {name!r:.80} is a slow tokenizer; expected a fast one "
                    "(tokenizer.json)"
                )


def _load_for_task(auto: Any, folder: Path, kind: str, seed: int | None, **options: Any) -> PreTrainedModel:
    """Returns the model with a head for a task; without a seed the head has to be there."""
    model, missing = _load(auto, folder, str(folder), seed or 0, **options)
    if seed is None and missing:
        raise DomainAdaptError(
            f"{folder} is not a {kind} model: it has no {sorted(missing)[0]}",
            hint="domain-adapt finetune makes one out of it",
        )
    return model


def _load(auto: Any, folder: Path, name: str, seed: int, **options: Any) -> tuple[PreTrainedModel, set[str]]:
    """Returns the model and the names of the head's weights that were not in the file."""
    import torch

    check_untrusted(folder, name)
    try:
        with _quiet(), torch.random.fork_rng(devices=[]):
            _check_size(auto, folder, name, options)
            torch.default_generator.manual_seed(seed)
            model, report = auto.from_pretrained(
                folder,
                use_safetensors=True,
                local_files_only=True,
                dtype=torch.float32,
                output_loading_info=True,
                **options,
            )
    except DomainAdaptError:
        raise
    except Exception as error:  # shapes, damaged files and odd configs each have an exception type of their own
        raise DomainAdaptError(f"{name}: the model cannot be loaded: {first_line(error)}") from error
    encoder = model.base_model_prefix + "."
    missing = {key for key in report["missing_keys"] if not key.endswith("_ids")}  # buffers such as position_ids
    # A pooler belongs to the encoder by its name, but a masked LM has none: it is part of a new head.
    lost = sorted(key for key in missing if key.startswith(encoder) and "pooler" not in key.split("."))
    if lost:
        raise DomainAdaptError(f"{name}: {len(lost)} weights of the encoder are missing, the first is {lost[0]}")
    return model, missing


def _check_size(auto: Any, folder: Path, name: str, options: dict[str, Any]) -> None:
    """Checks that the model that transformers would make is not much larger than what the files hold.

    The encoders that are named in ``checkpoints/untrusted/shapes.py`` have been compared matrix by matrix before; this
    is for all other model types, and for heads. Nothing is allocated: the model is made without its numbers.

    Raises:
        DomainAdaptError: If it is more than twice as large: a new head is never larger than its encoder.
    """
    import torch
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True, **options)
    with torch.device("meta"):
        implied = sum(parameter.numel() for parameter in auto.from_config(config).parameters())
    held = sum(tensor.parameters for tensor in read_tensors(folder, name).values())
    if implied > 2 * held:
        raise DomainAdaptError(
            f"{folder / 'config.json'}: makes a model of {implied:,} parameters, but the files hold {held:,}"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the loading report and progress bars of transformers; what matters is read from the report itself."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
