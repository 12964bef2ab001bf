import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.corpus.cleaning import normalise_lines
from domain_adapt.corpus.filters.base import Dropped
from domain_adapt.corpus.filters.c4 import clean_lines, count_sentences
from domain_adapt.recipes import FilterSettings

ANY = FilterSettings(min_sentences=0)
PROSE = "Insulin lowers the glucose in blood. Glucagon raises it again. Both come from the pancreas."


@pytest.mark.parametrize(
    "line",
    [
        "The fever began on Monday.",
        "Did it begin on Monday?",
        "It began at night!",
        'He said "it began on Monday."',
        "It began on Monday (see below.)",
        "It began on Monday.[12]",
        "Der Arzt sagte: »Am Montag.«",
        "Der Arzt sagte: „Am Montag.“",
        "Le médecin a dit «lundi.»",
    ],
)
def test_a_line_that_ends_as_sentences_do_is_kept(line: str) -> None:
    assert clean_lines(line, ANY) == line


@pytest.mark.parametrize(
    "line",
    [
        "Symptoms and causes of fever",  # a heading
        "Home.",  # too few words
        "Read more.",
        "The fever began on ...",
        "The fever began on\u2026",
        "Please enable JavaScript to see this page.",
        "See our privacy policy for details.",
        "This site uses cookies for its work.",
        "Our Terms of Use have changed today.",
        "Read our cookie policy before you go on.",
    ],
)
def test_other_lines_are_cut(line: str) -> None:
    assert clean_lines(f"{PROSE}\n{line}\n{PROSE}", ANY) == f"{PROSE}\n{PROSE}"


def test_what_is_left_keeps_its_paragraphs() -> None:
    text = f"Menu\n{PROSE}\n\nHome\nContact\n\n{PROSE}\nShare"
    assert clean_lines(text, FilterSettings()) == f"{PROSE}\n\n{PROSE}"


def test_a_line_of_several_sentences_is_kept_up_to_the_last_ones_end() -> None:
    assert clean_lines(f"{PROSE} See also - Diabetes", ANY) == PROSE
    assert clean_lines(f"{PROSE} And then it ...", ANY) == PROSE
    assert clean_lines("Insulin lowers the glucose. See also - Diabetes", ANY) == ""  # one sentence is a teaser


def test_paragraphs_of_hard_wrapped_text_are_kept_whole() -> None:
    wrapped = textwrap.fill(f"{PROSE} {PROSE}", 40)
    assert any(not line.endswith(".") for line in wrapped.splitlines())
    assert clean_lines(f"Endocrine hormones\n\n{wrapped}", FilterSettings()) == wrapped


def test_documents_with_placeholder_text_or_code_are_dropped() -> None:
    assert clean_lines(f"{PROSE} Lorem ipsum dolor sit amet.", FilterSettings()) == Dropped(
        "lorem ipsum", "placeholder text"
    )
    for bracket in "{}":
        answer = clean_lines(f"{PROSE} if (a) {bracket} b.", FilterSettings())
        assert isinstance(answer, Dropped)
        assert answer.reason == "curly bracket"
        assert bracket in answer.detail


def test_documents_of_too_few_sentences_are_dropped() -> None:
    two = "Insulin lowers the glucose in blood. Glucagon raises it again."
    assert clean_lines(two, FilterSettings()) == Dropped("too few sentences", "2, expected at least 3")
    assert clean_lines(PROSE, FilterSettings()) == PROSE


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", 0),
        ("No end", 0),
        ("One. Two! Three?", 3),
        ("A dose of 2.5 mg was given, e.g. by mouth.", 1),
        ("Is it?! Yes... It is.", 3),
        ('She said "no." He left.', 2),
        ("As J. Smith wrote, it is so.", 1),
        ("一。二\uff01三\uff1f", 3),
    ],
)
def test_sentences_are_counted_by_their_ends(text: str, sentences: int) -> None:
    assert count_sentences(text) == sentences


@given(st.lists(st.sampled_from([PROSE, "Menu", "", "Read more.", "We use cookies on this site.", "so on ..."])))
def test_cleaning_twice_changes_nothing(lines: list[str]) -> None:
    once = clean_lines(normalise_lines("\n".join(lines)), ANY)
    assert isinstance(once, str)
    assert clean_lines(once, ANY) == once
