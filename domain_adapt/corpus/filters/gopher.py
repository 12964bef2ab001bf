"""Rules by which MassiveText was made: is it prose, and does it repeat itself (Rae et al. 2021, arXiv 2112.11446)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.filters.base import Dropped
from domain_adapt.corpus.filters.lines import line_units
from domain_adapt.recipes import FilterSettings

# Section A.1.1 of the paper; two of them must be there.
STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
# Table A1: shares of what has been there before.
_REPEATED_LINES = 0.30
_REPEATED_PARAGRAPHS = 0.30
_REPEATED_LINE_CHARACTERS = 0.20
_REPEATED_PARAGRAPH_CHARACTERS = 0.20
# Table A1: share of the characters in the most frequent n-gram, and in n-grams that have been there before.
_TOP_NGRAM = {2: 0.20, 3: 0.18, 4: 0.16}
# The paper judges texts of 50 words and more. In shorter ones the subject is soon a fifth of the words, so there the
# most frequent n-gram has to come three times.
_SHORT_TEXT = 50
_REPEATED_NGRAMS = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}

_ELLIPSES = ("...", "\u2026")
_BULLETS = (
    "-",
    "*",
    "\u2022",
    "\u2023",
    "\u2043",
    "\u2219",
    "\u25cf",
    "\u25aa",
    "\u25e6",
    "\u25a0",
    "\u27a2",
    "\u00b7",
)
_LETTER = re.compile(r"[^\W\d_]")
_OUTER_PUNCTUATION = ".,;:!?()[]{}\"'\u2018\u2019\u201c\u201d"

Positions = npt.NDArray[np.int64]


def quality(text: str, settings: FilterSettings) -> str | Dropped:
    """Returns the text, or why it does not look like prose; words are what blanks divide.

    In hard-wrapped text a line is a paragraph or a list item. The stop words are English: for other languages set
    ``min_stop_words = 0``. Scripts without blanks between words have too few words for these rules.
    """
    words = text.split()
    count = len(words)
    if count < settings.min_words:
        return _below("too few words", count, settings.min_words)
    if count > settings.max_words:
        return _above("too many words", count, settings.max_words)
    if not count:
        return text
    length = sum(map(len, words)) / count
    if length < settings.min_mean_word_length:
        return _below("words too short", length, settings.min_mean_word_length)
    if length > settings.max_mean_word_length:
        return _above("words too long", length, settings.max_mean_word_length)
    for symbol, found in (("#", text.count("#")), ("...", sum(map(text.count, _ELLIPSES)))):
        if found / count > settings.max_symbol_ratio:
            return _above("too many symbols", found / count, settings.max_symbol_ratio, f"{symbol} per word: ")
    return _line_quality(text, settings) or _word_quality(words, settings) or text


def repetition(text: str, settings: FilterSettings) -> str | Dropped:
    """Returns the text, or what it repeats too often; all bounds are multiplied by ``max_repetition``.

    A line, paragraph or n-gram of 5 words and more is repeated where it has been there before, so the first time does
    not count. Shares of n-grams are of the characters in words; of overlapping n-grams no character counts twice. In
    hard-wrapped text a line is a paragraph or a list item, and words are what any white space divides.
    """
    factor = settings.max_repetition
    paragraphs = line_units(text)
    lines = [line for units in paragraphs for line in units]
    return (
        _repeated("lines", lines, _REPEATED_LINES, _REPEATED_LINE_CHARACTERS, factor)
        or _repeated("paragraphs", text.split("\n\n"), _REPEATED_PARAGRAPHS, _REPEATED_PARAGRAPH_CHARACTERS, factor)
        or _repeated_ngrams(text.split(), factor)
        or text
    )


def _line_quality(text: str, settings: FilterSettings) -> Dropped | None:
    lines = [line for units in line_units(text) for line in units]
    if len(lines) == 1:
        return None  # one line is no list, and says nothing about how lines end
    bullets = sum(line.startswith(_BULLETS) for line in lines) / len(lines)
    if bullets > settings.max_bullet_lines:
        return _above("too many bullet lines", bullets, settings.max_bullet_lines)
    ellipses = sum(line.endswith(_ELLIPSES) for line in lines) / len(lines)
    if ellipses > settings.max_ellipsis_lines:
        return _above("too many ellipsis lines", ellipses, settings.max_ellipsis_lines)
    return None


def _word_quality(words: Sequence[str], settings: FilterSettings) -> Dropped | None:
    alphabetic = sum(1 for word in words if _LETTER.search(word)) / len(words)
    if alphabetic < settings.min_alphabetic_words:
        return _below("too few alphabetic words", alphabetic, settings.min_alphabetic_words)
    found: set[str] = set()
    for word in words:
        found.update(STOP_WORDS & {word.strip(_OUTER_PUNCTUATION).lower()})
        if len(found) >= settings.min_stop_words:
            return None
    return _below("too few stop words", len(found), settings.min_stop_words)


def _repeated(kind: str, units: Sequence[str], share: float, character_share: float, factor: float) -> Dropped | None:
    """Returns the complaint about units that have been there before, counted and by their characters."""
    seen: set[str] = set()
    count = characters = 0
    for unit in units:
        if unit in seen:
            count += 1
            characters += len(unit)
        seen.add(unit)
    if not count:
        return None
    if count / len(units) > share * factor:
        return _above(f"repeated {kind}", count / len(units), share * factor)
    of_characters = characters / sum(map(len, units))
    if of_characters > character_share * factor:
        return _above(f"repeated {kind}", of_characters, character_share * factor, "of the characters: ")
    return None


def _repeated_ngrams(words: Sequence[str], factor: float) -> Dropped | None:
    """Looks from n = 2 on at those places only whose two (n-1)-grams occur twice: no other can be repeated."""
    numbers: dict[str, int] = {}
    grams = np.fromiter((numbers.setdefault(word, len(numbers)) for word in words), np.int64, len(words))
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    total = int(lengths.sum())
    places = np.arange(max(len(words) - 1, 0))
    for n in range(2, max(_REPEATED_NGRAMS) + 1):
        # Two n-grams are the same if both their (n-1)-grams are; so numbers stay exact and small.
        pairs = grams[places] * (len(words) + 1) + grams[places + 1]
        _, first, inverse, counts = np.unique(pairs, return_index=True, return_inverse=True, return_counts=True)
        repeated = counts[inverse] > 1
        if not repeated.any():
            return None
        if n in _TOP_NGRAM:
            bound = _TOP_NGRAM[n]
            most = np.flatnonzero(counts == counts.max())
            top = most[first[most].argmin()]  # of equally frequent n-grams the one that comes first
            covering = places[inverse == top]
        else:
            bound = _REPEATED_NGRAMS[n]
            covering = places[np.arange(len(places)) != first[inverse]]
        share = int(lengths[_covered(covering, n, len(words))].sum()) / total
        is_chance = n in _TOP_NGRAM and len(words) < _SHORT_TEXT and counts.max() == 2
        if share > bound * factor and not is_chance:
            example = " ".join(words[covering[0] : covering[0] + n])
            return _above(f"repeated {n}-gram", share, bound * factor, f"{example!r}: ")
        grams[places[repeated]] = inverse[repeated]
        is_repeated = np.zeros(len(words), dtype=np.bool_)
        is_repeated[places[repeated]] = True
        places = np.flatnonzero(is_repeated[:-1] & is_repeated[1:])
    return None


def _covered(places: Positions, n: int, words: int) -> npt.NDArray[np.bool_]:
    """Returns which of ``words`` words lie in an n-gram that begins at one of the places, (words,) bool."""
    steps = np.zeros(words + 1, dtype=np.int64)
    steps[places] += 1  # the places are all different
    steps[places + n] -= 1
    covered: npt.NDArray[np.bool_] = np.cumsum(steps[:-1]) > 0
    return covered


def _below(reason: str, figure: float, bound: float, what: str = "") -> Dropped:
    return Dropped(reason, f"{what}{figure:.6g}, expected at least {bound:.6g}")


def _above(reason: str, figure: float, bound: float, what: str = "") -> Dropped:
    return Dropped(reason, f"{what}{figure:.3g}, expected at most {bound:.3g}")
