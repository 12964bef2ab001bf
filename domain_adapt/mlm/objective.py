"""Stage 1's side of the training loop: masked blocks in, sums of losses out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from domain_adapt.mlm.documents import DocumentAttention
from domain_adapt.mlm.masking import MaskingVocabulary, SingleTokens, Strategy, mask_blocks, masking_key, probability_at
from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.mlm.sparse_layer import Selection
from domain_adapt.randomness import stream_key, uniform_rows
from domain_adapt.recipes import MlmSettings
from domain_adapt.training.objective import MicroBatch


class MaskedLMObjective:
    """Masked-language-model loss, with optional distillation from the base.

    The distillation term keeps the adapted encoder near the base where nothing is to be predicted: the sum of
    ``1 - cos(adapted, base)`` over the last states at the positions not chosen for prediction. It works on a share of
    the blocks (drawn per epoch and block), since the base's forward pass costs a third of a training step.

    Args:
        blocks: ``(n, block_size)`` int32 packed token ids, memory-mapped or not.
        vocabulary: Of the tokenizer.
        settings: ``mlm`` table of the recipe.
        seed: Of the recipe.
        pad_id: Padding id; only the last block of a corpus has any.
        head: The sparse head installed on the model that will be trained.
        teacher: Encoder of the base, frozen, on the training device; needed if ``settings.distill_weight > 0``.
        documents: Keeps the documents of a block apart; None lets them see each other.
        strategy: What is masked together; must be the one ``settings.masking`` names, and may be left out for tokens.
    """

    def __init__(
        self,
        blocks: np.ndarray,
        vocabulary: MaskingVocabulary,
        settings: MlmSettings,
        *,
        seed: int,
        pad_id: int,
        head: SparseHead,
        teacher: PreTrainedModel | None = None,
        documents: DocumentAttention | None = None,
        strategy: Strategy | None = None,
    ) -> None:
        if strategy is None and settings.masking != "token":
            raise ValueError(f"{settings.masking} masking needs its strategy")
        self._blocks = blocks
        self._vocabulary = vocabulary
        self._settings = settings
        self._seed = seed
        self._pad_id = pad_id
        self._head = head
        self._teacher = teacher
        self._documents = documents
        self._strategy = SingleTokens() if strategy is None else strategy

    @property
    def weights(self) -> Mapping[str, float]:
        """``mlm`` counts once; ``distill`` as the recipe says, absent if it is off."""
        return {"mlm": 1.0} | ({"distill": self._settings.distill_weight} if self._teacher is not None else {})

    def batch(self, indices: np.ndarray, epoch: int, progress: float = 0.0) -> MicroBatch:
        """Builds the masked rows ``indices`` ((rows,) int64) of ``epoch``; ``progress`` sets the share of targets."""
        blocks = np.asarray(self._blocks[indices])
        input_ids, chosen = mask_blocks(
            blocks,
            indices,
            self._vocabulary,
            key=masking_key(self._seed, epoch, self._settings.mask_sets),
            probability=probability_at(self._settings, progress),
            strategy=self._strategy,
        )
        positions = np.flatnonzero(chosen)
        real = blocks != self._pad_id
        kept = np.empty(0, dtype=np.int64)
        inputs = {
            "input_ids": torch.from_numpy(input_ids),
            "labels": torch.from_numpy(blocks.reshape(-1)[positions].astype(np.int64)),
        }
        targets = {"mlm": len(positions)}
        if self._teacher is not None:
            share = uniform_rows(stream_key(self._seed, "distill", epoch), indices, 1)[:, 0]
            picked = share < self._settings.distill_share
            kept = np.flatnonzero(real & ~chosen & picked[:, None])
            inputs["distill_rows"] = torch.from_numpy(np.flatnonzero(picked))
            inputs["distill_positions"] = torch.from_numpy(np.flatnonzero((real & ~chosen)[picked]))
            targets["distill"] = len(kept)
        inputs |= Selection.of(positions, kept, *blocks.shape).tensors()
        if self._documents is not None:
            documents = self._documents.documents(blocks)
            inputs["documents"] = torch.from_numpy(documents)
            inputs["position_ids"] = torch.from_numpy(self._documents.position_ids(documents))
        elif not real.all():  # without padding no mask is passed, which lets attention take its fastest path
            inputs["attention_mask"] = torch.from_numpy(real.astype(np.int64))
        return MicroBatch(inputs, targets, int(real.sum()))

    def loss(self, model: nn.Module, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns the summed cross-entropy at the chosen positions and the summed distance to the base."""
        selection = Selection(**{key: inputs[key] for key in ("positions", "kept", "grid", "slots")})
        logits = self._head.logits(model, selection, **self._model_inputs(inputs))
        losses = {"mlm": functional.cross_entropy(logits.float(), inputs["labels"], reduction="sum")}
        if self._teacher is not None:
            losses["distill"] = self._distance(inputs)
        return losses

    def _model_inputs(self, inputs: dict[str, torch.Tensor], rows: torch.Tensor | None = None) -> dict[str, Any]:
        """Returns the arguments of a model's forward pass over all rows of a micro-batch, or some."""
        passed: dict[str, Any] = {
            key: inputs[key] if rows is None else inputs[key].index_select(0, rows)
            for key in ("input_ids", "attention_mask", "position_ids", "documents")
            if key in inputs
        }
        if self._documents is not None:
            passed["attention_mask"] = self._documents.mask(passed.pop("documents"))
        return passed

    def _distance(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        assert self._teacher is not None and self._head.kept is not None
        adapted, rows = self._head.kept.float(), inputs["distill_rows"]
        if len(rows) == 0:  # keep the term in the graph, so that every rank's backward pass has the same shape
            return adapted.sum()
        with torch.no_grad():
            base = self._teacher(**self._model_inputs(inputs, rows)).last_hidden_state
        base = base.reshape(-1, base.shape[-1]).index_select(0, inputs["distill_positions"]).float()
        return (1.0 - functional.cosine_similarity(adapted, base, dim=-1)).sum()
