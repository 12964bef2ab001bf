"""Names and terms in a sentence: noun phrases, told by what stands before and behind them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from domain_adapt.question_making.lexicon import AUXILIARIES, Lexicon
from domain_adapt.question_making.words import Word, listed

Kind = Literal["percentage", "money", "date", "number", "person", "place", "name", "term", "definition", "span"]
KINDS: tuple[Kind, ...] = (
    *("percentage", "money", "date", "number", "person", "place", "name", "term", "definition", "span"),
)

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
VAGUE = listed(
    "abnormality amount area aspect basis case cases cause cent change chance "
    "condition day days degree effect end example "
    "examples fact factor factors feature features form forms group groups kind kinds level levels list lot name names "
    "number numbers part parts patient patients people person period point points problem problems process purpose "
    "range reason reasons result results set side sign signs situation stage state symptom symptoms term terms test "
    "tests thing things time times treatment type types use value way ways year years"
)
_OBJECT_STARTS = frozenset({"a", "an", "the", "their", "its", "this", "these", "whether", "how"})
# Participles without an ending that would show them, and what else is no noun.
_PARTICIPLES = listed(
    "first second third next last lowest highest largest smallest "
    "been begun born broken brought built caught chosen come done drawn driven fallen felt found given gone grown held "
    "kept known led left lost made meant met paid put read risen run said seen sent set shown sold spent stood taken "
    "thought told understood won written"
)
# Words that end as adjectives, participles and adverbs do: a term does not end in one.
_NO_NOUN = re.compile(r"(?:ed|ly|ive|ous|ible|able|ical|ful|less|ary)$")
_LONGEST_NAME = 5
# Behind these stands an adjective, a participle or a verb more often than a noun: "show up brighter", "to check".
_NO_NOUN_BEHIND = listed(
    "i you he she it we they that which who "
    "up down out off back so very too more less most least only even then not also just quite per"
)


@dataclass(frozen=True)
class Candidate:
    """A span of a sentence that may be asked for: ``sentence[start:end]``."""

    start: int
    end: int
    kind: Kind


def names(sentence: str, words: Sequence[Word], lexicon: Lexicon) -> Iterator[Candidate]:
    """Yields runs of words that are written with a capital letter and nowhere without one."""
    for run in _runs(sentence, words, lambda word: lexicon.is_name(word) and word.lower not in _CALENDAR):
        first, last = run[0], run[-1]
        before, after = neighbours(words, first, last)
        if len(run) > _LONGEST_NAME or (len(run) == 1 and len(first.text) < 3):
            continue
        if sentence[last.end : last.end + 2].startswith((":", "-", "+", "'", "\u2019", "/", ".")) and (
            sentence[last.end : last.end + 2] not in (". ", ".")
        ):
            continue
        if before and (before.text[0].isupper() or before.is_number) and touch(sentence, before, first):
            continue  # the middle of a longer name
        if before and not before.is_stop and touch(sentence, before, first) and before.lower not in _TITLES:
            continue  # "the Spearman correlation", "type II"
        followed = after is not None and touch(sentence, last, after)
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
    is_placed = is_placed and not run[-1].lower.endswith("s")  # "in African Americans"
    return "place" if is_placed and is_title_case and not any(word.is_number for word in run) else "name"


def terms(sentence: str, words: Sequence[Word], lexicon: Lexicon) -> Iterator[Candidate]:
    """Yields noun phrases with a term in them: runs of content words between function words, verbs and marks."""

    def may_stand(word: Word) -> bool:
        return not word.is_stop and not word.is_number and word.text[0].islower() | lexicon.is_name(word)

    for run in _runs(sentence, words, may_stand):
        before, after = neighbours(words, run[0], run[-1])
        phrase = _phrase(run, lexicon)
        if phrase and is_noun_phrase(phrase, before, after if phrase[-1] is run[-1] else None, sentence, lexicon):
            parts = [part for word in phrase for part in re.split(r"[-'/]", word.lower)]
            if any(part in lexicon.terms for part in parts) and any(len(part) > 3 for part in parts):
                yield Candidate(phrase[0].start, phrase[-1].end, "term")


def is_noun_phrase(
    phrase: Sequence[Word], before: Word | None, after: Word | None, sentence: str, lexicon: Lexicon
) -> bool:
    """Returns whether words look like a whole noun phrase, by their endings and their neighbours.

    Args:
        phrase: In a row, none of them a stop word at either end.
        before: The word before them, if there is one.
        after: The word behind them, if there is one.
        sentence: That they stand in.
        lexicon: Of the domain.
    """
    if before is not None and touch(sentence, before, phrase[0]) and not _opens(before, phrase, lexicon):
        return False
    if after is not None and touch(sentence, phrase[-1], after):
        if after.lower in _OBJECT_STARTS:  # what stands before "the" is a verb or a participle
            return False
        if not after.is_stop and not lexicon.is_finite(after.lower):
            return False
    first, head = phrase[0].lower, phrase[-1].lower
    form = lexicon.base_of(first)
    if form and form[1] == "does" and (len(phrase) > 1 or phrase[0].text[0].isupper()):  # "comes back", "Specifies"
        return False
    if first.endswith("ing") and {first[:-3], first[:-3] + "e"} & lexicon.verbs:  # "taking part"
        return False
    last = lexicon.base_of(head)
    if len(phrase) > 1 and last and last[1] == "does" and not phrase[-2].lower.endswith("s"):
        return False  # "collateral occurs"
    if head in _PARTICIPLES or _NO_NOUN.search(head) or head.endswith("ing"):
        return False
    return len(phrase) > 1 or (
        not head.endswith("ic") and len(head) > 3 and head not in VAGUE and head not in lexicon.verbs
    )


def _opens(before: Word, phrase: Sequence[Word], lexicon: Lexicon) -> bool:
    """Returns whether a noun phrase may begin behind a word."""
    if not before.is_stop and not lexicon.is_finite(before.lower):
        return False
    if before.lower in _NO_NOUN_BEHIND:
        return False
    if before.lower == "to":  # "to check": a noun behind it has an article, or an adjective
        return len(phrase) > 1 and phrase[0].lower not in lexicon.verbs
    first = phrase[0].lower
    # "is widespread", "have helped smokers quit", "can light up"
    return before.lower not in AUXILIARIES or not (len(phrase) == 1 or first.endswith("ed") or first in lexicon.verbs)


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


def _runs(sentence: str, words: Sequence[Word], belongs: Callable[[Word], bool]) -> Iterator[list[Word]]:
    """Yields the longest runs of words that belong, with nothing but a blank between them."""
    run: list[Word] = []
    for word in words:
        if run and not (belongs(word) and touch(sentence, run[-1], word)):
            yield run
            run = []
        if belongs(word):
            run.append(word)
    if run:
        yield run


def neighbours(words: Sequence[Word], first: Word, last: Word) -> tuple[Word | None, Word | None]:
    """Returns the words before ``first`` and behind ``last``."""
    begin, end = words.index(first), words.index(last)
    return words[begin - 1] if begin else None, words[end + 1] if end + 1 < len(words) else None


def touch(sentence: str, one: Word, other: Word) -> bool:
    """Returns whether there is only a blank between two words."""
    return sentence[one.end : other.start].strip() == ""
