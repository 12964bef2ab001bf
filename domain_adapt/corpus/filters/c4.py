"""Rules by which C4 was made out of web pages (Raffel et al. 2020, arXiv 1910.10683, section 2.2)."""

from __future__ import annotations

import re

from domain_adapt.corpus.filters.base import Dropped
from domain_adapt.corpus.filters.lines import line_units
from domain_adapt.recipes import FilterSettings

_FEWEST_WORDS = 3  # of a line; as in the paper's first version
# "a period, exclamation mark, question mark, or end quotation mark"; and what stands for them in other scripts.
_TERMINAL = (
    ".",
    "!",
    "?",
    '"',
    "\u201d",
    "\u201c",
    "\u00ab",
    "\u00bb",
    "\u2019",
    "\u3002",
    "\uff01",
    "\uff1f",
    "\u061f",
    "\u0964",
)
# A sentence that is cut off ends in one; a line of the paper's data set may not.
_ELLIPSES = ("...", "\u2026")
_CLOSING = re.compile(r"[)\]]*(?:\[\d{1,3}\])*$")  # "(see below.)", and the reference mark behind a full stop: ".[12]"
_LONGEST_ENDING = 40  # characters of closing brackets and reference marks
_SENTENCES_OF_PROSE = 2
_JAVASCRIPT = re.compile("javascript", re.IGNORECASE)
_POLICY = re.compile(
    r"terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies", re.IGNORECASE
)
_LOREM_IPSUM = re.compile(r"lorem\s+ipsum", re.IGNORECASE)
# A mark at the end of a sentence: marks and closing quotes before white space, and no small letter behind it, as there
# is after "e.g." and "approx."; nor a single capital before the full stop, as in "J. Smith".
_SENTENCE_END = re.compile(
    r"(?:(?<!\b[A-Z])\.|[!?])[.!?]*[\"'\u2019\u201d\u00bb)\]]*(?:\s+(?![a-z])|$)|[\u3002\uff01\uff1f\u061f\u0964]"
)


def clean_lines(text: str, settings: FilterSettings) -> str | Dropped:
    """Returns the lines that look like sentences, or why the document is dropped.

    Kept are lines of at least three words that end in a terminal punctuation mark and speak neither of JavaScript nor
    of terms of use, privacy policies and cookies. In hard-wrapped text, whose lines end anywhere, a paragraph or list
    item stands for the line. The paper's lines are those of web pages, headings and menus among them; a line of two
    sentences and more is neither, and if it ends otherwise it is kept up to its last sentence's end.

    A document is dropped if it has the placeholder "lorem ipsum"; if it has a curly bracket, which is as rare in prose
    as it is frequent in code (text with formulas in TeX should not go through these rules); and if fewer than
    ``min_sentences`` sentences are left. Scripts without blanks are not held to the number of words.
    """
    if _LOREM_IPSUM.search(text):
        return Dropped("lorem ipsum", "placeholder text")
    bracket = min((place for place in (text.find("{"), text.find("}")) if place >= 0), default=-1)
    if bracket >= 0:
        return Dropped("curly bracket", f"near {text[max(0, bracket - 20) : bracket + 20]!r}")
    paragraphs = ["\n".join(filter(None, map(_kept_part, units))) for units in line_units(text)]
    kept = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    sentences = count_sentences(kept)
    if sentences < settings.min_sentences:
        return Dropped("too few sentences", f"{sentences}, expected at least {settings.min_sentences}")
    return kept


def count_sentences(text: str) -> int:
    """Returns about how many sentences a text has, by its punctuation."""
    return sum(1 for _ in _SENTENCE_END.finditer(text))


def _kept_part(line: str) -> str:
    """Returns what is kept of a line: all, nothing, or its whole sentences."""
    if line.isascii() and line.count(" ") + line.count("\n") < _FEWEST_WORDS - 1:
        return ""
    if _JAVASCRIPT.search(line) or _POLICY.search(line):
        return ""
    ending = line[-_LONGEST_ENDING:]
    closed = _CLOSING.sub("", ending)
    if (ending.endswith(_TERMINAL) or closed.endswith(_TERMINAL)) and not ending.endswith(_ELLIPSES):
        return line
    ends = [match.end() for match in _SENTENCE_END.finditer(line)]
    if line.endswith(_ELLIPSES):
        ends = ends[:-1]  # the sentence that breaks off
    return line[: ends[-1]].rstrip() if len(ends) >= _SENTENCES_OF_PROSE else ""
