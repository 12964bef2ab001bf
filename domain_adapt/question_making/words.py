"""Words and sentences of a text with their places, by rules: no model, no tagger."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from domain_adapt.corpus.stop_words import STOP_WORDS

# A number with its separators and per cent sign, or letters and digits with hyphens, apostrophes and slashes inside.
_WORD = re.compile(
    r"\d+(?:[.,]\d+)*(?:%|(?![-'\u2019/]?[^\W_]))|[^\W_]+(?:[-'\u2019/][^\W_]+)*",
)
_AROUND = " \t\r\n\f\v\u00a0-\u2022*\u2013"  # white space and the marks of bullets
_INITIALS = re.compile(r"[a-z](?:\.[a-z])*")
_PARAGRAPH = re.compile(r"\n\s*\n")
# A full stop, or a mark before a bullet: "... stages: - Stage I".
_END = re.compile(
    r"[.!?:;]\s+[-\u2022*\u2013]\s+(?=[A-Z])|[.!?][\"'\u201d\u2019)\]]*\s+(?=[\"'\u201c\u2018(\[]*[A-Z0-9])"
)


def listed(text: str) -> frozenset[str]:
    """Returns the words of a list, which blanks divide."""
    return frozenset(text.split())


# What a full stop stands behind without ending a sentence, in lower case. Single letters are initials, or "U.S.".
_ABBREVIATIONS = listed(
    "al approx art cf ch co corp dept dr e.g eg ed eds eq etc fig figs gen gov i.e ie inc jr lt ltd m.d max min mr mrs "
    "ms no nos ph.d p pp prof ref refs resp rev sec st u.k u.s viz vol vs"
)


class Word(NamedTuple):
    """A word and where it stands.

    Attributes:
        text: As it stands there, ``text[start:end]`` of what it was found in.
        start: In characters.
        end: Behind it.
        lower: In lower case, apostrophes straight.
    """

    text: str
    start: int
    end: int
    lower: str

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
    return [
        Word(found := match.group(), *match.span(), found.lower().replace("\u2019", "'"))
        for match in _WORD.finditer(text)
    ]


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
    if text[match.start()] != "." or match.group().strip()[-1] in "-\u2022*\u2013":
        return True
    before = re.split(r"[\s/]", text[start : match.start()])[-1].lstrip("(\"'[\u201c\u2018").lower()
    return before not in _ABBREVIATIONS and not (_INITIALS.fullmatch(before))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip(_AROUND)), end - len(piece) + len(piece.rstrip(_AROUND))


# Words count as the same if they begin alike: "infection" and "infections", "insured" and "insurance".
_STEM = 6


def stems(words: Iterable[Word]) -> set[str]:
    """Returns the beginnings of the content words."""
    return {word.lower[:_STEM] for word in words if len(word.text) > 2 and word.lower not in STOP_WORDS}
