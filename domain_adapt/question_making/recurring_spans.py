"""Recurring-span selection (Ram et al. 2021, Splinter, arXiv 2101.00438): what a passage says twice answers itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from domain_adapt.question_making.evidence import best_evidence, stems
from domain_adapt.question_making.passages import Passage
from domain_adapt.question_making.questions import Question
from domain_adapt.question_making.words import Word, words_in

ORIGIN = "recurring-span"
# A plain word and not a mask token: the file must not hang on a tokenizer, and a question in earnest says "what" too.
BLANK = "what"
LONGEST = 10  # words (Ram et al. 2021, section 3.1)
# Content words that the other sentence shares with the question, the span not counted: with none of them, which of
# several spans is meant is anybody's guess. The paper asks for none, and has thousands of times the text.
_EVIDENCE = 1
_FEWEST_WORDS, _MOST_WORDS = 6, 40  # of the sentence that becomes the question
_LEAST_CONTEXT = 30

Place = tuple[int, int, int]  # number of the sentence, first word, word behind the last


def recurring_spans(passage: Passage, *, max_words: int) -> dict[tuple[str, ...], list[Place]]:
    """Returns the spans that occur at least twice and where, whatever their case.

    They lie inside sentences, begin and end with a word that is no stop word, have ``max_words`` words at most, and are
    maximal: an occurrence that lies inside an occurrence of a longer recurring span does not count.
    """
    words = [words_in(passage.sentence(number)) for number in range(len(passage.sentences))]
    found: dict[tuple[str, ...], list[Place]] = {}
    covered: set[tuple[int, int]] = set()
    for length in range(max_words, 0, -1):
        places: dict[tuple[str, ...], list[Place]] = defaultdict(list)
        for number, sentence in enumerate(words):
            text = passage.sentence(number)
            for first in range(len(sentence) - length + 1):
                span = sentence[first : first + length]
                if not _may_be_asked(span, text) or (number, first) in covered:
                    continue
                places[tuple(word.lower for word in span)].append((number, first, first + length))
        recurring = {span: seen for span, seen in places.items() if len(seen) > 1}
        found |= recurring
        for number, first, last in (place for seen in recurring.values() for place in seen):
            covered.update((number, word) for word in range(first, last))
    return found


def _may_be_asked(span: list[Word], text: str) -> bool:
    if span[0].is_stop or span[-1].is_stop or all(len(word.text) < 3 for word in span):
        return False
    # Not over a comma or a parenthesis: such a span is no phrase.
    return not set(text[span[0].start : span[-1].end]) & set(',;:()[]"')


def recurring_span_questions(passage: Passage, *, max_answer_words: int, dropped: Counter[str]) -> Iterator[Question]:
    """Yields a question for each recurring span: the sentence of one occurrence, with "what" in the span's place.

    That sentence is left out of the context, so the answer is another occurrence; of the pairs of sentences the one
    whose other words agree best is taken.
    """
    for places in recurring_spans(passage, max_words=min(LONGEST, max_answer_words)).values():
        best: tuple[int, Question] | None = None
        for place in places:
            made = _question(passage, place)
            if made is not None and (best is None or made[0] > best[0]):
                best = made
        if best is None:
            dropped["recurring span: no other sentence that shares a word with the question"] += 1
        else:
            yield best[1]


def _question(passage: Passage, place: Place) -> tuple[int, Question] | None:
    """Returns how many words agree, and the question."""
    number, first, last = place
    sentence = passage.sentence(number)
    words = words_in(sentence)
    if not _FEWEST_WORDS <= len(words) <= _MOST_WORDS:
        return None
    start, end = words[first].start, words[last - 1].end
    text = f"{sentence[:start]}{BLANK}{sentence[end:]}".strip().rstrip(".,;:!?")
    text = f"{text[0].upper()}{text[1:]}?"
    span = sentence[start:end]
    if set(word.lower for word in words[first:last]) <= set(word.lower for word in words[:first] + words[last:]):
        return None  # it stands in its own question a second time
    asked = stems(text)
    found = best_evidence(passage, span, asked, apart_from=number, least=_EVIDENCE)
    if found is None:
        return None
    context, moved = passage.without(number, found.start)
    if len(words_in(context)) < _LEAST_CONTEXT:
        return None
    answer = passage.text[found.start : found.end]
    return found.shared, Question(text, context, answer, moved, "span", ORIGIN, True, passage.documents)
