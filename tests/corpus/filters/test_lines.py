import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain_adapt.corpus.cleaning import normalise_lines
from domain_adapt.corpus.filters.lines import is_hard_wrapped, line_units

PROSE = (
    "The left ventricle pumps blood into the aorta and the right one into the pulmonary artery. Valves between the "
    "chambers keep the blood from flowing back. When a valve leaks, the ventricle has to pump part of the blood twice, "
    "which enlarges it over the years until the patient is short of breath."
)
GERMAN = (
    "Die linke Herzkammer pumpt das Blut in die Aorta, die rechte in die Lungenarterie. Klappen zwischen den Kammern "
    "verhindern, dass das Blut zurückfließt. Schließt eine Klappe nicht, so muss die Kammer einen Teil des Blutes "
    "zweimal pumpen, was sie mit den Jahren vergrößert, bis dem Kranken der Atem knapp wird."
)


@pytest.mark.parametrize("text", [PROSE, GERMAN])
@pytest.mark.parametrize("width", [35, 60, 72, 100])
def test_prose_wrapped_at_a_column_is_hard_wrapped(text: str, width: int) -> None:
    assert is_hard_wrapped(textwrap.fill(text, width))


def test_capitals_wrapped_at_a_column_are_hard_wrapped_too() -> None:
    assert is_hard_wrapped(textwrap.fill(PROSE.upper(), 60))


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        PROSE.replace(". ", ".\n"),  # a sentence a line
        f"{PROSE}\n{GERMAN}\n{PROSE}",  # a paragraph a line
        "Home\nabout us\nterms of use\ncontact\nsearch",  # a menu
        "aspirin\nibuprofen\nparacetamol\nwarfarin\nheparin",  # a list of words
        "click here to subscribe to our weekly newsletter\n" * 9 + PROSE,  # a slogan
        "the fever began on a monday in the spring.\nit was gone by the tuesday of the next week.",
        "- warm the joint with a moist towel\n- move it through its range\n- rest for the night after that",
    ],
)
def test_lines_that_end_where_a_thought_does_are_not(text: str) -> None:
    assert not is_hard_wrapped(text)


def test_a_unit_of_hard_wrapped_text_is_a_paragraph_or_an_item() -> None:
    first = textwrap.fill(PROSE, 60)
    items = [textwrap.fill(f"- {sentence}", 60) for sentence in PROSE.split(". ")]
    assert line_units(first + "\n\n" + "\n".join(items)) == [[first], items]


def test_a_unit_of_other_text_is_a_line() -> None:
    assert line_units("One.\nTwo.\n\nThree.") == [["One.", "Two."], ["Three."]]


@given(st.text(alphabet="aB. -1\n", max_size=200))
def test_units_put_together_are_the_text(text: str) -> None:
    text = normalise_lines(text)
    assert "\n\n".join("\n".join(units) for units in line_units(text)) == text
