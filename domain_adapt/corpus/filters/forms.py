"""What the forms of personal numbers share: what may stand around one, and how the next one is looked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Span = tuple[int, int]

# Hyphens that join groups of digits: ASCII, hyphen, non-breaking hyphen, en dash.
DASH = "[-\u2010\u2011\u2013]"
# Behind a number: nothing that would make it part of a longer one, of a word or of a placeholder.
END = rf"(?![\w\[@]|{DASH}\d|\.\d)"
_END = re.compile(END)
_KEYWORD_REACH = 48  # characters in front of a number in which a keyword is looked for


def first(character: str) -> str:
    """Returns a pattern for the first character of a number that is no part of a word, a code or a decimal.

    What must not stand in front is looked for after the character, so the search runs from one such to the next.
    """
    return rf"{character}(?<![\w\]@]{character})(?<!\w{DASH}{character})(?<!\d\.{character})"


def find(text: str, form: re.Pattern[str], end_of: Callable[[re.Match[str]], int]) -> Iterator[Span]:
    """Yields the spans of what has the form and an end: ``end_of`` returns where it ends, or 0 for what is none.

    What is none may still hold one, as a year may stand in front of it; so the search goes on a character later.
    """
    position = 0
    while match := form.search(text, position):
        end = end_of(match)
        if end:
            yield match.start(), end
        position = end or match.start() + 1


def follows(keyword: re.Pattern[str], text: str, position: int) -> re.Match[str] | None:
    """Returns the match of a pattern that ends in ``$`` right in front of a position."""
    return keyword.search(text, max(0, position - _KEYWORD_REACH), position)


def ends(match: re.Match[str]) -> Iterator[int]:
    """Yields where a number may end that has the form at most, the longest first."""
    text = match.string
    for end in range(match.end(), match.start(), -1):
        if text[end - 1].isalnum() and is_end(text, end):
            yield end


def is_end(text: str, position: int) -> bool:
    """Tells whether what stands at a position may follow a number."""
    return _END.match(text, position) is not None


def digits(text: str) -> str:
    """Returns the ASCII digits of a text."""
    return "".join(character for character in text if character in "0123456789")
