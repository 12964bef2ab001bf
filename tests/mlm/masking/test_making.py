import sys

import numpy as np
import pytest

from domain_adapt.errors import DomainAdaptError
from domain_adapt.mlm.masking import (
    SingleTokens,
    Spans,
    WeightedWords,
    WholeWords,
    make_strategy,
    probability_at,
    words_for,
)
from domain_adapt.recipes import MlmSettings


def made(tokenizer, **keys):
    settings = MlmSettings(**keys)
    ids = tokenizer(" muscle" * 12 + " of the coupon", add_special_tokens=False).input_ids
    blocks = np.array([ids], dtype=np.int32)
    embeddings = np.random.Generator(np.random.Philox(0)).normal(size=(len(tokenizer), 8)).astype(np.float32)
    counts = np.bincount(ids, minlength=len(tokenizer))
    words = words_for(settings, tokenizer)
    return make_strategy(settings, words, blocks=blocks, counts=counts, embeddings=embeddings)


@pytest.mark.parametrize(
    ("masking", "kind"),
    [("token", SingleTokens), ("whole-word", WholeWords), ("span", Spans), ("difference", WeightedWords)],
)
def test_the_recipe_key_names_the_strategy(tokenizers, masking, kind):
    assert type(made(tokenizers["byte-level"], masking=masking)) is kind


def test_single_tokens_need_no_word_table():
    assert words_for(MlmSettings(), None) is None  # so any tokenizer will do


@pytest.mark.parametrize("key", ["probability", "probability_end"])
def test_spans_say_what_they_cannot_reach(tokenizers, key):
    with pytest.raises(DomainAdaptError, match=rf"mlm\.{key}: .*0\.79"):
        words_for(MlmSettings(masking="span", **{key: 0.8}), tokenizers["unigram"])
    assert words_for(MlmSettings(masking="span", **{key: 0.79}), tokenizers["unigram"]) is not None


def test_a_missing_package_is_said_before_the_corpus_is_read(tokenizers, monkeypatch):
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    with pytest.raises(DomainAdaptError, match="wordfreq"):
        words_for(MlmSettings(masking="difference"), tokenizers["unigram"])


def test_the_share_goes_linearly_to_its_end():
    falling = MlmSettings(probability=0.3, probability_end=0.1)
    assert [probability_at(falling, progress) for progress in (0, 0.25, 1)] == pytest.approx([0.3, 0.25, 0.1])
    assert probability_at(MlmSettings(probability=0.3), 0.7) == 0.3
