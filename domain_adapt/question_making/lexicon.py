"""What the domain's own text tells about its words: terms, verbs, names, and what kinds of things there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain_adapt.corpus.terms import typical_terms
from domain_adapt.corpus.vocabulary import Vocabulary
from domain_adapt.question_making.words import Word, listed, words_in

MODALS = listed("can could may might must shall should will would cannot")
AUXILIARIES = MODALS | listed("is are was were has have had does do did")
# Monroe et al. 2008: the z-score from which a word is more frequent than elsewhere at 95 %.
_TYPICAL = 1.96
_MOST_TERMS = 20_000  # of the domain's most typical words; memory, and far more than any text of this size has
# Behind a modal stands a verb, but for an adverb: a word seen there once may be one, seen twice and without -ly it is.
_VERB_SEEN = 2
# "lease liability", "tax liability", "pension liability": so many modifiers make a word a kind of thing.
_KIND_SEEN = 4
# Verbs that name a relation in nearly every field, should the text be too short to show them behind a modal.
_COMMON_VERBS = listed(
    "affect allow apply cause define describe determine include increase indicate involve lead make mean occur produce "
    "provide reduce reflect refer represent require result show specify suggest take use"
)
_IRREGULAR_PAST = listed("began became came fell gave grew held led made rose saw set took went wrote")


@dataclass(frozen=True)
class Lexicon:
    """Words of a domain, all in lower case.

    Attributes:
        terms: More frequent than in general English.
        verbs: In their base form.
        common: Seen without a capital letter: those that are only seen with one are names.
        kinds: Last words of many terms: "syndrome", "ratio".
    """

    terms: frozenset[str]
    verbs: frozenset[str]
    common: frozenset[str]
    kinds: frozenset[str]

    def base_of(self, word: str) -> tuple[str, str] | None:
        """Returns the base form and the auxiliary that asks about it (do, does, did) of a finite verb, or None."""
        if word in self.verbs:
            return word, "do"
        for ending, replaced, auxiliary in _ENDINGS:
            if word.endswith(ending) and len(word) > len(ending) + 2:
                base = word[: -len(ending)] + replaced
                if base in self.verbs:
                    return base, auxiliary
                if auxiliary == "did" and len(base) > 2 and base[-1] == base[-2] and base[:-1] in self.verbs:
                    return base[:-1], auxiliary  # "stopped"
        return None

    def is_finite(self, word: str) -> bool:
        """Returns whether a word may be the verb of a clause."""
        return word in AUXILIARIES or word in _IRREGULAR_PAST or self.base_of(word) is not None

    def is_name(self, word: Word) -> bool:
        """Returns whether a word is written with a capital letter and nowhere without one."""
        return word.text[0].isupper() and word.lower not in self.common and not word.is_stop


_ENDINGS = (
    ("ies", "y", "does"),
    ("es", "", "does"),
    ("s", "", "does"),
    ("ied", "y", "did"),
    ("ed", "", "did"),
    ("ed", "e", "did"),
)


def make_lexicon(texts: Iterable[str], general: Mapping[str, float]) -> Lexicon:
    """Returns what the texts of a domain tell about its words.

    Args:
        texts: Of the domain.
        general: How often general English has each word, in any unit of counts (package ``wordfreq``).
    """
    vocabulary = Vocabulary()
    behind_modals: Counter[str] = Counter()
    common: set[str] = set()
    modifiers: dict[str, set[str]] = defaultdict(set)
    for text in texts:
        vocabulary.add(text)
        words = words_in(text)
        common.update(word.lower for word in words if word.text[0].islower())
        for before, word, after in zip(words, words[1:], words[2:], strict=False):
            if before.lower in MODALS and word.text.isalpha() and word.text.islower() and not word.is_stop:
                behind_modals[word.lower] += 1
            # A compound that stands between stop words or at a sentence's end: its last word says what it is.
            closed = after.is_stop or text[word.end : after.start].strip() != ""
            if closed and not before.is_stop and text[before.end : word.start] == " " and not word.is_stop:
                modifiers[word.lower].add(before.lower)
    terms = typical_terms(vocabulary.counts, general, _MOST_TERMS)
    verbs = {word for word, count in behind_modals.items() if count >= _VERB_SEEN and not word.endswith("ly")}
    typical = frozenset(term.word for term in terms if term.score > _TYPICAL)
    kinds = {
        word
        for word, seen in modifiers.items()
        if len(seen) >= _KIND_SEEN and word.isalpha() and len(word) > 2 and not _is_form(word)
    }
    return Lexicon(typical, frozenset(verbs | _COMMON_VERBS), frozenset(common), frozenset(kinds - verbs))


def _is_form(word: str) -> bool:
    """Returns whether a word is a plural, a participle or an adverb: none of them is asked for by "which"."""
    endings = ("s", "ed", "ing", "ly", "al", "ic", "ive", "ous", "ent", "ant", "able", "ible", "ary")
    return word.endswith(endings) and not word.endswith("ment")
