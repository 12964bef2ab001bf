"""The models that are merged: what they are, whether they fit, and the mean of their weights on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import Base, load_masked_lm, load_tokenizer, save_model, save_tokenizer
from domain_adapt.bases.architectures import weight_names
from domain_adapt.bases.resolving import is_tokenizer_file
from domain_adapt.checkpoints.untrusted import weight_files
from domain_adapt.checkpoints.weights import Weights, open_weights, write_weights
from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import write_json

if TYPE_CHECKING:
    import torch

MASKED_LM = "fill-mask"
ENCODER = "feature-extraction"
_HEADS = {
    "ForQuestionAnswering": "question-answering",
    "ForMultipleChoice": "multiple-choice",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
}
# What a config may say without the weights meaning anything else.
_FREE_KEYS = frozenset(
    {"_name_or_path", "architectures", "dtype", "initializer_range", "torch_dtype", "transformers_version", "use_cache"}
)
_TUNED = "no_answer_threshold"  # chosen on a dev part after training; in the config of question answerers only


@dataclass(frozen=True)
class Operand:
    """One of the models that are merged.

    Attributes:
        base: What it is.
        folder: Config, weights and tokenizer as this package publishes them.
        head: ``fill-mask``, the type of a task, or ``feature-extraction`` where there is no head.
        config: As transformers fills it up from ``config.json``.
    """

    base: Base
    folder: Path
    head: str
    config: dict[str, Any]


@contextmanager
def read_operands(bases: Sequence[Base]) -> Iterator[list[Operand]]:
    """Yields what merging has to know of each model.

    A masked LM from elsewhere is loaded and saved first: older and other code gave weights other names, and left some
    in that belong to no masked LM.
    """
    with ExitStack() as stack:
        operands = []
        for base in bases:
            folder = base.folder
            if base.checkpoint is None and base.has_lm_head:
                folder = Path(stack.enter_context(TemporaryDirectory(prefix="domain-adapt-")))
                save_model(load_masked_lm(base), folder)
                save_tokenizer(load_tokenizer(base.folder), folder)
            operands.append(_operand(base, folder))
        yield operands


def _operand(base: Base, folder: Path) -> Operand:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, local_files_only=True).to_dict()
    names = " ".join(config.get("architectures") or [])
    found = next((kind for suffix, kind in _HEADS.items() if names.endswith(suffix)), ENCODER)
    return Operand(base, folder, MASKED_LM if base.has_lm_head else found, config)


def leading(operands: Sequence[Operand]) -> Operand:
    """Returns the model whose config, tokenizer files and names of weights the merged one gets.

    It is one with a head if there is one, and one of our checkpoints rather than a base.
    """
    return min(operands, key=lambda one: (one.head == ENCODER, one.base.checkpoint is None))


def check_alike(operands: Sequence[Operand]) -> None:
    """Looks at everything but the weights themselves.

    Raises:
        DomainAdaptError: If architecture, head, configuration or vocabulary differ; it names the difference.
    """
    first = leading(operands)
    for other in operands:
        pair = (first.base.name, other.base.name)
        if first.config["model_type"] != other.config["model_type"]:
            raise _unlike("architectures", *pair, first.config["model_type"], other.config["model_type"])
        # A model without a head can be merged into a masked LM; heads for tasks are no part of any base.
        if first.head != other.head and {first.head, other.head} != {MASKED_LM, ENCODER}:
            raise _unlike("heads", *pair, first.head, other.head)
        for key in sorted(first.config.keys() | other.config.keys()):
            values = first.config.get(key), other.config.get(key)
            if values[0] != values[1] and key not in _FREE_KEYS and "drop" not in key and key != _TUNED:
                raise _unlike(key, *pair, *values)
    vocabulary = load_tokenizer(first.folder).get_vocab()
    for other in operands:
        different = vocabulary.items() ^ load_tokenizer(other.folder).get_vocab().items()
        if different:
            token = min(token for token, _ in different)
            raise DomainAdaptError(
                f"merge: {first.base.name} and {other.base.name} have different vocabularies: {len(different)} entries "
                f"are not in both, such as {token!r}"
            )


def _unlike(what: str, one: str, other: str, first: Any, second: Any) -> DomainAdaptError:
    return DomainAdaptError(
        f"merge: {what} differ: {first!r} in {one}, {second!r} in {other}",
        hint="only models that come from one base, with the same head, can be merged",
    )


@contextmanager
def open_operands(operands: Sequence[Operand]) -> Iterator[list[Weights]]:
    """Yields the weights of each model under the names of the leading one; those of a head it lacks are not there.

    Raises:
        DomainAdaptError: If names or shapes of weights differ.
    """
    first = leading(operands)
    with ExitStack() as stack:
        expected = stack.enter_context(open_weights(weight_files(first.folder, first.base.name)))
        found = []
        for operand in operands:
            weights = expected
            if operand is not first:
                weights = stack.enter_context(open_weights(_files(operand, set(expected.names), stack)))
                if operand.head == ENCODER != first.head:
                    weights = _without_head(weights, operand)
            _check_weights(expected, weights, first, operand)
            found.append(weights)
        yield found


def _files(operand: Operand, expected: set[str], stack: ExitStack) -> list[Path]:
    """Returns the files of a model; an encoder whose weights go by other names than in a masked LM is written anew."""
    if operand.head != ENCODER or weight_names(operand.folder, operand.base.name) <= expected:
        return weight_files(operand.folder, operand.base.name)
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="domain-adapt-")))
    save_model(load_masked_lm(operand.base), folder)
    return weight_files(folder, operand.base.name)


def _without_head(weights: Weights, operand: Operand) -> Weights:
    """Returns the weights of the encoder: what else is in the file of a model without a head was drawn at random."""
    from domain_adapt.training.freezing import layer_of

    encoder = next((name.partition(".")[0] for name in weights.names if layer_of(name) is not None), "")
    return Weights({name: home for name, home in weights.homes.items() if name.partition(".")[0] == encoder})


def _check_weights(expected: Weights, found: Weights, first: Operand, operand: Operand) -> None:
    pair = f"{first.base.name} and {operand.base.name}"
    absent = expected.homes.keys() - found.homes.keys()
    if operand.head == ENCODER != first.head:
        encoders = {name.partition(".")[0] for name in found.names}
        absent = {name for name in absent if name.partition(".")[0] in encoders}
    if different := sorted(absent | (found.homes.keys() - expected.homes.keys())):
        raise DomainAdaptError(f"merge: {pair} have different weights: {different[0]} is in one of them only")
    for name in found.names:
        shapes = expected.shape(name), found.shape(name)
        if shapes[0] != shapes[1]:
            raise _unlike(f"shapes of {name}", first.base.name, operand.base.name, *shapes)


def write_mean(
    folder: Path, opened: Sequence[Weights], weights: Sequence[float], on_progress: Callable[[int], None]
) -> None:
    """Writes ``model.safetensors`` with the weighted mean, a piece of a tensor at a time.

    A tensor that not all models have, that of a head, is the mean of those that have it, by the same proportions.
    """
    from domain_adapt.training.interpolation import interpolate_tensor

    full = max(opened, key=lambda one: len(one.homes))
    done = 0

    def mean(name: str) -> Iterator[torch.Tensor]:
        nonlocal done
        having = [(one, weight) for one, weight in zip(opened, weights, strict=True) if name in one.homes]
        total = sum(weight for _, weight in having)
        # All the weight on models without this tensor: the head is needed all the same, so those that have it share.
        shares = [weight / total if total else 1 / len(having) for _, weight in having]
        for pieces in zip(*(one.pieces(name) for one, _ in having), strict=True):
            try:
                yield interpolate_tensor(pieces, shares)
            except ValueError as error:
                raise DomainAdaptError(f"merge: {name}: {error}") from error
        done += 1
        on_progress(done)

    shapes = {}
    for name in full.names:
        kind = full.dtype(name)
        shapes[name] = (full.shape(name), "float32" if kind in ("float16", "bfloat16", "float64") else kind)
    write_weights(folder / "model.safetensors", shapes, mean)


def write_config(folder: Path, operands: Sequence[Operand], weights: Sequence[float]) -> None:
    """Writes the leading model's config and tokenizer; a threshold that was tuned for each becomes their mean."""
    first = leading(operands)
    config = json.loads((first.folder / "config.json").read_text(encoding="utf-8"))
    config.pop("torch_dtype", None)
    config["dtype"] = "float32"
    tuned = [
        (one.config[_TUNED], weight) for one, weight in zip(operands, weights, strict=True) if _TUNED in one.config
    ]
    if tuned and (total := sum(weight for _, weight in tuned)):
        config[_TUNED] = sum(value * weight for value, weight in tuned) / total
    write_json(folder / "config.json", config)
    for path in first.folder.iterdir():  # byte for byte, so that prepared text is found again
        if path.is_file() and is_tokenizer_file(path.name):
            shutil.copyfile(path, folder / path.name)
