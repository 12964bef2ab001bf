"""From the recipe's ``mlm`` table to a strategy."""

from __future__ import annotations

import numpy as np
from transformers import PreTrainedTokenizerBase

from domain_adapt.errors import DomainAdaptError
from domain_adapt.mlm.masking.anchors import english_frequency
from domain_adapt.mlm.masking.strategies import SingleTokens, Spans, Strategy, WeightedWords, WholeWords
from domain_adapt.mlm.masking.weights import difference_weights
from domain_adapt.mlm.masking.words import WordTable, word_table
from domain_adapt.recipes import MlmSettings


def words_for(settings: MlmSettings, tokenizer: PreTrainedTokenizerBase) -> WordTable | None:
    """Returns the word table that ``settings.masking`` needs, or None if it needs none.

    Meant to be called first: whatever a recipe asks for and this machine or this base cannot do is said here, before
    the corpus is read.

    Raises:
        DomainAdaptError: If the tokenizer does not tell words apart, the share asked for is out of the reach of spans,
            or difference masking lacks the package wordfreq.
    """
    if settings.masking == "token":
        return None
    words = word_table(tokenizer)
    if settings.masking == "span":
        largest = Spans(words).largest_probability
        for key in ("probability", "probability_end"):
            if (getattr(settings, key) or 0.0) > largest:
                raise DomainAdaptError(f"mlm.{key}: spans with gaps between them cover at most {largest:.2f} of a text")
    if settings.masking == "difference":
        english_frequency()
    return words


def make_strategy(
    settings: MlmSettings,
    words: WordTable | None,
    *,
    blocks: np.ndarray,
    counts: np.ndarray,
    embeddings: np.ndarray,
) -> Strategy:
    """Returns the strategy that ``settings.masking`` names; a function of base and corpus, so every run has the same.

    Args:
        settings: ``mlm`` table of the recipe.
        words: From :func:`words_for`.
        blocks: ``(n, block_size)`` token ids to train on.
        counts: How often each token occurs in ``blocks``; 0 for special tokens.
        embeddings: ``(vocab_size or more, width)``, the input embeddings of the base.

    Raises:
        DomainAdaptError: If difference masking finds no word to go by.
    """
    if words is None:
        return SingleTokens()
    if settings.masking == "whole-word":
        return WholeWords(words)
    if settings.masking == "span":
        return Spans(words)
    weights = difference_weights(blocks, counts, embeddings, words, anchors=settings.difference_anchors)
    return WeightedWords(words, weights, counts)


def probability_at(settings: MlmSettings, progress: float) -> float:
    """Returns the share of tokens to predict after the share ``progress`` of the steps.

    Linear from ``probability`` to ``probability_end`` (Ankner et al. 2023, "Dynamic Masking Rate Schedules for MLM
    Pretraining", arXiv 2305.15096, who let it fall from 30 % to 15 %).
    """
    if settings.probability_end is None:
        return settings.probability
    return settings.probability + progress * (settings.probability_end - settings.probability)
