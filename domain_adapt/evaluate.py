"""Held-out figures of a model."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

from domain_adapt.mlm.masking import EVALUATION_PROBABILITY, MaskingVocabulary, evaluation_key, mask_blocks
from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.mlm.sparse_layer import Selection
from domain_adapt.training import ranks


def heldout_mlm_loss(
    model: PreTrainedModel,
    head: SparseHead,
    blocks: np.ndarray,
    vocabulary: MaskingVocabulary,
    *,
    pad_id: int,
    device: torch.device,
    rows: int,
    on_progress: Callable[[int], None] | None = None,
) -> float:
    """Returns the mean cross-entropy (nats a token) of masked tokens in held-out blocks; all ranks share the work.

    The masks are 15 % single tokens, 80/10/10, and the same whatever the run's seed and settings, so that the losses of
    any two models with one tokenizer compare; in fp32, dropout off.

    Args:
        model: On ``device``; its training mode is put back afterwards.
        head: Sparse head installed on ``model``.
        blocks: ``(n, block_size)`` integer token ids, n >= 1.
        vocabulary: Of the tokenizer.
        pad_id: Padding id.
        device: Where ``model`` is.
        rows: Rows in one forward pass.
        on_progress: Called with the number of blocks done.
    """
    was_training = model.training
    passes = math.ceil(len(blocks) / (rows * ranks.count()))
    model.eval()
    total, count = 0.0, 0
    with torch.inference_mode():
        for number in range(passes):
            # Every rank makes as many passes as the others, also where nothing is left for it.
            start = (number * ranks.count() + ranks.rank()) * rows
            indices = np.arange(start, min(start + rows, len(blocks)))
            idle = len(indices) == 0
            indices = np.zeros(1, dtype=np.int64) if idle else indices
            part = np.asarray(blocks[indices])
            input_ids, chosen = mask_blocks(
                part, indices, vocabulary, key=evaluation_key(), probability=EVALUATION_PROBABILITY
            )
            positions = np.flatnonzero(chosen)
            labels = torch.from_numpy(part.reshape(-1)[positions].astype(np.int64)).to(device)
            logits = head.logits(
                model,
                Selection.of(positions, positions[:0], *part.shape).to(device),
                input_ids=torch.from_numpy(input_ids).to(device),
                attention_mask=torch.from_numpy((part != pad_id).astype(np.int64)).to(device),
            )
            if not idle:
                total += float(functional.cross_entropy(logits.float(), labels, reduction="sum"))
                count += len(positions)
            if on_progress is not None:
                on_progress(min((number + 1) * ranks.count() * rows, len(blocks)))
    model.train(was_training)
    total, masked = ranks.summed([total, float(count)])
    return total / max(masked, 1.0)


def perplexity(loss: float) -> float:
    """Returns ``exp(loss)``, the perplexity of a mean cross-entropy in nats."""
    return math.exp(min(loss, 700.0))  # exp overflows a double just above 709
