"""Stage 1's side of the training loop: masked blocks in, sums of losses out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from domain_adapt.mlm.masking import MaskingVocabulary, SingleTokens, Strategy, mask_blocks, masking_key, probability_at
from domain_adapt.mlm.sparse_head import SparseHead
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
        inputs = {
            "input_ids": torch.from_numpy(input_ids),
            "positions": torch.from_numpy(positions),
            "labels": torch.from_numpy(blocks.reshape(-1)[positions].astype(np.int64)),
        }
        if not real.all():  # without padding no mask is passed, which lets attention take its fastest path
            inputs["attention_mask"] = torch.from_numpy(real.astype(np.int64))
        targets = {"mlm": len(positions)}
        if self._teacher is not None:
            share = uniform_rows(stream_key(self._seed, "distill", epoch), indices, 1)[:, 0]
            rows = np.flatnonzero(share < self._settings.distill_share)
            near = np.flatnonzero((real & ~chosen)[rows])
            inputs["distill_rows"] = torch.from_numpy(rows)
            inputs["distill_positions"] = torch.from_numpy(near)
            targets["distill"] = len(near)
        return MicroBatch(inputs, targets, int(real.sum()))

    def loss(self, model: nn.Module, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns the summed cross-entropy at the chosen positions and the summed distance to the base."""
        passed: dict[str, torch.Tensor] = {key: inputs[key] for key in ("input_ids", "attention_mask") if key in inputs}
        logits = self._head.logits(model, inputs["positions"], **passed)
        losses = {"mlm": functional.cross_entropy(logits.float(), inputs["labels"], reduction="sum")}
        if self._teacher is not None:
            losses["distill"] = self._distance(inputs, passed)
        return losses

    def _distance(self, inputs: dict[str, torch.Tensor], passed: dict[str, torch.Tensor]) -> torch.Tensor:
        assert self._teacher is not None and self._head.hidden is not None
        rows, near = inputs["distill_rows"], inputs["distill_positions"]
        hidden = self._head.hidden
        if len(rows) == 0:  # keep the term in the graph, so that every rank's backward pass has the same shape
            return hidden.sum() * 0.0
        with torch.no_grad():
            states = self._teacher(**{key: value.index_select(0, rows) for key, value in passed.items()})
        base = states.last_hidden_state
        base = base.reshape(-1, base.shape[-1]).index_select(0, near).float()
        adapted = hidden.index_select(0, rows)
        adapted = adapted.reshape(-1, adapted.shape[-1]).index_select(0, near).float()
        return (1.0 - functional.cosine_similarity(adapted, base, dim=-1)).sum()
