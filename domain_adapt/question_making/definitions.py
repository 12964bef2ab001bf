"""Questions for the term that a definition defines: "which term means ...", "what is ..."."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from domain_adapt.question_making.clauses import find_verb
from domain_adapt.question_making.lexicon import Lexicon
from domain_adapt.question_making.passages import Passage
from domain_adapt.question_making.questions import Question
from domain_adapt.question_making.words import listed, stems, words_in

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
_AFTER_A_VERB = frozenset({"a", "an", "the", "whether", "how", "that", "all", "any", "which", "when"})
_OPENINGS = frozenset({"it", "this"})
_NO_PHRASE = listed("per as if when where for in on at by from there note used whether see they he she you we")


def definition_questions(
    passage: Passage, lexicon: Lexicon, *, max_answer_words: int, dropped: Counter[str]
) -> Iterator[Question]:
    """Yields a question for every term that a document defines by a phrase, in order.

    That is a short sentence without a verb at the beginning of a document, with its definition behind it ("Albinism.
    An abnormal reduction of ..."), or a label and a colon ("Lower bound: The lower bound of ..."). Where the term has
    more words of its definition than any other headword of the passage has, the definition is left out of the context:
    which term is meant can be told without it. ``dropped`` counts what comes to nothing, by reason.
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
        is_apart = not stays and _leads_to(definition, number, passage)
        if is_apart:
            context, moved = passage.without(number + 1, start)
        if len(words_in(context)) >= _LEAST_CONTEXT:
            yield Question(question, context, term, moved, "definition", ORIGIN, is_apart, passage.documents)


def _leads_to(definition: str, number: int, passage: Passage) -> bool:
    """Returns whether the headword shares more words with the definition than the passage's other headwords do."""
    told = stems(words_in(definition))
    shared = {head: len(passage.stems[head] & told) for head in passage.heads}
    own = shared.pop(number)
    return bool(shared) and own > max(shared.values())


def _headword(passage: Passage, number: int, lexicon: Lexicon) -> tuple[int, int, str, bool] | None:
    """Returns (start, end, definition, False) of a term that stands before its definition as a sentence of its own."""
    if number not in passage.heads or number + 1 >= len(passage.sentences) or number + 1 in passage.heads:
        return None
    start, end = passage.sentences[number]
    if passage.text[end - 1] != ".":
        return None
    term = passage.text[start:end].rstrip(".")
    words = words_in(term)
    first = lexicon.base_of(words[0].lower) if words else None
    if (
        not words
        or (first and first[1] == "does")
        or any(lexicon.is_finite(word.lower) and word.text.islower() for word in words[1:2])
    ):
        return None
    return start, start + len(term), passage.sentence(number + 1), False


def _label(passage: Passage, number: int) -> tuple[int, int, str, bool] | None:
    """Returns (start, end, definition, True) of a label with its definition in the same sentence."""
    sentence = passage.sentence(number)
    match = _LABEL.match(sentence)
    if match is None:
        return None
    start = passage.sentences[number][0]
    return start, start + len(match.group(1).rstrip()), sentence[match.end() :], True


def _ask(term: str, definition: str, lexicon: Lexicon) -> str | None:
    words = words_in(definition)
    if not _FEWEST_WORDS <= len(words) <= _MOST_WORDS or _POINTING.search(definition) or ":" in definition:
        return None
    if not definition.endswith(".") or "?" in definition or definition.count("(") != definition.count(")"):
        return None
    named, told = stems(words_in(term)), stems(words)
    if len(told) < 3 or not named or len(named & told) > _GIVEN_AWAY * len(told) or named <= told:
        return None
    body = definition.rstrip(". ")
    first = words[0]
    if first.lower in _OPENINGS:  # "It is the ..."
        return f"What{body[first.end :]}?" if lexicon.is_finite(words[1].lower) else None
    if first.lower in _NO_PHRASE:
        return None
    form = lexicon.base_of(first.lower)
    if first.lower.endswith("s") and words[1].lower in _AFTER_A_VERB:  # "Enumerates the ..."
        return f"What {first.lower}{body[first.end :]}?"
    if form and form[1] == "does":  # "Specifies bespoke ..."
        if not words[1].is_stop or words[1].lower in ("of", "for", "in", "and"):
            return None
        return f"What {first.lower}{body[first.end :]}?"
    verb = find_verb(words, definition, lexicon)
    if verb is not None and words[verb].lower in ("is", "are") and words[verb + 1].lower in ("a", "an", "the"):
        return None  # "Fibrosarcoma. A fibroblastic sarcoma is a malignant tumor": the sentence asks better itself
    if first.lower in lexicon.common or first.is_stop:
        body = body[0].lower() + body[1:]
    return f"What is it called when {body}?" if verb is not None else f"Which term means {body}?"
