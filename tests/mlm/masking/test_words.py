import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from domain_adapt.corpus.packing import pack
from domain_adapt.errors import DomainAdaptError
from domain_adapt.mlm.masking import Spans, WeightedWords, WholeWords, mask_blocks, masking_vocabulary, word_table
from domain_adapt.mlm.masking.words import WordTable

FAMILIES = ["wordpiece", "byte-level", "unigram", "byte-fallback"]


def words_of(tokenizer, text):
    """The words of a text as the table sees them."""
    table = word_table(tokenizer)
    ids = np.array([tokenizer(text, add_special_tokens=False).input_ids])
    first = [*np.flatnonzero(table.starts(ids)[0]), ids.shape[1]]
    return [table.text(tuple(ids[0, start:end])) for start, end in pairwise(first)]


@pytest.mark.parametrize("family", FAMILIES[1:])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Myocardial infarction, stopped.", ["Myocardial", "infarction", ",", "stopped", "."]),
        ("pays 12.5mg - co-pay", ["pays", "12", ".", "5mg", "-", "co", "-", "pay"]),
        ("naïve café zyzzyva", ["naïve", "café", "zyzzyva"]),
        ("Дом 한국", ["Дом", "한국"]),
        ("字文中 か", ["字", "文", "中", "か"]),
    ],
)
def test_words_are_runs_of_letters_and_digits_whatever_the_pieces(tokenizers, family, text, words):
    assert words_of(tokenizers[family], " " + text) == words


def test_words_of_wordpiece_are_those_too(tokenizers):
    text = "Myocardial infarction, fever2b; unheardof."
    assert words_of(tokenizers["wordpiece"], text) == [
        "myocardial",
        "infarction",
        ",",
        "fever2b",
        ";",
        "unheardof",
        ".",
    ]


def test_punctuation_that_a_piece_holds_stays_with_it(tokenizers):
    assert words_of(tokenizers["byte-level"], " don't") == ["don", "'t"]  # RoBERTa's pattern cuts off 't, 's, 're ...


def test_each_piece_of_a_word_but_the_first_belongs_to_it(tokenizers):
    tokenizer = tokenizers["byte-level"]
    pieces = tokenizer(" zyzzyva", add_special_tokens=False).input_ids
    ids = np.array([[0, *pieces, 2, *pieces, 2, 1]])
    rest = [False] * (len(pieces) - 1)
    assert len(rest) > 1
    starts = word_table(tokenizer).starts(ids)[0].tolist()
    assert starts == [True, True, *rest, True, True, *rest, True, True]


def test_boundaries_are_the_special_tokens_but_not_the_unknown_one(tokenizers):
    for tokenizer in tokenizers.values():
        table, unknown = word_table(tokenizer), tokenizer.unk_token_id
        found = set(np.flatnonzero(table.is_boundary(np.arange(len(tokenizer)))))
        assert found == set(tokenizer.all_special_ids) - {unknown}


def test_an_unknown_character_between_letters_does_not_split_their_word(tokenizers):
    text = "ab𓀀cd ef"
    tokenizer = tokenizers["unigram"]
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.unk_token_id in ids
    starts = word_table(tokenizer).starts(np.array([ids]))[0]
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True).offset_mapping
    assert [offsets[at][0] for at in np.flatnonzero(starts)] in ([0, 5], [0, 6])


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        (b"a-", True, False),
        (b"-a", False, True),
        (b"9", True, True),
        ("\u0301".encode(), True, True),  # a combining accent goes with its letter
        ("中".encode(), False, False),
        ("ー".encode(), False, False),
        (b"\x9f\x98", True, True),  # the rest of a character must stay with its beginning
        ("é".encode()[:1], True, True),  # may become a letter
        ("中".encode()[:1], False, True),  # whatever follows 0xE4 is an ideograph: a word of its own
        ("😀".encode()[:3], False, True),  # an emoji, whatever its last byte
        (b"\xf0", True, True),
    ],
)
def test_parts_of_characters_are_joined_unless_they_can_be_no_letter(text, begins, ends):
    letter = b"x"
    table = WordTable.from_texts([letter, text], [])
    assert table.starts(np.array([[0, 1, 0]])).tolist() == [[True, not begins, not ends]]


@pytest.mark.parametrize(
    "tokenizer",
    [
        Tokenizer(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>")),
        Tokenizer(models.BPE({"a": 0, "b</w>": 1}, [], end_of_word_suffix="</w>")),
    ],
)
def test_other_families_are_refused_by_the_recipe_key(tokenizer):
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(DomainAdaptError, match=r"mlm\.masking") as caught:
        word_table(PreTrainedTokenizerFast(tokenizer_object=tokenizer))
    assert "token" in caught.value.hint


def test_a_word_start_on_its_own_belongs_to_what_follows(tokenizers):
    tokenizer = tokenizers["unigram"]
    ids = tokenizer.convert_tokens_to_ids(["▁", "中", "▁", "(", "▁", "▁"])
    assert word_table(tokenizer).starts(np.array([ids]))[0].tolist() == [True, False, True, False, True, True]


FRAGMENTS = st.sampled_from(
    [
        "Myocardial",
        "coupon",
        "zyzzyva",
        "2b",
        "12",
        "é",
        "e\u0301",
        "ñ",
        "ß",
        "ÅÄ",
        "'",
        "\u2019",
        "'s",
        "-",
        ".",
        ",",
        "(",
        "…",
    ]
    + [
        "中",
        "文",
        "国",
        "々",
        "か",
        "ナ",
        "ー",
        "한국",
        "ш",
        "ع",
        "ก",
        "😀",
        "👍🏽",
        "👩‍⚕️",
        "𓀀",
        " ",
        "  ",
        "\n",
        "_",
        "²",
        "A",
        "x",
    ]
)


def runs_of(text):
    """Maximal runs of letters and digits as (start, end), ideographs and kana left out."""
    spaceless = ("CJK", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC")
    inside = [letter.isalnum() and not unicodedata.name(letter, "").startswith(spaceless) for letter in text]
    edges = [at for at, (before, after) in enumerate(pairwise([False, *inside, False])) if before != after]
    return list(zip(edges[::2], edges[1::2], strict=True))


@pytest.mark.parametrize("strategy", ["whole-word", "span", "difference"])
@pytest.mark.parametrize("family", FAMILIES)
def test_masks_never_split_a_run_of_letters_and_digits(tokenizers, family, strategy):
    tokenizer = tokenizers[family]
    table, vocabulary = word_table(tokenizer), masking_vocabulary(tokenizer)
    weights = np.linspace(0.1, 2, len(table.flags)) * np.append(vocabulary.is_ordinary, False)[: len(table.flags)]
    chooser = {
        "whole-word": WholeWords(table),
        "span": Spans(table),
        "difference": WeightedWords(table, weights, weights > 0),
    }[strategy]

    @settings(deadline=None, max_examples=60)
    @given(st.lists(st.lists(FRAGMENTS, min_size=1, max_size=12), min_size=1, max_size=5), st.integers(0, 2**32))
    def check(documents, key):
        texts = ["".join(document) for document in documents]
        encoded = [tokenizer(text, add_special_tokens=False, return_offsets_mapping=True) for text in texts]
        layout = {"block_size": 24, "cls_id": tokenizer.cls_token_id, "sep_id": tokenizer.sep_token_id}
        blocks = pack([one.input_ids for one in encoded], pad_id=tokenizer.pad_token_id, **layout)
        # The same packing of running numbers tells where each token went; the numbers keep clear of the special ids.
        counts = np.cumsum([1000, *(len(one.input_ids) for one in encoded)])
        numbers = [np.arange(start, end) for start, end in pairwise(counts)]
        places = pack(numbers, pad_id=0, **{**layout, "cls_id": 0, "sep_id": 0})
        chosen = mask_blocks(blocks, np.arange(len(blocks)), vocabulary, key=key, probability=0.4, strategy=chooser)[1]
        for text, one, own in zip(texts, encoded, numbers, strict=True):
            for start, end in runs_of(text):
                over = [n for n, (low, high) in zip(own, one.offset_mapping, strict=True) if low < end and high > start]
                for row in range(len(blocks)):
                    tokens = np.isin(places[row], over) & vocabulary.is_ordinary[blocks[row]]
                    assert chosen[row][tokens].all() or not chosen[row][tokens].any(), text[start:end]

    check()
