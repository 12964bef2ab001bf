"""How questions are worded: their type, and how much of their wording stands in the context."""

from __future__ import annotations

import re
from collections.abc import Sequence

# English words that carry no content of their own: articles, pronouns, prepositions, conjunctions, auxiliaries and
# the words that make a sentence a question.
FUNCTION_WORDS = frozenset(
    """
    a about above across after again against all along also although always am among an and another any anyone anything
    are around as at be because been before being below between both but by can cannot could did do does doing done
    down during each either else enough even ever every everyone everything few for from further had has have having he
    her here hers herself him himself his how however i if in into is it its itself just least less made make makes
    many may me might mine more most much must my myself neither never no nobody none nor not nothing now of off often
    on once one only onto or other others our ours out over own per perhaps rather same several shall she should since
    so some someone something sometimes still such than that the their theirs them themselves then there therefore these
    they this those though three through thus to together too toward towards two under until up upon us very was we
    well were what whatever when whenever where whereas whether which while who whoever whole whom whose why will with
    within without would yet you your yours
    """.split()  # noqa: SIM905
)
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_COMPARISON = re.compile(r"\b(compared|than|versus|differ\w*|unlike|in contrast|more or less)\b")
_DEFINITION = re.compile(
    r"\b(term|called|known as|define[sd]?|definition|meant by|mean by|stands? for)\b|\b(what|which) name\b|^name\b"
)
_BY_WORD = re.compile(r"\b(how many|how much|how|why|when|where|whose|whom|who|which|what)\b")
_COUNTS = {"how many": "how many, how much", "how much": "how many, how much", "whose": "who", "whom": "who"}
TYPES = (
    *("what", "which", "who", "when", "where", "why", "how", "how many, how much"),
    *("definition", "comparison", "other"),
)


def words(text: str) -> list[str]:
    """Returns the words of a text, casefolded; hyphens and apostrophes inside a word belong to it."""
    return _WORD.findall(text.casefold())


def question_type(question: str) -> str:
    """Returns one of ``TYPES``: comparison and definition by their wording, else the first question word."""
    text = question.casefold()
    if _COMPARISON.search(text):
        return "comparison"
    if _DEFINITION.search(text):
        return "definition"
    found = _BY_WORD.search(text)
    return _COUNTS.get(found[1], found[1]) if found else "other"


def overlap(question: str, context_words: frozenset[str]) -> float:
    """Returns the share (0 to 1) of the question's content words that stand in the context, in the same form."""
    content = [word for word in words(question) if word not in FUNCTION_WORDS]
    return sum(word in context_words for word in content) / len(content) if content else 0.0


def runs(sequence: Sequence[str], length: int) -> set[int]:
    """Returns a hash of every run of ``length`` words."""
    return {hash(tuple(sequence[start : start + length])) for start in range(len(sequence) - length + 1)}


def cuts_word(text: str, start: int, end: int) -> bool:
    """Tells whether ``text[start:end]`` (not empty) begins or ends inside a word."""
    before, after = text[start - 1 : start + 1] if start else "", text[end - 1 : end + 1] if end < len(text) else ""
    return before.isalnum() or after.isalnum()
