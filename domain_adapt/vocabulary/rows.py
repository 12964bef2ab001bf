"""Rows of the embedding table for new tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedModel


def grow_rows(model: PreTrainedModel, first: int, pieces: Sequence[Sequence[int]]) -> None:
    """Gives a model a row for each new token, in place: the mean of the rows of the pieces it was cut into.

    The mean is near what the layers above know (Hewitt 2021; Yao et al. 2021, arXiv:2106.13474); a row of noise takes
    many steps to unlearn. Where the output has a table of its own, and where it has a bias, they begin the same way.

    Args:
        model: Its ``config.vocab_size`` grows as well, if there are not rows to spare.
        first: Id of the first new token; the others follow.
        pieces: The ids that each new token was cut into.
    """
    rows = max(model.get_input_embeddings().weight.shape[0], first + len(pieces))
    with torch.random.fork_rng(devices=[]):  # what is drawn for the new rows is written over
        if rows > model.get_input_embeddings().weight.shape[0]:
            model.resize_token_embeddings(rows, mean_resizing=False)
    tables: dict[int, nn.Parameter] = {}
    inputs, outputs = model.get_input_embeddings(), model.get_output_embeddings()
    for table in (inputs.weight, *([outputs.weight] if outputs is not None else [])):
        tables[id(table)] = table
    for bias in _biases(model, rows):
        tables[id(bias)] = bias
    with torch.no_grad():
        for table in tables.values():
            for number, ids in enumerate(pieces):
                table[first + number] = table[list(ids)].mean(dim=0)


def _biases(model: PreTrainedModel, rows: int) -> list[nn.Parameter]:
    """Returns the output biases, one number a token, whichever module of the head holds them."""
    return [one for name, one in model.named_parameters() if one.ndim == 1 and len(one) == rows and "bias" in name]
