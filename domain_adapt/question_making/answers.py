"""What of a sentence may be asked for: percentages, sums of money, dates, counts, people, places, names and terms."""

from __future__ import annotations

import re
from collections.abc import Sequence

from domain_adapt.question_making.lexicon import Lexicon
from domain_adapt.question_making.noun_phrases import Candidate, Kind, names, terms
from domain_adapt.question_making.words import Word, listed, words_in

_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_YEAR = r"(?:1[5-9]|20)\d\d"  # printing to this century: what texts of a field name as years
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_SMALL = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|sixty|ninety"
_SCALE = r"(?:\s(?:hundred|thousand|million|billion|trillion))?"
_CURRENCIES = "pounds|dollars|euros|yen|francs|USD|EUR|GBP"
# "3-5%" and "5% to 10%" are one answer; of "0-13 percent" the second half alone would be none.
_PERCENTAGE = re.compile(
    rf"(?<![\w.,/-])(?:(?:{_NUMBER})\s?%?(?:\s?[-\u2013]|\sto)\s?)?(?:{_NUMBER})(?:\s?%|\sper\scent\b|\spercent\b)"
)
_MONEY = re.compile(rf"[$€£¥]\s?(?:{_NUMBER}){_SCALE}|\b(?:{_NUMBER}){_SCALE}\s(?:{_CURRENCIES})\b")
_DATE = re.compile(
    rf"\b(?:\d{{1,2}}\s{_MONTH}(?:\s{_YEAR})?|{_MONTH}\s\d{{1,2}}(?:,\s{_YEAR})?|{_MONTH}(?:,?\s{_YEAR})|{_YEAR})\b"
    # "1992 editions", "2021 Definitions": there the year is part of a name.
    r"(?!\s(?!and|or|but|to|by|in|on|at|after|before|when|which|who|that|with|for|as|from|until)[A-Za-z])"
)
_NUMBERED = listed("of section type level stage grade figure table chapter version")
_COUNT = re.compile(rf"(?<![\w.,:$€£¥-])(?:{_NUMBER}|{_SMALL}){_SCALE}(?=\s[a-z])", re.IGNORECASE)


def candidates(sentence: str, lexicon: Lexicon, *, max_words: int) -> list[Candidate]:
    """Returns the spans of a sentence that may be asked for, in order; none overlaps another.

    Percentages come before sums, sums before dates, these before counts, and those before names and terms.

    Args:
        sentence: From its first to its last character.
        lexicon: Of the domain.
        max_words: In a span.
    """
    found: list[Candidate] = []

    def add(candidate: Candidate) -> None:
        if all(candidate.end <= other.start or candidate.start >= other.end for other in found):
            found.append(candidate)

    kinds: tuple[tuple[re.Pattern[str], Kind], ...] = ((_PERCENTAGE, "percentage"), (_MONEY, "money"), (_DATE, "date"))
    for pattern, kind in kinds:
        for match in pattern.finditer(sentence):
            add(Candidate(match.start(), match.end(), kind))
    words = words_in(sentence)
    for match in _COUNT.finditer(sentence):
        if re.fullmatch(_YEAR, match.group()):
            continue
        before = next((word for word in reversed(words) if word.end <= match.start()), None)
        if _counted(words, match.end()) and not (before and _is_numbered(before, sentence, match.start())):
            add(Candidate(match.start(), match.end(), "number"))
    for candidate in (*names(sentence, words, lexicon), *terms(sentence, words, lexicon)):
        add(candidate)
    fitting = [one for one in found if len(words_in(sentence[one.start : one.end])) <= max_words]
    return sorted(fitting, key=lambda one: one.start)


def _is_numbered(before: Word, sentence: str, start: int) -> bool:
    """Returns whether a number is the name of what stands before it ("IAS 2", "section 3", "a reading of 32")."""
    if sentence[before.end : start].strip():
        return False
    if before.lower in {"to", "or", "and", "in"}:  # "four to six weeks", "3 in 100 cases"
        earlier = sentence[: before.start].split()
        return bool(earlier) and (
            earlier[-1][0].isdigit() or re.fullmatch(f"one|{_SMALL}", earlier[-1].lower()) is not None
        )
    return (before.text[0].isupper() and before.start > 0) or before.lower in _NUMBERED


def _counted(words: Sequence[Word], end: int) -> bool:
    """Returns whether a plural follows within two words: what "how many" asks about."""
    for word in [word for word in words if word.start >= end][:2]:
        if word.is_stop or not word.text.isalpha() or word.lower in {"times", "per", "percent"}:
            return False
        if word.lower.endswith("s") and not word.lower.endswith(("ss", "ous", "is", "us")):
            return True
    return False
