"""What rules about lines may take for a line: in hard-wrapped text that is a whole paragraph."""

from __future__ import annotations

import re
from itertools import pairwise
from statistics import median

# Marks of a list item: bullets, dashes, "1." and "(a)". A dash alone at the start of a wrapped line is rare.
_ITEM = re.compile(
    r"(?:[-*+\u2022\u2023\u2043\u2219\u25a0-\u25ff\u27a2\u00b7\u2013\u2014]|\(?(?:\d{1,3}|[a-zA-Z])[.)]) "
)
# Four in five words of English prose begin with a small letter and three in five of German prose, so that many wrapped
# lines do too; a line that is a paragraph, a heading or an item hardly ever does.
_SMALL_LETTER_SHARE = 0.4
# A column ends a line where a sentence ends once in five times or so; lines that mostly do are sentences.
_SENTENCES_SHARE = 0.5
# Lines that stand there twice are menus and slogans; as many as Gopher's rules allow (Rae et al. 2021, table A1).
_REPEATED_SHARE = 0.3
_SENTENCE_ENDS = (".", "!", "?", ":", "\u2026", "\u3002")
# Columns are set to 30 characters (newspapers) and more; shorter lines are lists of words.
_NARROWEST_COLUMN = 30
# Plain text is wrapped at 60 to 80 characters, e-mail and books at up to 120.
_WIDEST_COLUMN = 120
# A greedy wrapper never leaves room for the next word; a few lines end early as something else forced a break.
_FULL_SHARE = 0.9
_FEWEST_FULL = 3  # two full lines are chance


def line_units(text: str) -> list[list[str]]:
    r"""Returns the lines of each paragraph of normalised text; in hard-wrapped text each paragraph or item is one.

    A unit keeps its own line ends, so ``"\n\n".join("\n".join(units) for units in line_units(text)) == text``.
    """
    paragraphs = [paragraph.split("\n") for paragraph in text.split("\n\n")]
    return [_items(lines) for lines in paragraphs] if _is_wrapped(paragraphs) else paragraphs


def is_hard_wrapped(text: str) -> bool:
    """Tells whether the lines of normalised text end where a column ended, and not where a thought did."""
    return _is_wrapped([paragraph.split("\n") for paragraph in text.split("\n\n")])


def _is_wrapped(paragraphs: list[list[str]]) -> bool:
    pairs = [pair for lines in paragraphs for pair in pairwise(lines) if _goes_on(pair)]
    if not pairs:
        return False
    lengths = [len(line) for line, _ in pairs]
    sentences = sum(line.endswith(_SENTENCE_ENDS) for line, _ in pairs)
    if median(lengths) < _NARROWEST_COLUMN or sentences > _SENTENCES_SHARE * len(pairs):
        return False
    if len(set(pairs)) < (1 - _REPEATED_SHARE) * len(pairs):
        return False
    divided = sum(following[0].islower() and not line.endswith(_SENTENCE_ENDS) for line, following in pairs)
    if divided >= _SMALL_LETTER_SHARE * len(pairs):
        return True
    width = max(lengths)
    full = sum(len(line) + 1 + _first_word(following) > width for line, following in pairs)
    return width <= _WIDEST_COLUMN and len(pairs) >= _FEWEST_FULL and full >= _FULL_SHARE * len(pairs)


def _goes_on(pair: tuple[str, str]) -> bool:
    """Tells whether the second line could continue the first; an item never does."""
    return bool(pair[1]) and not _ITEM.match(pair[1])


def _first_word(line: str) -> int:
    """Returns the characters of the first word; scripts without blanks break after any character."""
    word, blank, _ = line.partition(" ")
    return len(word) if blank or line.isascii() else 1


def _items(lines: list[str]) -> list[str]:
    """Returns one string a paragraph, or one a list item in it."""
    units = lines[:1]
    for line in lines[1:]:
        if _ITEM.match(line):
            units.append(line)
        else:
            units[-1] += "\n" + line
    return units
