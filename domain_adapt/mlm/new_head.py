"""A head for masked-language modelling where the base has none."""

from __future__ import annotations

import numpy as np
import torch
from transformers import PreTrainedModel

from domain_adapt.mlm.sparse_head import head_parameters


def start_head(model: PreTrainedModel, counts: np.ndarray) -> list[str]:
    """Prepares an untrained LM head for training and returns the names of its parameters.

    The logarithm of the corpus's word frequencies becomes the output bias, so that the loss begins at the unigram
    entropy and not at the logarithm of the vocabulary size; the square transform begins as the identity, so that the
    encoder's states reach the tied embeddings undistorted.

    Args:
        model: Changed in place.
        counts: How often each token id occurs in the text, ``(ids,)`` integers.
    """
    names = head_parameters(model)
    parameters = dict(model.named_parameters())
    bias = getattr(model.get_output_embeddings(), "bias", None)
    with torch.no_grad():
        for name in names:
            weight = parameters[name]
            if weight.ndim == 2 and weight.shape[0] == weight.shape[1]:
                torch.nn.init.eye_(weight)
        if bias is not None:
            smoothed = torch.ones(len(bias))  # one more each, so that an unseen token stays possible
            smoothed[: len(counts)] += torch.from_numpy(counts.astype("float32"))
            bias.copy_((smoothed / smoothed.sum()).log())
    return names
