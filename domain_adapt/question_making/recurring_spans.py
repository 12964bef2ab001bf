"""Recurring-span selection (Ram et al. 2021, Splinter, arXiv 2101.00438): what a passage says twice answers itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise

from domain_adapt.corpus.stop_words import STOP_WORDS
from domain_adapt.question_making.clauses import find_verb
from domain_adapt.question_making.evidence import best_evidence
from domain_adapt.question_making.lexicon import Lexicon
from domain_adapt.question_making.noun_phrases import is_noun_phrase
from domain_adapt.question_making.passages import Passage
from domain_adapt.question_making.questions import Question
from domain_adapt.question_making.words import Word, stems, words_in

ORIGIN = "recurring-span"
# A plain word and not a mask token: the file must not hang on a tokenizer, and a question in earnest says "what" too.
BLANK = "what"
LONGEST = 10  # words (Ram et al. 2021, section 3.1)
# Content words that the other sentence shares with the question, the span not counted: without them, which of several
# spans is meant is anybody's guess. The paper asks for none, and has thousands of times the text.
_EVIDENCE = 2
# Function words that a span may have inside: what goes on with another is hardly ever one phrase.
_INSIDE = frozenset({"of", "the", "and"})
_FEWEST_WORDS, _MOST_WORDS = 6, 40  # of the sentence that becomes the question
# Of a sentence without a verb, such as a definition: words before the span, and content words beside it.
_FEWEST_BEFORE, _FEWEST_CONTENT_WORDS = 3, 4
_LEAST_CONTEXT = 30

Place = tuple[int, int, int]  # number of the sentence, first word, word behind the last


def recurring_spans(passage: Passage, lexicon: Lexicon, *, max_words: int) -> dict[tuple[str, ...], list[Place]]:
    """Returns the spans that occur at least twice and where, whatever their case.

    They lie inside sentences, begin and end with a word that is no stop word, hold no other function words than "of",
    "the" and "and", have ``max_words`` words at most, look like noun phrases, and are maximal: what lies inside an
    occurrence of a longer one does not count.
    """
    found: dict[tuple[str, ...], list[Place]] = {}
    covered: set[tuple[int, int]] = set()
    for length in range(max_words, 0, -1):
        places: dict[tuple[str, ...], list[Place]] = defaultdict(list)
        for number, sentence in enumerate(passage.words):
            text = passage.sentence(number)
            for first in range(len(sentence) - length + 1):
                span = sentence[first : first + length]
                if (number, first) not in covered and _may_be_asked(span, text, lexicon):
                    places[tuple(word.lower for word in span)].append((number, first, first + length))
        recurring = {span: seen for span, seen in places.items() if len(seen) > 1}
        found |= recurring
        for number, first, last in (place for seen in recurring.values() for place in seen):
            covered.update((number, word) for word in range(first, last))
    return found


def _may_be_asked(span: list[Word], text: str, lexicon: Lexicon) -> bool:
    if span[0].lower in STOP_WORDS or span[-1].lower in STOP_WORDS:
        return False
    if any(word.lower in STOP_WORDS and word.lower not in _INSIDE for word in span) or not is_noun_phrase(
        span, None, None, text, lexicon
    ):
        return False
    if any(word.lower == "the" and before.lower not in _INSIDE for before, word in pairwise(span)):
        return False  # "trade the security"
    # Not over a comma or a parenthesis: such a span is no phrase.
    return not set(text[span[0].start : span[-1].end]) & set(',;:()[]"')


def recurring_span_questions(
    passage: Passage,
    lexicon: Lexicon,
    *,
    max_answer_words: int,
    order: Callable[[str], bytes],
    dropped: Counter[str],
) -> Iterator[Question]:
    """Yields a question for each recurring span: the sentence of one occurrence, with "what" in the span's place.

    That sentence is left out of the context, so the answer is another occurrence; of the pairs of sentences the one
    whose other words agree best is taken. ``order`` ranks the spans, ``dropped`` counts what comes to nothing.
    """
    found = recurring_spans(passage, lexicon, max_words=min(LONGEST, max_answer_words))
    for span in sorted(found, key=lambda span: order(f"{span} {passage.text}")):
        best: tuple[int, Question] | None = None
        for place in found[span]:
            made = _question(passage, place, lexicon)
            if made is not None and (best is None or made[0] > best[0]):
                best = made
        if best is None:
            dropped["recurring span: no sentence that asks for it, or no other one that shares its words"] += 1
        else:
            yield best[1]


def _question(passage: Passage, place: Place, lexicon: Lexicon) -> tuple[int, Question] | None:
    """Returns how many words agree, and the question."""
    number, first, last = place
    sentence, words = passage.sentence(number), passage.words[number]
    if not _FEWEST_WORDS <= len(words) <= _MOST_WORDS or not sentence.endswith((".", "!")):
        return None
    before = words[first - 1] if first else None
    after = words[last] if last < len(words) else None
    if not is_noun_phrase(words[first:last], before, after, sentence, lexicon):
        return None  # here it is only a part of a phrase
    if {word.lower for word in words[first:last]} <= {word.lower for word in words[:first] + words[last:]}:
        return None  # it stands in its own question a second time
    start, end = words[first].start, words[last - 1].end
    if sentence[end : end + 1].strip() and sentence[end + 1 : end + 2].isalnum():
        return None  # "fructose-1" of "fructose-1,6-bisphosphate"
    if sentence[end : end + 1] == "." and sentence[end + 1 :].strip("\"')"):
        return None  # "U.S" of "U.S. dollar"
    rest = [word for word in words[:first] + words[last:] if not word.is_stop]
    if find_verb(words, sentence, lexicon) is None and (first < _FEWEST_BEFORE or len(rest) < _FEWEST_CONTENT_WORDS):
        return None  # "An [abnormal form] of the nose": of what has no verb, there must be more to go by
    cut = before.start if before is not None and before.lower in ("a", "an", "the") else start
    text = f"{sentence[:cut]}{BLANK}{sentence[end:]}".strip().rstrip(".,;:!?")
    text = f"{text[0].upper()}{text[1:]}?"
    found = best_evidence(passage, sentence[start:end], stems(words_in(text)), apart_from=number, least=_EVIDENCE)
    if found is None:
        return None
    context, moved = passage.without(number, found.start)
    if len(words_in(context)) < _LEAST_CONTEXT:
        return None
    answer = passage.text[found.start : found.end]
    return found.shared, Question(text, context, answer, moved, "span", ORIGIN, True, passage.documents)
