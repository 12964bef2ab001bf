"""Mixtures: how much of each source's tokens is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Share:
    """What a source is to make up of the corpus.

    Attributes:
        weight: Its tokens are in this proportion to those of the other sources with a weight; None takes all.
        max_tokens: At most so many tokens.
        replay: Share of all tokens that this source, of general text, makes up; None for a source of the domain.
    """

    weight: float | None = None
    max_tokens: int | None = None
    replay: float | None = None


@dataclass(frozen=True)
class Mixture:
    """What is taken.

    Attributes:
        keep: (documents,) bool.
        tokens: Tokens taken of each source.
        wanted: Tokens of each source that would have met its share; more than ``tokens`` where it is too small.
    """

    keep: Mask
    tokens: list[int]
    wanted: list[int]


def mix(
    tokens: npt.NDArray[np.int64],
    sources: npt.NDArray[np.integer],
    positions: npt.NDArray[np.float64],
    shares: Sequence[Share],
) -> Mixture:
    """Returns which documents make up the mixture; nothing is repeated.

    First the caps; then sources with weights are thinned to the largest amounts in the wanted proportions; then
    general text is added to its share of the whole, as far as there is any.

    Args:
        tokens: (documents,) tokens of each document.
        sources: (documents,) index of each document's source.
        positions: (documents,) numbers in [0, 1) by the hash of each text: a source that is thinned loses its
            documents with the highest ones, so that a corpus that grows keeps most of its choice.
        shares: One a source.
    """
    present = [int(tokens[sources == index].sum()) for index in range(len(shares))]
    wanted = [
        have if share.max_tokens is None else min(have, share.max_tokens)
        for have, share in zip(present, shares, strict=True)
    ]
    weighted = [index for index, share in enumerate(shares) if share.weight is not None and share.replay is None]
    if weighted:
        unit = min(wanted[index] / (shares[index].weight or 1) for index in weighted)
        for index in weighted:
            wanted[index] = int(unit * (shares[index].weight or 1))
    keep = np.zeros(len(tokens), dtype=np.bool_)
    taken = [0] * len(shares)
    domain = [index for index, share in enumerate(shares) if share.replay is None]
    for index in domain:
        mine = np.flatnonzero(sources == index)
        keep[mine], taken[index] = _up_to(tokens[mine], positions[mine], wanted[index])
    for index, share in enumerate(shares):
        if share.replay is not None:
            of_domain = sum(taken[other] for other in domain)
            wanted[index] = int(of_domain * share.replay / (1 - share.replay))
            limit = wanted[index] if share.max_tokens is None else min(wanted[index], share.max_tokens)
            mine = np.flatnonzero(sources == index)
            keep[mine], taken[index] = _up_to(tokens[mine], positions[mine], limit)
    return Mixture(keep, taken, wanted)


def _up_to(tokens: npt.NDArray[np.int64], positions: npt.NDArray[np.float64], limit: int) -> tuple[Mask, int]:
    """Returns the documents with the lowest positions that do not exceed the limit together, and their tokens."""
    if int(tokens.sum()) <= limit:
        return np.ones(len(tokens), dtype=np.bool_), int(tokens.sum())
    order = np.argsort(positions, kind="stable")
    keep = np.zeros(len(tokens), dtype=np.bool_)
    keep[order[np.cumsum(tokens[order]) <= limit]] = True
    return keep, int(tokens[keep].sum())
