from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain_adapt.corpus import repeats as module
from domain_adapt.corpus.cleaning import normalise_lines
from domain_adapt.corpus.repeats import UNCOUNTED, cut_lines, cut_paragraphs, first_seen, frequent, unit_hashes

# Few different ones, some that begin with the same bits; as arrays of several lengths, which are the parts.
HASHES = st.sampled_from([1, 2, 3, 2**61, 2**62, 2**63, 2**63 + 1, 2**64 - 1])
PARTS = st.lists(st.lists(HASHES | st.just(UNCOUNTED), max_size=8), max_size=5)
LINES = st.lists(st.sampled_from(["", "Page 1 of 2", "page 7 OF 9", "a b", "one two three four five", "ß"]), max_size=9)


def as_arrays(parts: list[list[int]]) -> list[np.ndarray]:
    return [np.array(part, dtype=np.uint64) for part in parts]


def in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 2)


def test_lines_are_equal_whatever_their_case_and_numbers() -> None:
    hashes = unit_hashes("Page 3 of 10\nText\n\nPAGE 11 of 12\ntext", "line")
    assert len(hashes) == 2
    assert set(hashes.tolist()) == set(unit_hashes("text\npage 1 of 1", "line").tolist())
    assert not set(hashes.tolist()) & set(unit_hashes("Page three of ten\ntext.", "line").tolist())
    assert unit_hashes("", "line").tolist() == []


def test_paragraphs_are_hashed_one_by_one_and_short_ones_not_counted() -> None:
    fever = ["Fever is seen in all.", "FEVER is  seen\nin all.", "Fever was seen in 1.", "Fever was seen in 2."]
    hashes = unit_hashes("\n\n".join(["Signs and symptoms", *fever]), "paragraph")
    assert hashes[0] == UNCOUNTED
    assert hashes[1] == hashes[2] != UNCOUNTED
    assert len(set(hashes.tolist())) == 4
    assert unit_hashes("", "paragraph").tolist() == [UNCOUNTED]


def test_a_paragraph_without_spaces_counts_by_its_length() -> None:
    assert unit_hashes("心" * 60, "paragraph")[0] != UNCOUNTED
    assert unit_hashes("心" * 59, "paragraph")[0] == UNCOUNTED


def test_hashes_are_those_of_every_process() -> None:
    # XXH3, 64 bits, of "page # of #" and "one two three four five" in UTF-8
    assert unit_hashes("Page 3 of 10", "line").tolist() == [0x5C69B0DFBA421882]
    assert unit_hashes("One two three four five", "paragraph").tolist() == [0xEA11017DD5073998]


@settings(deadline=None)
@given(PARTS, st.integers(1, 4))
def test_frequent_counts_documents_over_all_parts(parts: list[list[int]], at_least: int) -> None:
    count = Counter(value for part in parts for value in part if value != UNCOUNTED)
    expected = sorted(value for value, times in count.items() if times >= at_least)
    assert frequent(as_arrays(parts), at_least).tolist() == expected
    with pytest.MonkeyPatch.context() as monkeypatch:
        in_slices(monkeypatch)
        assert frequent(as_arrays(parts), at_least).tolist() == expected


@settings(deadline=None)
@given(PARTS)
def test_first_seen_is_true_once_for_each_hash(parts: list[list[int]]) -> None:
    seen: set[int] = set()
    expected = []
    for part in parts:
        expected.append([value == UNCOUNTED or not (value in seen or seen.add(value)) for value in part])
    assert [flags.tolist() for flags in first_seen(as_arrays(parts))] == expected
    with pytest.MonkeyPatch.context() as monkeypatch:
        in_slices(monkeypatch)
        assert [flags.tolist() for flags in first_seen(as_arrays(parts))] == expected


def test_frequent_in_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at_least"):
        frequent([], 0)


def test_slices_hold_about_as_many_as_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 1000)
    values = np.random.default_rng(0).integers(1, 2**64, size=10_000, dtype=np.uint64)
    lengths = [len(one) for one, _ in module._slices([values[:3000], values[3000:]])]
    assert sum(lengths) == 10_000
    assert max(lengths) <= 1000


def test_frequent_lines_are_cut_and_paragraphs_stay_apart() -> None:
    text = "My site\nFirst.\nPage 1\n\nMy site\n\nSecond.\nPage 2\n\nThird.\n\nPage 3"
    lines = frequent([unit_hashes("my site\npage 9", "line")], 1)
    assert cut_lines(text, lines) == "First.\n\nSecond.\n\nThird."
    assert cut_lines("My site\nPage 1", lines) == ""
    assert cut_lines("First.\n\nSecond.", lines) == "First.\n\nSecond."
    assert cut_lines(text, np.empty(0, dtype=np.uint64)) == text


@settings(deadline=None)
@given(LINES, LINES)
def test_what_is_left_has_none_of_the_lines_and_all_others(lines: list[str], boilerplate: list[str]) -> None:
    text = normalise_lines("\n".join(lines))
    hashes = unit_hashes("\n".join(boilerplate), "line")
    left = cut_lines(text, hashes)
    assert normalise_lines(left) == left
    assert not set(unit_hashes(left, "line").tolist()) & set(hashes.tolist())
    others = [line for line in text.split("\n") if line and unit_hashes(line, "line")[0] not in hashes]
    assert [line for line in left.split("\n") if line] == others


def test_a_paragraph_stays_where_it_comes_first() -> None:
    texts = [
        "Overview\n\nThis text stands in many documents.\n\nOne of its own, here.",
        "Overview\n\nthis text stands in MANY documents.\n\nAnother of its own is here.\n\nAnother of its own is here.",
    ]
    hashes = [unit_hashes(text, "paragraph") for text in texts]
    assert [cut_paragraphs(text, keep) for text, keep in zip(texts, first_seen(hashes), strict=True)] == [
        texts[0],
        "Overview\n\nAnother of its own is here.",
    ]


@settings(deadline=None)
@given(LINES)
def test_paragraphs_align_with_their_hashes(lines: list[str]) -> None:
    text = normalise_lines("\n".join(lines))
    keep = np.ones(len(unit_hashes(text, "paragraph")), dtype=np.bool_)
    assert cut_paragraphs(text, keep) == text
    keep[0] = False
    assert cut_paragraphs(text, keep) == "\n\n".join(text.split("\n\n")[1:])
