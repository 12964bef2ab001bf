"""Which words a tokenizer should learn: frequent in the domain, rare elsewhere, and cut into many pieces."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain_adapt.recipes import VocabularySettings

if TYPE_CHECKING:
    from domain_adapt.vocabulary.families import Family

# A run of letters and the space before it: what byte-level tokenizers cut text into (Radford et al. 2019). Numbers and
# hyphens end a word, as every tokenizer here splits at them; a term with a hyphen saves nothing as a whole.
_FORM = re.compile(r" ?[^\W\d_]+")
_MOST_FORMS = 3_000_000  # different ones held while counting: some 300 MB; beyond it those seen once are forgotten
# A word that the general list lacks counts as half as frequent as its rarest one.
_UNSEEN = 0.5


@dataclass(frozen=True)
class Term:
    """A word that becomes a token.

    Attributes:
        form: As it stands in text; for tokenizers that know them, with the space before it.
        count: In the corpus.
        pieces: Ids of the tokens that it was cut into, two or more.
        score: Tokens that it saves, times how much more frequent it is than in general English (log2).
    """

    form: str
    count: int
    pieces: tuple[int, ...]
    score: float


def count_forms(texts: Iterable[str]) -> Counter[str]:
    """Returns how often each run of letters comes in the texts, with and without a space before it."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_FORM.findall(text))
        if len(counts) > _MOST_FORMS:
            counts = Counter({form: count for form, count in counts.items() if count > 1})
    return counts


def choose_terms(
    counts: Mapping[str, int], family: Family, settings: VocabularySettings, general: Mapping[str, float]
) -> list[Term]:
    """Returns at most ``settings.add`` terms, the best first; of equals in alphabetical order.

    Args:
        counts: Of :func:`count_forms`.
        family: The tokenizer.
        settings: Bounds.
        general: How often general English has each lower-case word, in any unit.
    """
    forms: Counter[str] = Counter()
    for form, count in counts.items():
        known = family.form(form)
        if known is not None:
            forms[known] += count
    frequent = [form for form, count in forms.items() if count >= settings.min_count]
    total = sum(counts.values())
    specificity = Specificity(general)
    terms = []
    for form, pieces in zip(frequent, _pieces(family, frequent), strict=True):
        if len(pieces) < settings.min_pieces or family.unknown in pieces:
            continue
        share = specificity.of(form.strip(), forms[form] / total)
        if share > 0:
            terms.append(Term(form, forms[form], pieces, forms[form] * (len(pieces) - 1) * share))
    return sorted(terms, key=lambda term: (-term.score, term.form))[: settings.add]


class Specificity:
    """How much more frequent words are than in general English.

    Args:
        general: Lower-case word -> how often it comes, in any unit.
    """

    def __init__(self, general: Mapping[str, float]) -> None:
        self._general = general
        self._total = sum(general.values())
        self._unseen = _UNSEEN * min(general.values())

    def of(self, word: str, share: float) -> float:
        """Returns log2 of ``share`` over the word's share in general English; 1 is twice as frequent."""
        expected = self._general.get(word.lower(), 0.0) or self._unseen
        return math.log2(share * self._total / expected)


def _pieces(family: Family, forms: Sequence[str]) -> Iterator[tuple[int, ...]]:
    for start in range(0, len(forms), 10_000):
        yield from family.pieces(forms[start : start + 10_000])
