"""Questions that their context does not answer: asked of one passage, put to a similar one without the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from domain_adapt.question_making.passages import Passage
from domain_adapt.question_making.questions import Question
from domain_adapt.question_making.words import lower_words, stems, words_in
from domain_adapt.randomness import integer_seed

# The share that the project's own question sets have (tasks/qa: 11 to 16 % of each part): a model that is to say
# "no answer" there practises it as often here.
SHARE = 0.15
# Passages that a question is put to on trial; the one that shares most of its words is taken, for telling by the
# subject alone that there is no answer teaches nothing. More find hardly a nearer one and take longer.
_TRIALS = 64


def put_elsewhere(question: Question, passages: Sequence[Passage], *, seed: int, number: int) -> Question | None:
    """Returns the question on another document's passage that lacks its answer, or None if none shares a word with it.

    Args:
        question: Answerable.
        passages: To choose from.
        seed: Of the recipe.
        number: Of this question; seed and number decide the passages on trial.
    """
    generator = np.random.Philox(key=integer_seed(seed, "questions-elsewhere", number))
    drawn = generator.random_raw(_TRIALS) % np.uint64(len(passages))
    asked = stems(words_in(question.question))
    answer = f" {' '.join(lower_words(question.answer))} "
    best: tuple[int, Passage] | None = None
    for index in drawn.tolist():
        passage = passages[index]
        if set(passage.documents) & set(question.documents) or answer in f" {' '.join(lower_words(passage.text))} ":
            continue
        shared = sum(stem in asked for stem in set().union(*passage.stems))
        if shared and (best is None or shared > best[0]):
            best = (shared, passage)
    if best is None:
        return None
    return replace(question, context=best[1].text, answer="", start=-1, documents=best[1].documents)
