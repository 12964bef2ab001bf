"""Which tokens stage 1 hides and asks for: masks as a pure function of (seed, epoch, block index)."""

from domain_adapt.mlm.masking.drawing import (
    EVALUATION_PROBABILITY,
    MASK_SHARE,
    RANDOM_SHARE,
    MaskingVocabulary,
    evaluation_key,
    mask_blocks,
    masking_key,
    masking_vocabulary,
)
from domain_adapt.mlm.masking.making import make_strategy, probability_at, words_for
from domain_adapt.mlm.masking.strategies import SingleTokens, Spans, Strategy, WeightedWords, WholeWords
from domain_adapt.mlm.masking.words import WordTable, word_table

__all__ = [
    "EVALUATION_PROBABILITY",
    "MASK_SHARE",
    "RANDOM_SHARE",
    "MaskingVocabulary",
    "SingleTokens",
    "Spans",
    "Strategy",
    "WeightedWords",
    "WholeWords",
    "WordTable",
    "evaluation_key",
    "make_strategy",
    "mask_blocks",
    "masking_key",
    "masking_vocabulary",
    "probability_at",
    "word_table",
    "words_for",
]
