"""What a training token of stage 1 costs, counted."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from domain_adapt.mlm.sparse_head import SparseHead
from domain_adapt.mlm.sparse_layer import Selection


def flops_per_token(
    model: PreTrainedModel, head: SparseHead, *, tokens: int, predicted: float, distilled: float
) -> float:
    """Returns the FLOP of a token's forward and backward pass, matrix products only, two for a multiply-add.

    Counted on one row, so that frozen layers and every architecture come out right. For an encoder of ``n`` weights
    without its embeddings, ``l`` layers of width ``h`` and a head of ``v`` weights, all learning, it is
    ``6 n + 12 l h tokens + 6 predicted v``, and a teacher adds ``distilled (2 n + 4 l h tokens)`` (Chowdhery et al.
    2022, arXiv 2204.02311, appendix B). What the last layer leaves out does not count, nor do activations that are
    computed a second time.

    Args:
        model: With what is frozen already frozen; not compiled. Gradients are cleared.
        head: Installed on ``model``.
        tokens: In a row.
        predicted: Share of the tokens whose logits are computed.
        distilled: Share of the rows that a teacher of the same size reads.
    """
    device = next(model.parameters()).device
    input_ids = torch.full((1, tokens), int(model.config.pad_token_id or 0) + 1, device=device)
    positions = np.arange(max(1, round(predicted * tokens)))
    selection = Selection.of(positions, positions[:0], 1, tokens).to(device)
    was_training = model.training
    model.eval()  # nothing is recomputed, and dropout costs no product
    # The counter knows no fused attention of the CPU; written out, attention is two products of matrices.
    with sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False) as student:
            head.logits(model, selection, input_ids=input_ids).sum().backward()  # type: ignore[no-untyped-call]
        with FlopCounterMode(display=False) as teacher, torch.no_grad():
            model.base_model(input_ids=input_ids)
    model.train(was_training)
    model.zero_grad(set_to_none=True)
    return float(student.get_total_flops() + distilled * teacher.get_total_flops()) / tokens
