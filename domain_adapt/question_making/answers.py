"""What of a sentence may be asked for: percentages, sums of money, dates, counts, people, places, names and terms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from domain_adapt.question_making.lexicon import Lexicon
from domain_adapt.question_making.words import Word, listed, words_in

Kind = Literal["percentage", "money", "date", "number", "person", "place", "name", "term", "definition", "span"]
KINDS: tuple[Kind, ...] = (
    *("percentage", "money", "date", "number", "person", "place", "name", "term", "definition", "span"),
)

_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_YEAR = r"(?:1[5-9]|20)\d\d"  # printing to this century: what texts of a field name as years
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_SMALL = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|ninety"
_SCALE = r"(?:\s(?:hundred|thousand|million|billion|trillion))?"
_CURRENCIES = "pounds|dollars|euros|yen|francs|USD|EUR|GBP"
_PERCENTAGE = re.compile(rf"\b(?:{_NUMBER})(?:\s?%|\sper\scent\b|\spercent\b)")
_MONEY = re.compile(rf"[$€£¥]\s?(?:{_NUMBER}){_SCALE}|\b(?:{_NUMBER}){_SCALE}\s(?:{_CURRENCIES})\b")
_DATE = re.compile(
    rf"\b(?:\d{{1,2}}\s{_MONTH}(?:\s{_YEAR})?|{_MONTH}\s\d{{1,2}}(?:,\s{_YEAR})?|{_MONTH}(?:,?\s{_YEAR})|{_YEAR})\b"
    # "1992 editions", "2021 Definitions": there the year is part of a name.
    r"(?!\s(?!and|or|but|to|by|in|on|at|after|before|when|which|who|that|with|for|as|from|until)[A-Za-z])"
)
_COUNT = re.compile(rf"(?<![\w.,:$€£¥-])(?:{_NUMBER}|{_SMALL}){_SCALE}(?=\s[a-z])", re.IGNORECASE)
_TITLES = listed("dr mr mrs ms prof professor sir lady lord president king queen saint")
_PERSONAL = listed(
    # what people do and things do not
    "argued began born died discovered found introduced invented noticed observed proposed proved published reported "
    "said showed showed suggested thought worked wrote"
)
_PLACING = frozenset({"in", "at", "near"})
_NO_PLACES = listed(
    "act agency annex association authority bank bill board code commission committee company congress council court "
    "department directive gaap ifrs inc institute law ltd ministry office organization organisation regulation report "
    "rule schedule section society standard treaty university"
)
_CALENDAR = listed(
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
    "september october november december spring summer autumn winter"
)
# Nouns that name no one thing: "what type" is asked of them, never answered by them.
_VAGUE = listed(
    "abnormality amount area aspect basis case cases cause change chance condition day days degree effect end example "
    "examples fact factor factors feature features form forms group groups kind kinds level levels list lot name names "
    "number numbers part parts patient patients people person period point points problem problems process purpose "
    "range reason reasons result results set side sign signs situation stage state symptom symptoms term terms test "
    "tests thing things time times treatment type types use value way ways year years"
)
# Words that end as adjectives, participles and adverbs do: a term does not end in one.
_NO_NOUN = re.compile(r"(?:ed|ly|ive|ous|ible|able|ical|ful|less|ary)$")
_LONGEST_NAME = 5


@dataclass(frozen=True)
class Candidate:
    """A span of a sentence that may be asked for: ``sentence[start:end]``."""

    start: int
    end: int
    kind: Kind


def candidates(sentence: str, lexicon: Lexicon, *, max_words: int) -> list[Candidate]:
    """Returns the spans of a sentence that may be asked for, in order; none overlaps another.

    Percentages come before sums, sums before dates, these before counts, and those before names and terms.

    Args:
        sentence: From its first to its last character.
        lexicon: Of the domain.
        max_words: In a span.
    """
    found: list[Candidate] = []

    def add(candidate: Candidate) -> None:
        if all(candidate.end <= other.start or candidate.start >= other.end for other in found):
            found.append(candidate)

    kinds: tuple[tuple[re.Pattern[str], Kind], ...] = ((_PERCENTAGE, "percentage"), (_MONEY, "money"), (_DATE, "date"))
    for pattern, kind in kinds:
        for match in pattern.finditer(sentence):
            add(Candidate(match.start(), match.end(), kind))
    words = words_in(sentence)
    for match in _COUNT.finditer(sentence):
        if _counted(words, match.end(), lexicon):
            add(Candidate(match.start(), match.end(), "number"))
    for candidate in (*_names(sentence, words, lexicon), *_terms(sentence, words, lexicon)):
        add(candidate)
    fitting = [one for one in found if len(words_in(sentence[one.start : one.end])) <= max_words]
    return sorted(fitting, key=lambda one: one.start)


def _counted(words: Sequence[Word], end: int, lexicon: Lexicon) -> bool:
    """Returns whether a plural follows within two words: what "how many" asks about."""
    for word in [word for word in words if word.start >= end][:2]:
        if word.is_stop or not word.text.isalpha() or word.lower in {"times", "per", "percent"}:
            return False
        if word.lower.endswith("s") and not word.lower.endswith(("ss", "ous", "is", "us")):
            return True
    return False


def _names(sentence: str, words: Sequence[Word], lexicon: Lexicon) -> Iterator[Candidate]:
    """Yields runs of words that are written with a capital letter and nowhere without one."""
    for run in _runs(sentence, words, lambda word: lexicon.is_name(word) and word.lower not in _CALENDAR):
        first, last = run[0], run[-1]
        before, after = _neighbours(words, first, last)
        if len(run) > _LONGEST_NAME or (len(run) == 1 and len(first.text) < 3):
            continue
        if sentence[last.end : last.end + 2].startswith((":", "-", "'", "\u2019")):
            continue
        if before and (before.text[0].isupper() or before.is_number) and _touch(sentence, before, first):
            continue  # the middle of a longer name
        if before and not before.is_stop and _touch(sentence, before, first) and before.lower not in _TITLES:
            continue  # "the Spearman correlation", "type II"
        followed = after is not None and _touch(sentence, last, after)
        ends = after is None or not followed or after.is_stop or lexicon.is_finite(after.lower)
        if not ends:
            continue
        yield Candidate(first.start, last.end, _name_kind(run, before, after if followed else None))


def _name_kind(run: Sequence[Word], before: Word | None, after: Word | None) -> Kind:
    is_title_case = all(word.text[1:].islower() for word in run if len(word.text) > 1)
    if (before and before.lower in _TITLES) or run[0].lower in _TITLES:
        return "person"
    if is_title_case and after and after.lower in _PERSONAL and not {word.lower for word in run} & _NO_PLACES:
        return "person"
    is_placed = before is not None and before.lower in _PLACING and not {word.lower for word in run} & _NO_PLACES
    return "place" if is_placed and is_title_case and not any(word.is_number for word in run) else "name"


def _terms(sentence: str, words: Sequence[Word], lexicon: Lexicon) -> Iterator[Candidate]:
    """Yields noun phrases with a term in them: runs of content words between function words, verbs and marks."""

    def may_stand(word: Word) -> bool:
        return not word.is_stop and not word.is_number and word.text[0].islower() | lexicon.is_name(word)

    for run in _runs(sentence, words, may_stand):
        before, after = _neighbours(words, run[0], run[-1])
        opened = before is None or before.is_stop or not _touch(sentence, before, run[0])
        ended = after is None or after.is_stop or not _touch(sentence, run[-1], after)
        if not opened or not ended or (before is not None and _is_infinitive(before, run[0], lexicon)):
            continue
        phrase = _phrase(run, lexicon)
        if phrase and _is_term(phrase, lexicon):
            yield Candidate(phrase[0].start, phrase[-1].end, "term")


def _phrase(run: Sequence[Word], lexicon: Lexicon) -> Sequence[Word]:
    """Returns the noun phrase at the beginning of a run of content words: up to what may be its verb."""
    while run and run[0].lower.endswith("ly"):
        run = run[1:]
    for number, word in enumerate(run):
        form = lexicon.base_of(word.lower)
        # "payments rise", "the ratio asks": a verb agrees with the word before it. What agrees with none is a noun.
        if number and form and (form[1] == "did" or (form[1] == "do") == run[number - 1].lower.endswith("s")):
            return run[:number] if form[1] != "do" or run[number - 1].lower.endswith("s") else run
    return run


def _is_infinitive(before: Word, word: Word, lexicon: Lexicon) -> bool:
    return before.lower in {"to", "can", "may", "must", "will", "not"} and word.lower in lexicon.verbs


def _is_term(phrase: Sequence[Word], lexicon: Lexicon) -> bool:
    head = phrase[-1].lower
    if (head in _VAGUE and len(phrase) < 2) or _NO_NOUN.search(head) or (head.endswith("ing") and len(phrase) == 1):
        return False
    if len(phrase) == 1 and (len(head) < 4 or head in lexicon.verbs):
        return False
    parts = [part for word in phrase for part in re.split(r"[-'/]", word.lower)]
    return any(part in lexicon.terms for part in parts) and any(len(part) > 3 for part in parts)


def _runs(sentence: str, words: Sequence[Word], belongs: Callable[[Word], bool]) -> Iterator[list[Word]]:
    """Yields the longest runs of words that belong, with nothing but a blank between them."""
    run: list[Word] = []
    for word in words:
        if run and not (belongs(word) and _touch(sentence, run[-1], word)):
            yield run
            run = []
        if belongs(word):
            run.append(word)
    if run:
        yield run


def _neighbours(words: Sequence[Word], first: Word, last: Word) -> tuple[Word | None, Word | None]:
    begin, end = words.index(first), words.index(last)
    return words[begin - 1] if begin else None, words[end + 1] if end + 1 < len(words) else None


def _touch(sentence: str, one: Word, other: Word) -> bool:
    return sentence[one.end : other.start].strip() == ""
