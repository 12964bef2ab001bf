"""What a training token of stage 2 costs, counted."""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel


def encoder_flops_per_token(model: PreTrainedModel, *, tokens: int) -> float:
    """Returns the FLOP of a token's forward and backward pass through the encoder; two for a multiply-add.

    Counted on one row, products of matrices only, so that what is frozen comes out right; about ``6 n + 12 l h tokens``
    for an encoder of ``n`` weights without embeddings and ``l`` layers of width ``h`` that all learn (Chowdhery et al.
    2022, arXiv 2204.02311, appendix B). A head for labels is a few thousand weights and does not count.

    Args:
        model: With what is frozen already frozen; gradients are cleared.
        tokens: In a row.
    """
    encoder = model.base_model
    device = next(model.parameters()).device
    input_ids = torch.full((1, tokens), int(model.config.pad_token_id or 0) + 1, device=device)
    was_training = model.training
    model.eval()  # nothing is recomputed, and dropout costs no product
    # The counter knows no fused attention of the CPU; written out, attention is two products of matrices.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        states = encoder(input_ids=input_ids).last_hidden_state
        if states.requires_grad:
            states.sum().backward()
    model.train(was_training)
    model.zero_grad(set_to_none=True)
    return float(counter.get_total_flops()) / tokens
