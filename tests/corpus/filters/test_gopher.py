import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.corpus.filters.base import Dropped
from domain_adapt.corpus.filters.gopher import quality, repetition
from domain_adapt.recipes import FilterSettings

SETTINGS = FilterSettings()
LAX = FilterSettings(min_words=0)
BOUNDS = {2: 0.20, 3: 0.18, 4: 0.16, 5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}  # table A1


def prose(words: int, start: int = 0) -> str:
    """So many words, all different but for "the" and "of" at the start; five letters on average."""
    return " ".join(
        ["the", "of", *(f"w{chr(97 + n % 26)}{chr(97 + n // 26)}xyz" for n in range(start, start + words - 2))]
    )


def reason_of(answer: str | Dropped) -> str | None:
    return answer.reason if isinstance(answer, Dropped) else None


def test_prose_is_kept_as_it_is() -> None:
    assert quality(prose(50), SETTINGS) == prose(50)
    assert repetition(prose(50), SETTINGS) == prose(50)


def test_the_bounds_of_the_number_of_words_are_inclusive() -> None:
    assert quality(prose(49), SETTINGS) == Dropped("too few words", "49, expected at least 50")
    settings = FilterSettings(max_words=60)
    assert reason_of(quality(prose(60), settings)) is None
    assert quality(prose(61), settings) == Dropped("too many words", "61, expected at most 60")


def test_mean_word_length() -> None:
    assert quality("to be " * 30, SETTINGS) == Dropped("words too short", "2, expected at least 3")
    assert quality("abcdefghijkl " * 60, SETTINGS) == Dropped("words too long", "12, expected at most 10")


@pytest.mark.parametrize("symbol", ["#", "...", "\u2026"])
def test_symbols_per_word(symbol: str) -> None:
    words = prose(60).split()
    most = " ".join([*words[:53], *(f"{word}{symbol}" for word in words[53:59]), words[59]])
    assert reason_of(quality(most, SETTINGS)) is None  # 6 of 60 words: at the bound
    assert reason_of(quality(most + symbol, SETTINGS)) == "too many symbols"


def test_bullet_lines() -> None:
    lines = [f"- {prose(8, 8 * n)}" for n in range(19)]
    assert reason_of(quality("\n".join([prose(8), "An end.", *lines]), SETTINGS)) == "too many bullet lines"  # 19 of 21
    assert reason_of(quality("\n".join([prose(8), "An end.", *lines[:18]]), SETTINGS)) is None  # 18 of 20


def test_ellipsis_lines() -> None:
    lines = [f"So {prose(20, 20 * n)}" for n in range(10)]
    cut = [f"{line} ..." for line in lines]
    assert reason_of(quality("\n".join(cut[:3] + lines[3:]), SETTINGS)) is None
    assert quality("\n".join(cut[:4] + lines[4:]), SETTINGS) == Dropped(
        "too many ellipsis lines", "0.4, expected at most 0.3"
    )


def test_one_line_is_no_list() -> None:
    for text in (f"- {prose(60)}", f"{prose(60)} ..."):
        assert quality(text, SETTINGS) == text


def test_words_with_a_letter() -> None:
    assert reason_of(quality(prose(80) + " 12345" * 20, SETTINGS)) is None
    assert reason_of(quality(prose(79) + " 12345" * 21, SETTINGS)) == "too few alphabetic words"


def test_stop_words_are_different_ones_in_any_case_and_punctuation() -> None:
    rest = prose(60).removeprefix("the of ")
    assert quality(f"the the {rest}", SETTINGS) == Dropped("too few stop words", "1, expected at least 2")
    assert reason_of(quality(f"The {rest}, (with)", SETTINGS)) is None
    assert reason_of(quality(rest, FilterSettings(min_stop_words=0))) is None


def test_repeated_lines_by_number_and_by_characters() -> None:
    lines = [f"So {prose(12, 12 * n)}" for n in range(7)]
    assert reason_of(repetition("\n".join([*lines, *["Back"] * 4]), SETTINGS)) is None  # 3 of 11
    assert repetition("\n".join([*lines, *["Back"] * 5]), SETTINGS) == Dropped(
        "repeated lines", "0.333, expected at most 0.3"
    )
    long = f"Then {prose(40, 200)}"
    answer = repetition("\n".join([*lines, long, long]), SETTINGS)
    assert isinstance(answer, Dropped)
    assert (answer.reason, answer.detail.split(":")[0]) == ("repeated lines", "of the characters")


def test_repeated_paragraphs() -> None:
    paragraphs = [f"{prose(10, 20 * n)}.\n{prose(10, 20 * n + 10)}." for n in range(4)]
    # Its second lines differ, so that no line is repeated too often.
    assert reason_of(repetition("\n\n".join(paragraphs), SETTINGS)) is None
    assert reason_of(repetition("\n\n".join([*paragraphs, *["Share\nthis"] * 4]), SETTINGS)) == "repeated lines"
    twice = "\n\n".join(["A", "A", "A", *(f"B{n}\nC{n}\nD{n}\nE{n}" for n in range(3))])
    assert repetition(twice, SETTINGS) == Dropped("repeated paragraphs", "0.333, expected at most 0.3")


@pytest.mark.parametrize("n", BOUNDS)
def test_a_repeated_ngram_is_named(n: int) -> None:
    # Five times the same n words, each time in other company: 2- to 4-grams take all, longer ones four of five.
    phrase = [f"same{letter}" for letter in "abcdefghij"[:n]]
    between = [f"other{chr(97 + k)}{chr(97 + m)}" for k in range(5) for m in range(2)]
    words = [word for k in range(5) for word in [*phrase, *between[2 * k : 2 * k + 2]]]
    answer = repetition(" ".join(words), FilterSettings(max_repetition=0.5))
    assert isinstance(answer, Dropped)
    assert answer.reason == f"repeated {_first_offence(words, 0.5)}-gram"


def test_ngram_shares_exactly() -> None:
    # 100 words of four letters; "abcd efgh" comes eleven times: 22 of 100 characters' worth.
    others = iter(f"{a}{b}{c}x" for a in "mnop" for b in "qrst" for c in "uvwy")
    words = [word for _ in range(11) for word in ("abcd", "efgh", *(next(others) for _ in range(5)))]
    words += [f"{a}{b}zz" for a in "klmno" for b in "klmno"][: 100 - len(words)]
    assert len(words) == 100
    assert repetition(" ".join(words), SETTINGS) == Dropped(
        "repeated 2-gram", "'abcd efgh': 0.22, expected at most 0.2"
    )
    assert repetition(" ".join(words), FilterSettings(max_repetition=1.1)) == " ".join(words)  # 0.22 is the bound now


def test_in_short_texts_twice_is_chance() -> None:
    short = "Is Castleman disease inherited? Most cases of Castleman disease are sporadic."
    assert repetition(short, SETTINGS) == short
    assert reason_of(repetition("buy it now buy it now buy it now", SETTINGS)) == "repeated 2-gram"


def test_hard_wrapped_text_is_judged_as_if_it_were_not() -> None:
    begin = "- The patient was seen in the clinic on the day"
    text = "\n\n".join(f"{begin} {prose(30, 40 * n)} ..." for n in range(5))
    wrapped = "\n\n".join(textwrap.fill(part, 48) for part in text.split("\n\n"))
    assert wrapped.count(f"{begin}\n") == 5  # such lines are no repetition
    for settings, reason in ((SETTINGS, "bullet"), (FilterSettings(max_bullet_lines=1.0), "ellipsis")):
        assert quality(wrapped, settings) == quality(text, settings)
        assert reason_of(quality(wrapped, settings)) == f"too many {reason} lines"
    settings = FilterSettings(max_repetition=0.2)
    assert repetition(wrapped, settings) == repetition(text, settings) != text


def _first_offence(words: list[str], factor: float) -> int | None:
    """The definition, one n after the other, counted by hand."""
    total = sum(map(len, words))
    for n, bound in BOUNDS.items():
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        counts = {gram: grams.count(gram) for gram in grams}
        if not counts or max(counts.values()) < 2:
            return None
        if n <= 4:
            top = max(counts, key=counts.__getitem__)  # the first of those with most
            begins = [i for i, gram in enumerate(grams) if gram == top]
            if len(words) < 50 and counts[top] == 2:
                continue
        else:
            begins = [i for i, gram in enumerate(grams) if gram in grams[:i]]
        covered = {i + k for i in begins for k in range(n)}
        if sum(len(words[i]) for i in covered) / total > bound * factor:
            return n
    return None


@given(
    st.lists(st.sampled_from(["a", "bb", "ccc", "dddd", "eeeee", "f", "gg"]), min_size=1, max_size=70),
    st.sampled_from([0.5, 1, 3]),
)
def test_ngrams_agree_with_the_definition(words: list[str], factor: float) -> None:
    n = _first_offence(words, factor)
    expected = None if n is None else f"repeated {n}-gram"
    assert reason_of(repetition(" ".join(words), FilterSettings(max_repetition=factor))) == expected


@given(st.text(max_size=300))
def test_any_text_is_kept_as_it_is_or_dropped(text: str) -> None:
    for answer in (quality(text, LAX), repetition(text, SETTINGS)):
        assert answer == text or isinstance(answer, Dropped)
