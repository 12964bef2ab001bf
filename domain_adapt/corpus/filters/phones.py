"""Where telephone numbers stand in a text: in international form, of the North American plan, or behind a keyword."""

from __future__ import annotations

import re
from collections.abc import Iterator

from domain_adapt.corpus.filters.forms import DASH, END, Span, digits, find, first, follows, is_end

# ITU-T E.164: at most 15 digits; the shortest numbers with their country's code have 8 (Iceland has 10, Niue 8).
_FEWEST, _MOST = 8, 15
# A number is complete with so many digits if a blank follows: further ones belong to what comes next.
_COMPLETE, _COMPLETE_NATIONAL = 11, 10
_FEWEST_NATIONAL = 7  # without an area code
_GAP = r"[ \n()./\-\u2010\u2011\u2013]{0,3}"
_INTERNATIONAL = re.compile(rf"\+(?<![\w\]]\+)\(?[1-9](?:{_GAP}\d){{6,16}}")
_COUNTRY = re.compile(
    r"1|7|2[07]|2\d\d|3[0-469]|3\d\d|4[013-9]|42\d|5[1-8]|5\d\d|6[0-6]|6\d\d|8[1246]|8[057-9]\d|9[0-58]|9[679]\d"
)
_EXACTLY_ELEVEN = ("1", "7")  # North America, Russia and Kazakhstan
_TRUNK_ZERO_STAYS = ("39", "378")  # Italy, San Marino; elsewhere no number goes on with 0 behind the country's code

# North American plan: area code and exchange begin with 2 to 9; N11 codes such as 911 are services.
_EXCHANGE = re.compile(rf"[2-9](?!11)\d\d(?P<gap>{DASH}\n?|[. \n])\d{{4}}{END}")
_AREA = re.compile(
    rf"(?<![\w\]@])(?<!\w{DASH})(?<!\d\.)(?P<one>\+?1(?:{DASH}\n?|[. \n])?)?"
    rf"(?:(?P<bracket>\()[2-9](?!11)\d\d\)[ \n]?{DASH}?|[2-9](?!11)\d\d(?P<gap>{DASH}\n?|[./ \n]))$"
)

_KEYWORD = re.compile(
    r"\b(?:(?:tele)?phone|tel|(?:tele)?fax|mobile|cell ?phone|call|dial|TTY|TDD)s?"
    r"(?:\s(?:numbers?|no\b\.?|nr\b\.?|is|at))*(?P<mark>[\s:.#]*)$",
    re.IGNORECASE,
)
_ANY = re.compile(first(r"[\d(]") + rf"(?:{_GAP}\d){{6,14}}")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?: \d{3})+")
_YEARS = re.compile(rf"(?:19|20)\d\d ?(?:{DASH}|/) ?(?:19|20)\d\d")


def phones(text: str) -> Iterator[Span]:
    """Yields telephone numbers."""
    yield from find(text, _INTERNATIONAL, _international_end)
    for match in _EXCHANGE.finditer(text):
        area = follows(_AREA, text, match.start())
        if area and _is_north_american(area, match["gap"]):
            yield area.start(), match.end()
    yield from find(text, _ANY, _national_end)


def _international_end(match: re.Match[str]) -> int:
    end = _end(match, _COMPLETE)
    number = digits(match.string[match.start() : end].replace("(0)", ""))
    country = _COUNTRY.match(number)
    if country is None or not _FEWEST <= len(number) <= _MOST or not is_end(match.string, end):
        return 0
    if country[0] in _EXACTLY_ELEVEN:
        return end if len(number) == _COMPLETE else 0
    trunk = number[country.end()] == "0" and country[0] not in _TRUNK_ZERO_STAYS
    return 0 if trunk else end


def _is_north_american(area: re.Match[str], gap: str) -> bool:
    """Tells by its separators whether it is a telephone number: blanks alone also divide columns of figures."""
    if area["bracket"] or area["one"]:
        return True
    if "." in (gap, area["gap"]):
        return gap == area["gap"]
    return bool(gap.strip())


def _national_end(match: re.Match[str]) -> int:
    keyword = follows(_KEYWORD, match.string, match.start())
    if not keyword:
        return 0
    end = _end(match, _COMPLETE_NATIONAL)
    written = match.string[match.start() : end]
    if _YEARS.fullmatch(written) or (not keyword["mark"].strip() and _THOUSANDS.fullmatch(written)):
        return 0
    return end if len(digits(written)) >= _FEWEST_NATIONAL and is_end(match.string, end) else 0


def _end(match: re.Match[str], complete: int) -> int:
    """Returns where a number ends whose groups go on: before the blank or line end behind which it is complete.

    One that ends its line is taken for complete with a digit less.
    """
    text, end, count = match.string, match.start(), 0
    for group in re.compile(r"\d+").finditer(text, match.start(), match.end()):
        gap = text[end : group.start()]
        if gap.isspace() and count >= complete - ("\n" in gap):
            break
        end, count = group.end(), count + len(group[0])
    return end
