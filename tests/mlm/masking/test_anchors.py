import re
import sys
from collections import Counter

import numpy as np
import pytest

from domain_adapt.corpus.packing import pack
from domain_adapt.errors import DomainAdaptError
from domain_adapt.mlm.masking import anchors, word_table
from domain_adapt.mlm.masking.anchors import WordCount, count_words, english_frequency, find_anchors

WORDS = [
    "myocardial",
    "Myocardial",
    "of",
    "the",
    "muscle",
    "coupon",
    "x2b",
    "12",
    "zyzzyva",
    "naïve",
    "Дом",
    "and",
    "ab",
    "qxyz",
    "qzyx",  # the same pieces in another order
]


def blocks_of(tokenizer, texts, block_size=4096):
    ids = [tokenizer(text, add_special_tokens=False).input_ids for text in texts]
    specials = {"cls_id": tokenizer.cls_token_id, "sep_id": tokenizer.sep_token_id, "pad_id": tokenizer.pad_token_id}
    return pack(ids, block_size=block_size, **specials)


@pytest.mark.parametrize("family", ["byte-level", "unigram", "byte-fallback"])
def test_words_are_counted_as_a_reader_of_the_text_would(tokenizers, family, monkeypatch):
    generator = np.random.default_rng(0)
    texts = [" " + ", ".join(generator.choice(WORDS, size=40)) for _ in range(30)]
    monkeypatch.setattr(anchors, "_CHUNK_TOKENS", 1024)  # several chunks
    tokenizer = tokenizers[family]
    blocks = blocks_of(tokenizer, texts, 512)
    found = count_words(blocks, word_table(tokenizer))
    assert [word.count for word in found] == sorted((word.count for word in found), reverse=True)
    counted = {word.text: word.count for word in found}
    words = Counter(word for word in re.findall(r"\w+", " ".join(texts).lower()) if len(word) > 2 and word.isalpha())
    assert set(words) == {"myocardial", "the", "muscle", "coupon", "and", "zyzzyva", "naïve", "дом", "qxyz", "qzyx"}
    missing = {word: words[word] - counted[word] for word in words}
    assert min(missing.values()) >= 0
    assert sum(missing.values()) < len(blocks) < 50  # a word cut by the edge of a block is two others


def test_spellings_are_added_up_and_the_commonest_gives_the_pieces(tokenizers):
    tokenizer = tokenizers["byte-level"]
    texts = [" Bonds bonds" + " bonds" * 3 + " BONDS."]
    (word,) = count_words(blocks_of(tokenizer, texts, 64), word_table(tokenizer))
    assert word == WordCount("bonds", 6, tuple(tokenizer(" bonds", add_special_tokens=False).input_ids))


def test_of_a_large_corpus_evenly_spaced_blocks_are_read(tokenizers, monkeypatch):
    tokenizer = tokenizers["byte-level"]
    texts = [" muscle" if number % 4 == 0 else " coupon" for number in range(40)]
    blocks = np.concatenate([blocks_of(tokenizer, [text], 8) for text in texts])
    monkeypatch.setattr(anchors, "SAMPLED_TOKENS", blocks.size // 4)
    assert [(word.text, word.count) for word in count_words(blocks, word_table(tokenizer))] == [("muscle", 10)]


def count(text, number):
    return WordCount(text, number, (0,))


def test_anchors_are_frequent_here_and_rare_elsewhere():
    general = {"the": 0.05, "rate": 1e-4, "swap": 1e-6, "number": 4e-4, "isda": 0.0, "typo": 0.0, "fee": 1e-6}
    words = [count(*pair) for pair in (("the", 9000), ("rate", 300), ("number", 300), ("swap", 250), ("fee", 250))]
    words += [count("isda", 200), count("typo", 4)]
    # 250 ln 1e6 = 3454; 200 ln 1e8 = 3684; 300 ln 1e4 = 2763; 300 ln 2500 = 2347; "the" is as frequent everywhere
    found = [word.text for word in find_anchors(words, 10, general.__getitem__)]
    assert found == ["isda", "fee", "swap", "rate", "number"]  # equal scores by the alphabet; four typos are too few
    assert [word.text for word in find_anchors(words, 2, general.__getitem__)] == ["isda", "fee"]


def test_an_unknown_word_counts_as_the_rarest_known_one():
    words = [count("known", 100), count("unknown", 100), count("rarer", 100)]
    general = {"known": 1e-8, "unknown": 0.0, "rarer": 1e-9}
    assert [word.text for word in find_anchors(words, 3, general.__getitem__)] == ["known", "rarer", "unknown"]


def test_the_thresholds_fit_the_list_of_general_english():
    frequency = english_frequency()
    assert min(frequency(word) for word in ("the", "with", "which", "from")) > anchors.COMMONEST
    assert max(frequency(word) for word in ("blood", "credit", "muscle")) < anchors.COMMONEST
    assert frequency("camptodactyly") == 0 < anchors.RAREST < frequency("hypotonia")


def test_without_wordfreq_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    with pytest.raises(DomainAdaptError, match=r"mlm\.masking.*wordfreq") as caught:
        english_frequency()
    assert "pip install" in caught.value.hint
