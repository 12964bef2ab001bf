"""Tokenizers learn words as wholes: no other word is cut differently, and text comes back as it was."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import VocabularySettings
from domain_adapt.vocabulary.choosing import Specificity, choose_terms, count_forms
from domain_adapt.vocabulary.families import family_of
from domain_adapt.vocabulary.growing import grow_vocabulary

FAMILIES = ["wordpiece", "byte-level", "unigram"]
TERMS = ["quokka", "zyzzy", "myrrh"]
OTHERS = ["quokkas", "zyzzyva", "myrrhs", "heart", "prequokka", "zyzzy1", "art", "a", "rh", "quok"]
GENERAL = {"the": 1000.0, "heart": 500.0, "of": 900.0, "zyzzyva": 1.0}
TEXT = "the quokka of the zyzzy myrrh (quokka, zyzzy) myrrh. " * 12 + "heart " * 20


LEARNT = {family: set(TERMS) for family in FAMILIES} | {"unigram": {"quokka", "myrrh"}}  # zyzzyva begins with zyzzy


@pytest.fixture(scope="module")
def grown(tokenizers, reachable_byte_level, tmp_path_factory):
    """Family -> (tokenizer before, tokenizer after, what was learnt)."""
    found = {}
    for family in FAMILIES:
        before = reachable_byte_level if family == "byte-level" else tokenizers[family]
        learnt = grow_vocabulary(
            lambda: [TEXT],
            "text",
            before,
            VocabularySettings(add=20, min_count=5, min_pieces=2),
            GENERAL,
            tmp_path_factory.mktemp("vocabularies"),
        )
        found[family] = before, AutoTokenizer.from_pretrained(learnt.folder), learnt
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_terms_become_one_token_each_with_the_ids_that_follow(grown, family):
    before, after, learnt = grown[family]
    assert {term.form.strip() for term in learnt.terms} == LEARNT[family]
    assert learnt.first == max(before.get_vocab().values()) + 1
    assert len(after) == learnt.first + len(learnt.terms)
    for number, term in enumerate(learnt.terms):
        assert after(term.form, add_special_tokens=False)["input_ids"] == [learnt.first + number]
        assert tuple(before(term.form, add_special_tokens=False)["input_ids"]) == term.pieces


PIECES = st.sampled_from(
    [*TERMS, *OTHERS, *(word.upper() for word in TERMS), "heart's", "é", "12", "(", ")", "-", ",", "."]
)


@pytest.mark.parametrize("family", FAMILIES)
@given(st.lists(st.tuples(PIECES, st.sampled_from([" ", "", "  ", "\n"])), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_no_match_inside_a_longer_word_and_text_comes_back(grown, family, parts):
    before, after, learnt = grown[family]
    text = "".join(piece + space for piece, space in parts)
    old, new = (one(text, add_special_tokens=False, return_offsets_mapping=True) for one in (before, after))
    assert after.decode(new["input_ids"]) == before.decode(old["input_ids"])
    for identifier, (start, end) in zip(new["input_ids"], new["offset_mapping"], strict=True):
        if identifier >= learnt.first:
            form = learnt.terms[identifier - learnt.first].form
            start += text[start:end].startswith(" ")
            assert text[start:end].strip().lower() == form.strip().lower()
            if family != "unigram":  # which can promise it of known words only
                inside = r"[^\W\d_]" if family == "byte-level" else r"\w"  # the former splits words from digits
                assert not re.match(inside, text[end : end + 1]) and not re.search(inside + r"\Z", text[:start])
    if not any(term in text.lower() for term in LEARNT[family]):
        assert new["input_ids"] == old["input_ids"]


@pytest.mark.parametrize("family", FAMILIES)
def test_known_longer_words_are_cut_as_before(grown, family):
    before, after, _ = grown[family]
    for word in ("zyzzyva", "prequokka") if family == "unigram" else ("zyzzyva", "prequokka", "quokkas", "myrrhs"):
        for text in (word, f"the {word} of"):
            assert after.tokenize(text) == before.tokenize(text)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_figures_are_those_of_the_text(grown, family):
    before, after, learnt = grown[family]
    forms = re.findall(r" ?[^\W\d_]+", TEXT)
    assert learnt.words == len(forms)
    assert learnt.tokens_before == sum(len(before.tokenize(form)) for form in forms)
    if family != "wordpiece":  # whose terms with and without a space are one
        return
    assert learnt.tokens_after == sum(len(after.tokenize(form)) for form in forms)
    assert learnt.listing().splitlines()[0] == "term\toccurrences\tpieces before"


def test_what_is_chosen_saves_most_and_is_rare_elsewhere(tokenizers):
    family = family_of(tokenizers["wordpiece"])
    counts = count_forms(["quokka " * 20 + "zyzzy " * 20 + "the " * 50 + "zebra " * 2])
    terms = choose_terms(
        counts, family, VocabularySettings(add=2, min_count=5, min_pieces=2), {"the": 1e6, "zyzzy": 9e5, "x": 1.0}
    )
    assert [term.form for term in terms] == ["quokka"]  # the others are frequent elsewhere, seldom, or one token
    assert terms[0].count == 20 and len(terms[0].pieces) >= 2
    assert Specificity({"a": 3.0, "b": 1.0}).of("a", 0.75) == 0.0
    assert Specificity({"a": 3.0, "b": 1.0}).of("c", 0.25) == 1.0  # as if it came half as often as the rarest


def test_nothing_worth_it_and_a_tokenizer_of_another_kind_are_errors(tokenizers, tmp_path):
    options = {"general": GENERAL, "cache": tmp_path}
    with pytest.raises(DomainAdaptError, match="comes 1000 times"):
        grow_vocabulary(
            lambda: [TEXT], "t", tokenizers["wordpiece"], VocabularySettings(add=5, min_count=1000), **options
        )
    with pytest.raises(DomainAdaptError, match="cannot learn words"):
        grow_vocabulary(lambda: [TEXT], "t", tokenizers["byte-fallback"], VocabularySettings(add=5), **options)
    assert list(tmp_path.iterdir()) == []
