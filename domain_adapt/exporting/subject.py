"""The checkpoint that is exported, loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.bases import (
    load_classifier,
    load_masked_lm,
    load_multiple_choice,
    load_question_answering,
    load_tokenizer,
    resolve_base,
)
from domain_adapt.checkpoints import Checkpoint, resolve
from domain_adapt.errors import DomainAdaptError
from domain_adapt.predict.finding import architecture
from domain_adapt.workspace import Workspace

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MASKED_LM, ENCODER = "fill-mask", "feature-extraction"  # what the Hub calls them; the others are task types
_KINDS = {
    "ForQuestionAnswering": "question-answering",
    "ForMultipleChoice": "multiple-choice",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForMaskedLM": MASKED_LM,
}


@dataclass(frozen=True)
class Subject:
    """A checkpoint with its model (float32, on the CPU, in evaluation mode) and tokenizer.

    Attributes:
        checkpoint: Where it came from.
        kind: A task type, ``fill-mask`` or ``feature-extraction``.
        model: The stock model.
        tokenizer: Of the model.
    """

    checkpoint: Checkpoint
    kind: str
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase

    @property
    def ref(self) -> str:
        """Name and version."""
        return self.checkpoint.ref

    @property
    def inputs(self) -> list[str]:
        """What the model is given."""
        return [name for name in self.tokenizer.model_input_names if name != "special_tokens_mask"]

    @property
    def outputs(self) -> list[str]:
        """What of the model's outputs is exported."""
        if self.kind == "question-answering":
            return ["start_logits", "end_logits"]
        return ["last_hidden_state" if self.kind == ENCODER else "logits"]

    @property
    def axes(self) -> dict[str, dict[int, str]]:
        """Dimensions of inputs and outputs that may have any size."""
        tokens = ["batch", "choices", "sequence"] if self.kind == "multiple-choice" else ["batch", "sequence"]
        answers = {"multiple-choice": tokens[:2], "text-classification": tokens[:1]}.get(self.kind, tokens)
        return {name: dict(enumerate(tokens)) for name in self.inputs} | {
            name: dict(enumerate(answers)) for name in self.outputs
        }


def load_subject(ref: str | Path, workspace: Workspace) -> Subject:
    """Returns a checkpoint with its model; every file that decides how it behaves is checked against the manifest.

    Raises:
        DomainAdaptError: If there is no such checkpoint, or it is damaged.
    """
    folder = resolve(ref, workspace).absolute()
    base = resolve_base(str(folder), workspace=workspace, allow_fine_tuned=True)
    if base.checkpoint is None:
        raise DomainAdaptError(f"{ref}: is not a checkpoint: it has no manifest.json")
    name = architecture(folder)
    kind = next((kind for suffix, kind in _KINDS.items() if name.endswith(suffix)), ENCODER)
    load: dict[str, Any] = {
        "question-answering": lambda: load_question_answering(folder, seed=None),
        "multiple-choice": lambda: load_multiple_choice(folder, seed=None),
        "text-classification": lambda: load_classifier(folder, "text", None, seed=None),
        "token-classification": lambda: load_classifier(folder, "token", None, seed=None),
        MASKED_LM: lambda: load_masked_lm(base),
        ENCODER: lambda: load_masked_lm(base).base_model,  # a masked LM's encoder draws no pooler
    }
    model = load[kind]().eval().requires_grad_(False)
    return Subject(base.checkpoint, kind, model, load_tokenizer(folder))
