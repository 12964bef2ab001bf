"""From a clause with a span in it to a question that asks for the span: the wh-word by its kind, then the order."""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain_adapt.question_making.clauses import PREPOSITIONS, Clause, find_verb
from domain_adapt.question_making.lexicon import AUXILIARIES, Lexicon
from domain_adapt.question_making.noun_phrases import VAGUE, Kind
from domain_adapt.question_making.words import Word, listed, words_in

_DETERMINERS = frozenset({"a", "an", "the"})
# Prepositions that may stand before the question word: "in which ratio", "by what".
_LEADING = listed("at by during for from in into on through to under with within since until after before")
_COUNTING = frozenset({"in", "for", "within", "after", "during", "into"})
_AT_A_TIME = frozenset({"in", "on", "at", "during"})
_AT_A_PLACE = frozenset({"in", "at", "near"})
# Behind a span: a list or a noun that it belongs to goes on, so that the span alone is no answer.
_GOES_ON = re.compile(r"^(?:,|/|-|'|\u2019|\s+(?:and|or|of|nor|to|with)\b)")
_LISTED = frozenset({"and", "or", "nor", "but", "as", "than", "not", "no", "any", "each", "every"})
_POSSESSIVES = frozenset({"its", "their", "his", "her", "your", "our", "my", "own"})
_HAVE = {"has": "does", "have": "do", "had": "did"}
_FEWEST_CONTENT_WORDS = 3  # that a question tells: with fewer, many spans answer it
_NEAR = 2  # words behind the verb, a preposition at their end: it goes with the verb then
_RELATIVE = re.compile(r"^,?\s+(?:that|which|who|whose|when|where)\b")
_ASKING = frozenset({"percentage", "year", "date"})  # of the question words; no one is told anything by them
_YEAR = re.compile(r"\d{4}")


@dataclass(frozen=True)
class _Parts:
    """A clause in parts: what stands before the span, how the span is asked for, what stands behind it."""

    before: str
    asking: str
    behind: str


def ask(clause: Clause, kind: Kind, lexicon: Lexicon) -> str | None:
    """Returns a question for the span of a clause, or None where none can be worded.

    Where the span is the subject, the question word takes its place. Where the verb is found, question word and
    auxiliary go to the front ("in what year was the trust launched"). Otherwise the question word stands where the
    span stood ("the numerator is the stock of what?"): moved to the front without the rest being put in order, as in
    Lewis et al. 2019 (arXiv 1906.04980), it reads worse and is no easier to answer.
    """
    words = [word for word in words_in(clause.text) if word.end <= clause.start]
    if words and (words[-1].lower in _LISTED or (_GOES_ON.match(clause.text[clause.end :]) and kind not in _EXACT)):
        return None
    behind, before = clause.text[clause.end :], words[-1].lower if words else ""
    if behind.startswith(" who ") or (before in _POSSESSIVES and kind not in _EXACT):
        return None
    if kind == "date" and (behind.startswith(",") or before not in _LEADING | {"of"}):
        return None  # "RFC 2046"; "the reforms of 2009, ..."
    if words and clause.text[words[-1].end : clause.start].strip() and not _is_verb_behind(clause, lexicon):
        return None  # behind a comma: a part of a list
    if not words and _GOES_ON.match(clause.text[clause.end :]):
        return None
    parts = _parts(clause, kind, lexicon, words)
    if parts is None:
        return None
    question = _subject(parts, lexicon) if not parts.before else _fronted(parts, kind, lexicon)
    if question is None and parts.before:
        question = _in_place(parts, kind)
    return _finished(question, clause.answer) if question else None


def _is_verb_behind(clause: Clause, lexicon: Lexicon) -> bool:
    following = words_in(clause.text[clause.end :])
    return bool(following) and lexicon.is_finite(following[0].lower)


_EXACT = frozenset({"percentage", "money", "date", "number"})


def _parts(clause: Clause, kind: Kind, lexicon: Lexicon, words: list[Word]) -> _Parts | None:
    before, behind = clause.text[: clause.start], clause.text[clause.end :]
    if words and words[-1].lower in _DETERMINERS and clause.text[words[-1].end : clause.start] == " ":
        if kind == "percentage":
            return None  # "a 50% chance"
        before = clause.text[: words[-1].start]
    asking = _asking(clause, kind, lexicon)
    if kind == "number":
        counted = _counted(behind)
        if not counted:
            return None
        asking, behind = f"how many{behind[:counted]}", behind[counted:]
    return _Parts(before.strip(), asking, behind.rstrip())


def _asking(clause: Clause, kind: Kind, lexicon: Lexicon) -> str:
    """Returns the question word, or words, by the kind of answer."""
    if kind in ("term", "name"):
        words = words_in(clause.answer)
        head = words[-1].lower
        return f"which {head}" if len(words) > 1 and head in lexicon.kinds - VAGUE else "what"
    if kind == "date" and _YEAR.fullmatch(clause.answer):
        return "what year"
    fixed = {"percentage": "what percentage", "money": "how much", "date": "what date", "person": "who"}
    return fixed.get(kind, "where" if kind == "place" else "what")


def _counted(behind: str) -> int:
    """Returns where the plural ends that is counted."""
    for word in words_in(behind)[:2]:
        if word.lower.endswith("s"):
            return word.end
    return 0


def _subject(parts: _Parts, lexicon: Lexicon) -> str | None:
    """Returns the question for a span that the clause begins with, if its verb follows."""
    following = words_in(parts.behind)
    if not following or parts.behind[: following[0].start].strip() or not lexicon.is_finite(following[0].lower):
        return None
    if following[0].text[0].isupper():
        return None
    return f"{parts.asking}{parts.behind}"


def _fronted(parts: _Parts, kind: Kind, lexicon: Lexicon) -> str | None:
    """Returns the question with question word, auxiliary and subject in this order, or None."""
    words = words_in(parts.before)
    verb = find_verb(words_in(f"{parts.before} the"), parts.before + " the", lexicon)
    if verb is None or verb >= len(words) or words[0].lower in PREPOSITIONS or words[0].is_number:
        return None
    middle = parts.before[words[verb].end :].strip()
    if kind == "number" and not middle and parts.behind.startswith(" of "):  # "are two types of agents"
        return None
    if _RELATIVE.match(parts.behind) or "," in middle or "," in parts.before[: words[verb].start]:
        return None
    auxiliary, base = _auxiliary(words, verb, lexicon)
    last = words[-1].lower if len(words) - 1 > verb else ""
    asking = parts.asking
    if kind in ("date", "place"):
        if last not in _LEADING or not middle:
            return None
        simple = _AT_A_TIME if kind == "date" else _AT_A_PLACE
        middle = middle.rpartition(last)[0].strip()
        wh = "when" if kind == "date" else "where"
        asking = wh if last in simple else f"{last} {asking}"
    elif last in (_COUNTING if kind == "number" else _LEADING):
        # "divided into four groups", but not "central to the swings in activity": there it belongs to a noun.
        if len(words) - 1 - verb > _NEAR:
            return None
        middle = middle.rpartition(last)[0].strip()
        asking = f"{last} {asking}"
    elif last:
        return None
    subject = _uncapitalised(parts.before[: words[verb].start].strip(), lexicon)
    return " ".join(part for part in (asking, auxiliary, subject, base, middle) if part) + parts.behind


def _auxiliary(words: list[Word], verb: int, lexicon: Lexicon) -> tuple[str, str]:
    """Returns the auxiliary that goes to the front and the form of the verb that stays."""
    word = words[verb].lower
    following = words[verb + 1].lower if verb + 1 < len(words) else ""
    if word in _HAVE and not following.endswith(("ed", "en", "been", "ade", "own", "ung", "ut")):
        return _HAVE[word], "have"
    if word in AUXILIARIES:
        return word, ""
    form = lexicon.base_of(word)
    assert form is not None
    return form[1], form[0]


def _in_place(parts: _Parts, kind: Kind) -> str:
    before, asking = parts.before, parts.asking
    last = before.rpartition(" ")[2].lower()
    if kind == "place" and last in _AT_A_PLACE:
        before = before.rpartition(" ")[0]
    return f"{before} {asking}{parts.behind}"


def _uncapitalised(text: str, lexicon: Lexicon) -> str:
    """Returns the text as it would stand inside a sentence."""
    first = words_in(text)[0]
    is_common = first.lower in lexicon.common or first.is_stop
    return text[0].lower() + text[1:] if is_common and first.text[1:].islower() | (len(first.text) == 1) else text


def _finished(question: str, answer: str) -> str | None:
    """Returns the question with a capital letter and its mark, or None if it tells too little or its own answer."""
    text = re.sub(r"\s+", " ", question).strip().rstrip(".,;:!?")
    words = [word for word in words_in(text) if not word.is_stop]
    asked_for = {word.lower.rstrip("%") for word in words_in(answer) if not word.is_stop} or {answer.lower()}
    told = {word.lower.rstrip("%") for word in words if word.lower not in _ASKING}
    if sum(word[0].isalpha() for word in told - asked_for) < _FEWEST_CONTENT_WORDS or asked_for <= told:
        return None
    return f"{text[0].upper()}{text[1:]}?"
