"""The part of a sentence that a question is made of: one clause, without asides and connectives."""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain_adapt.question_making.lexicon import AUXILIARIES, Lexicon
from domain_adapt.question_making.words import Word, listed, words_in

_FEWEST_WORDS, _MOST_WORDS = 6, 28  # of a clause: below, nothing is told that could be asked; above, nobody asks so
# Where a clause may end: marks, and what begins another one behind a comma.
_BORDER = re.compile(
    r"\s*[;:\u2014]\s+|\s+[-\u2013]\s+|,\s+(?=(?:and|but|or|so|yet|although|though|because|since|whereas|while|which|who|"
    r"whose|where|when|if|unless|as|including|such|with)\s)"
)
PREPOSITIONS = listed(
    "about above across after against along among around as at because before behind below between beyond by despite "
    "during for from in into like near of off on over per since than through to towards under until upon via with "
    "within without"
)
_ASIDE = re.compile(r"\s*\([^()]*\)|\s*\[[^\[\]]*\]")
_CONNECTIVE = re.compile(
    r"^(?:however|therefore|thus|hence|moreover|furthermore|consequently|finally|additionally|similarly|instead|also|"
    r"for example|for instance|in addition|in contrast|by contrast|note that|in general|as a result|in particular|and|"
    r"but|or|so|yet|whereas|while|although|though|because|since|[A-Za-z]+ly(?=,))\b,?\s+|^(?:e\.g|i\.e)\.,?\s+",
    re.IGNORECASE,
)
# Words at the beginning of a clause that point to something before it, or make it part of another.
_POINTING = listed(
    "it its he his she her they their them this that these those such both each one ones other others another here "
    "there then which who whose whom where when if unless as including with you your we our i my if what how why "
    "whether to "
    "than not either neither all most some many few several any an' e.g i.e"
)
# Where these stand anywhere, the clause cannot be understood without what is around it.
_DANGLING = re.compile(
    r"\b(?:this|these|those|above|below|aforementioned|former|latter|respectively|following|figure|table|see|click\w*|"
    r"however|you|your|we|our|us|i|me|my)\b|https?:|www\.|[|\u2022*_=<>{}\[\]]",
    re.IGNORECASE,
)
_SUBORDINATING = listed("that which who whose whom if when where whether because although while unless how what")
_OBJECT_STARTS = listed("the a an its their his her this these more no all")


@dataclass(frozen=True)
class Clause:
    """A clause and the asked-for span in it: ``text[start:end]``.

    Attributes:
        text: Without asides and connectives, without a mark at its end.
        start: Of the span.
        end: Of the span.
    """

    text: str
    start: int
    end: int

    @property
    def answer(self) -> str:
        """The asked-for span."""
        return self.text[self.start : self.end]


def clause_around(sentence: str, start: int, end: int, lexicon: Lexicon) -> Clause | None:
    """Returns the clause of ``sentence`` that holds ``sentence[start:end]`` and can be understood alone, or None.

    It reaches from the last border before the span, behind which there is a subject and a verb, to the first border
    after it.
    """
    borders = list(_BORDER.finditer(sentence))
    stop = next((match.start() for match in borders if match.start() >= end), len(sentence))
    begins = [0, *(match.end() for match in borders if match.end() <= start)]
    for begin in reversed(begins):
        clause = _cleaned(sentence[begin:stop], start - begin, end - begin)
        if clause and is_clear(clause, lexicon):
            return clause
    return None


def _cleaned(text: str, start: int, end: int) -> Clause | None:
    """Returns the text without what is in parentheses, without a connective at its beginning and marks at its end."""
    kept, marks, last = "", [start, end], 0
    for match in [*_ASIDE.finditer(text), *_CONNECTIVE.finditer(text)]:
        if match.start() < end and match.end() > start:
            return None  # the span itself is an aside
    cuts = sorted((m.span() for m in [*_ASIDE.finditer(text), *_CONNECTIVE.finditer(text)]), key=lambda cut: cut[0])
    for first, final in cuts:
        if first < last:
            continue
        kept += text[last:first]
        for number, mark in enumerate((start, end)):
            if final <= mark:
                marks[number] -= final - first
        last = final
    kept = (kept + text[last:]).rstrip().rstrip(".,;:!?")
    return Clause(kept, marks[0], marks[1]) if marks[1] <= len(kept) else None


def is_clear(clause: Clause, lexicon: Lexicon) -> bool:
    """Returns whether a clause has a subject and a verb and points to nothing outside of it."""
    words = words_in(clause.text)
    if not _FEWEST_WORDS <= len(words) <= _MOST_WORDS or not clause.text[0].isalnum():
        return False
    if words[0].lower in _POINTING or words[0].lower in AUXILIARIES or clause.text.count("(") != clause.text.count(")"):
        return False
    behind = clause.text[words[0].end : words[0].end + 1]
    if behind in {")", ":"} or (behind == "," and words[0].is_number):  # "1) ...", "Note: ...", "1993, even with ..."
        return False
    form = lexicon.base_of(words[0].lower)
    if form and form[1] == "does" and words[1].lower not in AUXILIARIES:  # "Specifies the ..."
        return False
    if _DANGLING.search(clause.text) or clause.text.count('"') % 2 or clause.text.count("?"):
        return False
    if words[0].lower in PREPOSITIONS and "," not in clause.text:  # "for African Americans were lower"
        return False
    if any(
        word.is_stop and word.text[0].isupper() and len(word.text) > 1 and word.text[1].islower() for word in words[1:]
    ):
        return False  # a heading that ran into its text: "Business Model The proposed subtests"
    if _repeats([word.lower for word in words]):
        return False  # the same: "Surgery Surgery is the most common treatment"
    verb = find_verb(words, clause.text, lexicon)
    if verb is not None and "," in clause.text[words[verb - 1].end : words[verb].start]:
        return False
    return verb is not None and any(not word.is_stop and not word.lower.endswith("ly") for word in words[:verb])


def _repeats(words: list[str]) -> bool:
    """Returns whether one to four words stand there twice in a row."""
    runs = ((start, length) for length in range(1, 5) for start in range(len(words) - 2 * length + 1))
    return any(words[start : start + length] == words[start + length : start + 2 * length] for start, length in runs)


def find_verb(words: list[Word], text: str, lexicon: Lexicon) -> int | None:
    """Returns the number of the word that is the verb of a clause, or None where that cannot be told.

    An auxiliary is one. Of other words the form must agree with the noun before it: "payments rise", "the rate rises";
    a past form must be followed by an object's first word, for else it may be a participle ("cells called granules").
    """
    for number, word in enumerate(words):
        if not number:
            continue
        before = words[number - 1]
        if word.lower in _SUBORDINATING:
            return None
        if word.text[0].isupper():
            continue
        if word.lower in AUXILIARIES:
            return number
        form = lexicon.base_of(word.lower)
        if form is None or before.is_stop or text[before.end : word.start].strip():
            continue
        follows = words[number + 1].lower if number + 1 < len(words) else ""
        plural = before.lower.endswith("s") and not before.lower.endswith(("ss", "is", "us"))
        if form[1] == "do" and plural and follows not in {"of", "and", "or"}:
            return number
        if form[1] == "does" and not plural and follows not in {"of", "and", "or", "is", "are", "was", "were"}:
            return number
        if form[1] == "did" and follows in _OBJECT_STARTS:
            return number
    return None
