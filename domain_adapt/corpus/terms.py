"""The words that are typical of a domain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from domain_adapt.corpus.stop_words import STOP_WORDS

# The prior weighs as much as so many words of text: it decides about words seen once or twice and hardly about others.
_PRIOR_WORDS = 10_000.0
# A word that general English's list lacks is taken to be half as frequent as the rarest one in it.
_UNSEEN = 0.5


@dataclass(frozen=True)
class Term:
    """A word and how typical it is.

    Attributes:
        word: In lower case.
        score: z-score of the log-odds ratio; above 1.96 the word is more frequent than in general English at 95 %.
        count: In the domain.
        per_million: In a million words of the domain.
        general_per_million: In a million words of general English; 0 where its list lacks the word.
    """

    word: str
    score: float
    count: int
    per_million: float
    general_per_million: float


def typical_terms(counts: Mapping[str, int], general: Mapping[str, float], most: int = 30) -> list[Term]:
    """Returns the words most typical of a domain, the most typical first, stop words left out.

    The z-score of the log-odds ratio with an informative Dirichlet prior (Monroe, Colaresi & Quinn 2008, "Fightin'
    Words", equations 16, 18, 22 and 23); the prior of a word is in proportion to its frequency in general English.

    Args:
        counts: Of the words of the domain.
        general: The same of general English, in any unit of counts.
        most: So many at most.
    """
    total, general_total = sum(counts.values()), sum(general.values())
    if not total or not general_total:
        return []
    unseen = _UNSEEN * min(count for count in general.values() if count > 0)
    terms = []
    for word, count in counts.items():
        if word in STOP_WORDS:
            continue
        there = general.get(word, 0.0)
        expected = there or unseen  # with 0 the variance of a word that only the domain has would hide it
        prior = _PRIOR_WORDS * expected / general_total
        score = log_odds(count, total, expected, general_total, prior, _PRIOR_WORDS)
        if score > 0:
            terms.append(Term(word, score, count, 1e6 * count / total, 1e6 * there / general_total))
    return sorted(terms, key=lambda term: (-term.score, term.word))[:most]


def log_odds(one: float, one_total: float, other: float, other_total: float, prior: float, prior_total: float) -> float:
    """Returns the z-score of the log-odds ratio of one word.

    Args:
        one: How often the first text has the word.
        one_total: Words of the first text.
        other: How often the second text has the word.
        other_total: Words of the second text.
        prior: Pseudo-count of the word; more than 0.
        prior_total: Pseudo-counts of all words.
    """
    odds = [
        math.log((count + prior) / (total + prior_total - count - prior))
        for count, total in ((one, one_total), (other, other_total))
    ]
    return (odds[0] - odds[1]) / math.sqrt(1 / (one + prior) + 1 / (other + prior))
