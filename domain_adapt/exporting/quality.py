"""What a quantised model loses, on the data that the checkpoint itself was measured on."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional

from domain_adapt.bases import resolve_base
from domain_adapt.errors import DomainAdaptError, first_line
from domain_adapt.exporting.subject import ENCODER, MASKED_LM, Subject
from domain_adapt.labelled import load_data
from domain_adapt.recipes import DomainRecipe, Recipe, TaskRecipe
from domain_adapt.tasks import task_type
from domain_adapt.training.progress import meter
from domain_adapt.workspace import Workspace

logger = logging.getLogger(__name__)

# Of a part: an agreement of 99 % is then known to 0.6 points (95 %), and two passes of a base model over as many
# questions take minutes on a CPU and not hours.
_EXAMPLES = 1000
_BLOCKS = 64  # held-out blocks: some 1,200 masked tokens of blocks of 128
_ROWS = 8


def measure_loss(subject: Subject, other: nn.Module, workspace: Workspace) -> dict[str, Any] | None:
    """Returns figures of both models on the checkpoint's own data, and how often they agree; None if it is not there.

    For a task: the metrics on the test part (dev, if there is none) and the share of equal predictions, in percent. For
    a masked LM: the loss (nats) of masked tokens in held-out text, and the share of equal first guesses.
    """
    if subject.kind == ENCODER:
        return None
    try:
        found = _masked_lm(subject, other, workspace) if subject.kind == MASKED_LM else _task(subject, other, workspace)
    except (DomainAdaptError, ValidationError) as error:
        logger.info("the loss by quantisation is not measured on the checkpoint's own data: %s", first_line(error))
        return None
    if found:
        logger.info("int8 against float32, %s: %s", found["part"], _shown(found))
    return found


def _task(subject: Subject, other: nn.Module, workspace: Workspace) -> dict[str, Any]:
    manifest, tokenizer = subject.checkpoint.manifest, subject.tokenizer
    values = TaskRecipe.model_validate(manifest.recipe)
    kind = task_type(subject.kind)
    folder = workspace.tasks / values.name
    data = load_data(Recipe(values, folder, manifest.profile), kind, manifest.domain, (), ())
    part = "dev" if data.test is None else "test"
    examples = data.parts[part].examples[:_EXAMPLES]
    settings = kind.settings(values, subject.model.config)
    features = kind.featurise(examples, tokenizer, settings)
    logits, metrics, predictions = {}, {}, {}
    for name, model in (("float32", subject.model), ("int8", other)):
        with meter(f"scoring the {part} part, {name}") as progress:
            logits[name] = kind.logits(
                model,
                features,
                batch_size=16,
                device="cpu",
                pad_token_id=tokenizer.pad_token_id,
                on_progress=lambda done, total: progress.update(done),
            )
        predictions[name] = kind.decode(logits[name], features, examples, settings)
        metrics[name] = kind.metric(examples, predictions[name])
    pairs = list(zip(predictions["float32"], predictions["int8"], strict=True))
    same = [_answer(one) == _answer(two) for one, two in pairs]
    return {
        "part": part,
        "examples": len(examples),
        "same_data_as_trained_on": data.fingerprint() == manifest.corpus.get("content_sha256"),
        "max_difference": _largest(logits["float32"], logits["int8"]),
        "agreement": None if hasattr(pairs[0][0], "value") else 100 * sum(same) / len(same),  # numbers are never equal
        "metrics": metrics,
    }


def _masked_lm(subject: Subject, other: nn.Module, workspace: Workspace) -> dict[str, Any] | None:
    from domain_adapt.corpora import corpus_plan
    from domain_adapt.corpus.prepare import cached_corpus
    from domain_adapt.mlm.masking import EVALUATION_PROBABILITY, evaluation_key, mask_blocks, masking_vocabulary

    manifest = subject.checkpoint.manifest
    recipe = DomainRecipe.model_validate(manifest.recipe)
    plan = corpus_plan(Recipe(recipe, workspace.corpora / recipe.name, manifest.profile), workspace)
    base = resolve_base(recipe.base, workspace=workspace, revision=recipe.base_revision or None)
    corpus = cached_corpus(plan, base.tokenizer_sha256, workspace)  # prepared under the name of the base's tokenizer
    if corpus is None or len(corpus.heldout) == 0:
        logger.info("the loss by quantisation is not measured on held-out text: it is not prepared any more")
        return None
    blocks = np.asarray(corpus.heldout[:_BLOCKS])
    indices = np.arange(len(blocks))
    vocabulary = masking_vocabulary(subject.tokenizer)
    ids, drawn = mask_blocks(blocks, indices, vocabulary, key=evaluation_key(), probability=EVALUATION_PROBABILITY)
    chosen = torch.from_numpy(np.asarray(drawn).reshape(blocks.shape).astype(bool))
    labels = torch.from_numpy(blocks.astype(np.int64))[chosen]
    mask = torch.from_numpy((blocks != subject.tokenizer.pad_token_id).astype(np.int64))
    inputs = {"input_ids": torch.from_numpy(ids.astype(np.int64)), "attention_mask": mask}
    found = {}
    for name, model in (("float32", subject.model), ("int8", other)):
        found[name] = _masked_logits(model, inputs, chosen, subject.inputs, name)
    same = (found["float32"].argmax(1) == found["int8"].argmax(1)).float().mean()
    return {
        "part": "held-out text",
        "examples": len(labels),
        "same_data_as_trained_on": corpus.statistics["content_hash"] == manifest.corpus.get("content_sha256"),
        "max_difference": float((found["float32"] - found["int8"]).abs().max()),
        "agreement": 100 * float(same),
        "metrics": {name: {"mlm_loss": float(functional.cross_entropy(one, labels))} for name, one in found.items()},
    }


def _masked_logits(
    model: nn.Module, inputs: dict[str, torch.Tensor], chosen: torch.Tensor, names: Sequence[str], label: str
) -> torch.Tensor:
    """Returns (masked tokens, vocabulary) float32."""
    rows = []
    with meter(f"guessing masked tokens, {label}", len(chosen)) as progress, torch.inference_mode():
        for begin in range(0, len(chosen), _ROWS):
            batch = {name: value[begin : begin + _ROWS] for name, value in inputs.items()}
            if "token_type_ids" in names:
                batch["token_type_ids"] = torch.zeros_like(batch["input_ids"])
            rows.append(model(**batch).logits[chosen[begin : begin + _ROWS]])
            progress.update(begin + len(batch["input_ids"]))
    return torch.cat(rows)


def _answer(prediction: Any) -> dict[str, Any]:
    """Returns what a prediction says, without how sure it is."""
    fields = dataclasses.asdict(prediction)
    unsure = ("score", "scores", "span_score", "null_score", "margin", "probabilities")
    return {key: value for key, value in fields.items() if key not in unsure}


def _largest(one: Any, two: Any) -> float:
    """Returns the largest absolute difference of arrays, or of lists and tuples of arrays."""
    if isinstance(one, np.ndarray):
        return float(np.abs(one - two).max(initial=0.0))
    return max((_largest(first, second) for first, second in zip(one, two, strict=True)), default=0.0)


def _shown(found: dict[str, Any]) -> str:
    metrics = found["metrics"]
    figures = [f"{key} {metrics['float32'][key]:.2f} -> {value:.2f}" for key, value in metrics["int8"].items()]
    agreement = [] if found["agreement"] is None else [f"{found['agreement']:.1f} % of predictions are the same"]
    return ", ".join([*agreement, *figures])
