"""Which of a passage's sentences could answer a question that was made of another one."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from domain_adapt.question_making.passages import Passage
from domain_adapt.question_making.words import stems, words_in


@dataclass(frozen=True)
class Evidence:
    """An occurrence of an answer: ``passage.text[start:end]``.

    Attributes:
        start: Of the answer.
        end: Of the answer.
        shared: Words that its sentence has in common with the question, the answer's own not counted.
    """

    start: int
    end: int
    shared: int


def occurrences(passage: Passage, span: str) -> list[tuple[int, int, int]]:
    """Returns (sentence number, start, end in the passage) of every place with the words of ``span``, in any case."""
    wanted = [word.lower for word in words_in(span)]
    found = []
    for number, words in enumerate(passage.words):
        first = passage.sentences[number][0]
        for place in range(len(words) - len(wanted) + 1):
            if (
                words[place].lower == wanted[0]
                and [word.lower for word in words[place : place + len(wanted)]] == wanted
            ):
                found.append((number, first + words[place].start, first + words[place + len(wanted) - 1].end))
    return found


def best_evidence(passage: Passage, span: str, asked: Set[str], *, apart_from: int, least: int) -> Evidence | None:
    """Returns the occurrence of the span whose sentence shares the most words with the question; the first of equals.

    Args:
        passage: Looked through.
        span: The answer.
        asked: Stems of the question's content words.
        apart_from: The sentence that the question was made of; it does not count.
        least: Stems that must be shared.
    """
    own = stems(words_in(span))
    best: Evidence | None = None
    for number, start, end in occurrences(passage, span):
        if number == apart_from:
            continue
        shared = len((passage.stems[number] & asked) - own)
        if shared >= least and (best is None or shared > best.shared):
            best = Evidence(start, end, shared)
    return best
