"""Masks as a pure function of (seed, epoch, block index), drawn with a counter-based generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from domain_adapt.mlm.masking.strategies import SingleTokens, Strategy
from domain_adapt.randomness import stream_key, uniform_rows

MASK_SHARE = 0.8  # of the chosen tokens; the next tenth becomes a random token, the last stays (Devlin et al. 2019)
RANDOM_SHARE = 0.1
EVALUATION_PROBABILITY = 0.15  # fixed, so that held-out losses of any two runs compare
_SINGLE_TOKENS = SingleTokens()


@dataclass(frozen=True)
class MaskingVocabulary:
    """What masking needs to know of a tokenizer.

    Attributes:
        mask_id: Id of the mask token.
        ordinary_ids: ``(n,)`` int64, every id that is not a special token; replacements are drawn from these.
        is_ordinary: ``(vocab_size,)`` bool; only these are ever predicted.
    """

    mask_id: int
    ordinary_ids: np.ndarray
    is_ordinary: np.ndarray


def masking_vocabulary(tokenizer: PreTrainedTokenizerBase) -> MaskingVocabulary:
    """Returns the mask id and the ordinary ids of ``tokenizer``."""
    is_ordinary = np.ones(len(tokenizer), dtype=bool)
    is_ordinary[tokenizer.all_special_ids] = False
    return MaskingVocabulary(int(tokenizer.mask_token_id), np.flatnonzero(is_ordinary), is_ordinary)


def mask_blocks(
    blocks: np.ndarray,
    indices: np.ndarray,
    vocabulary: MaskingVocabulary,
    *,
    key: int,
    probability: float,
    strategy: Strategy = _SINGLE_TOKENS,
) -> tuple[np.ndarray, np.ndarray]:
    """Chooses tokens to predict and replaces them: 80 % by the mask, 10 % by a random token, 10 % not at all.

    Args:
        blocks: ``(rows, block_size)`` integer token ids.
        indices: ``(rows,)`` number of each block in its corpus; with ``key`` it decides the row's mask.
        vocabulary: Of the tokenizer.
        key: From :func:`masking_key`.
        probability: Expected share of ordinary tokens to choose.
        strategy: What is chosen together; single tokens, each on its own, unless told otherwise.

    Returns:
        ``input_ids`` ``(rows, block_size)`` int64 and ``chosen`` ``(rows, block_size)`` bool.

    Source: Devlin et al. 2019 (arXiv 1810.04805); redrawn every epoch as in Liu et al. 2019 (arXiv 1907.11692).
    """
    width = blocks.shape[1]
    draws = uniform_rows(key, indices, 2 * width)  # each token has one for the choice and one for what becomes of it
    choice = strategy.choose(blocks, draws[:, :width], probability)
    chosen = choice.chosen & vocabulary.is_ordinary[blocks]
    own = draws[:, width:]
    action = own if choice.leader is None else own.reshape(-1)[choice.leader]
    input_ids = blocks.astype(np.int64)
    input_ids[chosen & (action < MASK_SHARE)] = vocabulary.mask_id
    replaced = chosen & (action >= MASK_SHARE) & (action < MASK_SHARE + RANDOM_SHARE)
    pick = own[replaced]
    decided = pick == action[replaced]
    # A draw that has decided the action lies in its tenth, within which it is uniform again; the others are anyway.
    share = np.where(decided, (pick - MASK_SHARE) / RANDOM_SHARE, pick)
    position = (share * len(vocabulary.ordinary_ids)).astype(np.int64)
    input_ids[replaced] = vocabulary.ordinary_ids[position.clip(0, len(vocabulary.ordinary_ids) - 1)]
    return input_ids, chosen


def masking_key(seed: int, epoch: int, mask_sets: int = 0) -> int:
    """Returns the generator key of the training masks of one epoch.

    Args:
        seed: Of the recipe.
        epoch: 0-based.
        mask_sets: With N > 0 the epochs use N keys in turn (the "static masks" of Liu et al. 2019 are 10 of them);
            with 0 every epoch has its own.
    """
    return stream_key(seed, "mask", epoch % mask_sets if mask_sets else epoch)


def evaluation_key() -> int:
    """Returns the generator key of held-out masks: the same for every seed, so that losses compare."""
    return stream_key(0, "evaluation-mask")
