"""Questions for the term that a definition defines: "which term means ...", "what is ..."."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from domain_adapt.question_making.evidence import stems
from domain_adapt.question_making.lexicon import Lexicon
from domain_adapt.question_making.passages import Passage
from domain_adapt.question_making.questions import Question
from domain_adapt.question_making.words import words_in

ORIGIN = "cloze"
# "Lower bound: Specifies the lower bound of a range": the label of a definition.
_LABEL = re.compile(r"^([A-Z][\w' -]{2,60}): (?=[A-Z])")
_FEWEST_WORDS, _MOST_WORDS = 5, 35  # of a definition: what is asked must be told apart from its neighbours
_LEAST_CONTEXT = 30
# Share of the definition's content words that the term may give away: of more, nothing is asked.
_GIVEN_AWAY = 0.5
_POINTING = re.compile(
    r"\b(?:this|these|those|see|figure|your?|https?|former|latter|above|below|note)\b|[{}<>=|]", re.IGNORECASE
)


def definition_questions(
    passage: Passage, lexicon: Lexicon, *, max_answer_words: int, dropped: Counter[str]
) -> Iterator[Question]:
    """Yields a question for every term that a document defines by a phrase, in order.

    That is a short sentence without a verb at a document's beginning, whose next sentence is the definition ("Albinism.
    An abnormal reduction of ..."), or a label and a colon ("Lower bound: The lower bound of ..."). Where the term and
    its definition have a word in common that the question's other words lead to, the definition is left out of the
    context: which of the terms is meant is then told by its meaning alone.
    """
    for number in range(len(passage.sentences)):
        found = _headword(passage, number, lexicon) or _label(passage, number)
        if found is None:
            continue
        start, end, definition, stays = found
        term = passage.text[start:end]
        if len(words_in(term)) > max_answer_words:
            dropped["definition: the term is longer than questions.max_answer_words"] += 1
            continue
        question = _ask(term, definition, lexicon)
        if question is None:
            dropped["definition: too long, too short, or it gives its term away"] += 1
            continue
        context, moved = passage.text, start
        is_apart = not stays and bool(stems(term) & stems(definition))
        if is_apart:
            context, moved = passage.without(number + 1, start)
        if len(words_in(context)) >= _LEAST_CONTEXT:
            yield Question(question, context, term, moved, "definition", ORIGIN, is_apart, passage.documents)


def _headword(passage: Passage, number: int, lexicon: Lexicon) -> tuple[int, int, str, bool] | None:
    """Returns (start, end, definition, False) of a term that stands before its definition as a sentence of its own."""
    if number not in passage.heads or number + 1 >= len(passage.sentences) or number + 1 in passage.heads:
        return None
    start, end = passage.sentences[number]
    term = passage.text[start:end].rstrip(".")
    words = words_in(term)
    if not words or any(lexicon.is_finite(word.lower) and word.text.islower() for word in words[1:2]):
        return None
    return start, start + len(term), passage.sentence(number + 1), False


def _label(passage: Passage, number: int) -> tuple[int, int, str, bool] | None:
    """Returns (start, end, definition, True) of a label with its definition in the same sentence."""
    sentence = passage.sentence(number)
    match = _LABEL.match(sentence)
    if match is None:
        return None
    start = passage.sentences[number][0]
    return start, start + match.end(1), sentence[match.end() :], True


def _ask(term: str, definition: str, lexicon: Lexicon) -> str | None:
    words = words_in(definition)
    if not _FEWEST_WORDS <= len(words) <= _MOST_WORDS or _POINTING.search(definition) or ":" in definition:
        return None
    if not definition.endswith(".") or "?" in definition or definition.count("(") != definition.count(")"):
        return None
    named, told = stems(term), stems(definition)
    if len(told) < 3 or not named or len(named & told) > _GIVEN_AWAY * len(told) or named <= told:
        return None
    body = definition.rstrip(". ")
    first = words[0]
    form = lexicon.base_of(first.lower)
    if form and form[1] == "does":  # "Specifies the ..."
        return f"What {first.lower}{body[first.end :]}?"
    if first.lower in lexicon.common or first.is_stop:
        body = body[0].lower() + body[1:]
    return f"Which term means {body}?"
