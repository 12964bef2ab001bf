"""Cloze questions (after Lewis et al. 2019, arXiv 1906.04980): a sentence asks for a term, number or name in it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import zip_longest

from domain_adapt.question_making.answers import candidates
from domain_adapt.question_making.clauses import clause_around
from domain_adapt.question_making.evidence import best_evidence
from domain_adapt.question_making.lexicon import Lexicon
from domain_adapt.question_making.noun_phrases import Candidate
from domain_adapt.question_making.passages import Passage
from domain_adapt.question_making.questions import Question
from domain_adapt.question_making.wording import ask
from domain_adapt.question_making.words import stems, words_in

ORIGIN = "cloze"
# Content words that the sentence with the answer shares with a question that was made of another sentence. With one
# the two often speak of different things; three leave few questions.
_EVIDENCE = 2
_LEAST_CONTEXT = 30  # words left in a context without the sentence that was asked from


def cloze_questions(
    passage: Passage,
    lexicon: Lexicon,
    *,
    max_answer_words: int,
    order: Callable[[str], bytes],
    dropped: Counter[str],
) -> Iterator[Question]:
    """Yields the questions that sentences of a passage ask: of the kinds of answers one in turn.

    Where another sentence holds the answer and at least two more words of the question, the sentence that the question
    was made of is left out of the context; otherwise it stays. ``dropped`` counts what comes to nothing, by reason.

    Args:
        passage: Asked about.
        lexicon: Of the domain.
        max_answer_words: Longest answer.
        order: Of a text that tells a candidate: the smallest of a kind comes first.
        dropped: Counted up.
    """
    waiting: dict[str, list[tuple[bytes, int, Candidate]]] = defaultdict(list)
    for number, (first, last) in enumerate(passage.sentences):
        sentence = passage.text[first:last]
        if not sentence.endswith((".", "!")) or not (sentence[0].isupper() or sentence[0].isdigit()):
            dropped["sentence: not from a capital letter to a full stop"] += 1
            continue
        for found in candidates(sentence, lexicon, max_words=max_answer_words):
            waiting[found.kind].append((order(f"{found.start} {sentence}"), number, found))
    queues = [iter(sorted(waiting[kind], key=lambda one: one[:2])) for kind in sorted(waiting)]
    # Worked out only as far as the caller goes on: most of a passage's candidates are never needed.
    for turn in zip_longest(*queues):
        for _, number, found in filter(None, turn):
            question = _question(passage, number, found, lexicon, dropped)
            if question is not None:
                yield question


def _question(
    passage: Passage, number: int, candidate: Candidate, lexicon: Lexicon, dropped: Counter[str]
) -> Question | None:
    first, _ = passage.sentences[number]
    clause = clause_around(passage.sentence(number), candidate.start, candidate.end, lexicon)
    if clause is None:
        dropped["span: no clause around it that is understood alone"] += 1
        return None
    text = ask(clause, candidate.kind, lexicon)
    if text is None:
        dropped["span: no question can be worded, or it would tell too little"] += 1
        return None
    found = best_evidence(passage, clause.answer, stems(words_in(text)), apart_from=number, least=_EVIDENCE)
    if found:
        context, start = passage.without(number, found.start)
        if len(words_in(context)) >= _LEAST_CONTEXT:
            answer = passage.text[found.start : found.end]
            return Question(text, context, answer, start, candidate.kind, ORIGIN, True, passage.documents)
    start, end = first + candidate.start, first + candidate.end
    answer = passage.text[start:end]
    return Question(text, passage.text, answer, start, candidate.kind, ORIGIN, False, passage.documents)
