"""Words and sentences of a text with their places, by rules: no model, no tagger."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from domain_adapt.corpus.stop_words import STOP_WORDS

# A number with its separators and per cent sign, or letters and digits with hyphens, apostrophes and slashes inside.
_WORD = re.compile(
    r"\d+(?:[.,]\d+)*(?:%|(?![-'\u2019/]?[^\W_]))|[^\W_]+(?:[-'\u2019/][^\W_]+)*",
)
_PARAGRAPH = re.compile(r"\n\s*\n")
_END = re.compile(r"[.!?][\"'\u201d\u2019)\]]*\s+(?=[\"'\u201c\u2018(\[]*[A-Z0-9])")


def listed(text: str) -> frozenset[str]:
    """Returns the words of a list, which blanks divide."""
    return frozenset(text.split())


# What a full stop stands behind without ending a sentence, in lower case. Single letters are initials, or "U.S.".
_ABBREVIATIONS = listed(
    "al approx art cf ch co corp dept dr e.g eg ed eds eq etc fig figs gen gov i.e ie inc jr lt ltd m.d max min mr mrs "
    "ms no nos ph.d p pp prof ref refs resp rev sec st u.k u.s viz vol vs"
)


@dataclass(frozen=True)
class Word:
    """A word and where it stands: ``text[start:end]``."""

    text: str
    start: int
    end: int

    @cached_property
    def lower(self) -> str:
        """The word in lower case, apostrophes straight."""
        return self.text.lower().replace("\u2019", "'")

    @property
    def is_stop(self) -> bool:
        """Whether it says nothing of a topic."""
        return self.lower in STOP_WORDS

    @property
    def is_number(self) -> bool:
        """Whether it is digits with separators, with or without a per cent sign."""
        return self.text[0].isdigit() and not any(map(str.isalpha, self.text))


def words_in(text: str) -> list[Word]:
    """Returns the words of a text in order."""
    return [Word(match.group(), match.start(), match.end()) for match in _WORD.finditer(text)]


def lower_words(text: str) -> list[str]:
    """Returns the words of a text in lower case, apostrophes straight."""
    return [word.lower().replace("\u2019", "'") for word in _WORD.findall(text)]


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Returns (start, end) of every sentence, without the space around it; a blank line ends one too.

    A full stop behind a known abbreviation, behind a single letter, or inside parentheses ends none.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for paragraph_end, next_start in [*((m.start(), m.end()) for m in _PARAGRAPH.finditer(text)), (len(text), 0)]:
        ends = [m.end() for m in _END.finditer(text, start, paragraph_end) if _closes(text, start, m)]
        borders = [start, *ends, paragraph_end]
        merged = [start]
        for end in borders[1:]:  # an open parenthesis goes on to where it is closed, if that is in the paragraph
            piece = text[merged[-1] : end]
            if end == paragraph_end or piece.count("(") <= piece.count(")"):
                merged.append(end)
        spans += [_trimmed(text, first, last) for first, last in pairwise(merged)]
        start = next_start
    return [span for span in spans if span[0] < span[1]]


def _closes(text: str, start: int, match: re.Match[str]) -> bool:
    if text[match.start()] != ".":
        return True
    before = text[start : match.start()].rpartition(" ")[2].lstrip("(\"'[\u201c\u2018").lower()
    return before not in _ABBREVIATIONS and not (len(before) == 1 and before.isalpha())


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())
