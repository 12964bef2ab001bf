"""Which of a passage's sentences could answer a question that was made of another one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from domain_adapt.question_making.passages import Passage
from domain_adapt.question_making.words import words_in

# Words count as the same if they begin alike: "infection" and "infections", "insured" and "insurance".
_STEM = 6


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


def stems(text: str) -> set[str]:
    """Returns the beginnings of the content words of a text."""
    return {word.lower[:_STEM] for word in words_in(text) if not word.is_stop and len(word.text) > 2}


def occurrences(passage: Passage, span: str) -> list[tuple[int, int, int]]:
    """Returns (sentence number, start, end in the passage) of every place with the words of ``span``, in any case."""
    wanted = [word.lower for word in words_in(span)]
    found = []
    for number, (first, last) in enumerate(passage.sentences):
        words = words_in(passage.text[first:last])
        lowered = [word.lower for word in words]
        for place in range(len(words) - len(wanted) + 1):
            if lowered[place : place + len(wanted)] == wanted:
                found.append((number, first + words[place].start, first + words[place + len(wanted) - 1].end))
    return found


def best_evidence(
    passage: Passage, span: str, asked: Collection[str], *, apart_from: int, least: int
) -> Evidence | None:
    """Returns the occurrence of the span whose sentence shares the most words with the question; the first of equals.

    Args:
        passage: Looked through.
        span: The answer.
        asked: Stems of the question's content words.
        apart_from: The sentence that the question was made of; it does not count.
        least: Stems that must be shared.
    """
    own = stems(span)
    best: Evidence | None = None
    for number, start, end in occurrences(passage, span):
        if number == apart_from:
            continue
        shared = len((stems(passage.sentence(number)) & set(asked)) - own)
        if shared >= least and (best is None or shared > best.shared):
            best = Evidence(start, end, shared)
    return best
