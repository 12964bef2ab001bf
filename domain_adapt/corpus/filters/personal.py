"""Where personal addresses and numbers stand in a text: one function a kind, each yields (start, end).

What may be one is found by its form, which begins with a digit or another rare character, so that most text is passed
over at the speed of a search for characters. What is one is decided by what stands around it, by the rules under which
it is issued, and by its checksum. Between the groups of a number a line may end. Telephone numbers are in ``phones``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from domain_adapt.corpus.filters.forms import DASH, END, Span, digits, ends, find, first, follows

# RFC 5321: at most 64 characters before the @; RFC 1035: at most 63 between dots.
_DOMAIN = re.compile(r"@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w@-])")
_LOCAL = re.compile(r"[\w+%'-](?:[\w.+%'-]{0,62}[\w+%-])?$")

_IBAN = re.compile(r"[A-Z](?<![\w\]][A-Z])[A-Z]\d\d(?:[ \n-]?[A-Z0-9]){11,30}")  # ISO 13616: 15 to 34 characters

_CARD = re.compile(first(r"\d") + rf"\d{{3}}(?:(?:{DASH}\n?|[ \n])?\d){{10,15}}")
# Prefixes and lengths by which the networks issue (ISO/IEC 7812): Visa, Mastercard, American Express, Diners Club,
# Discover, JCB, UnionPay, Maestro. Visa's 13 digits are left out: long not issued, and an article number has as many.
_ISSUED = re.compile(
    r"4\d{15}(?:\d{3})?|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|(?:6011|64[4-9]\d|65\d\d)\d{12}(?:\d{3})?|35(?:2[89]|[3-8]\d)\d{12}"
    r"|62\d{14,17}|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{10,15}"
)
_CARD_GROUPS = {(4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4)}  # as they are printed

_SSN = re.compile(first(r"\d") + rf"\d\d({DASH}\n?|[ \n]?)\d\d({DASH}\n?|[ \n]?)\d{{4}}" + END)
_SSN_KEYWORD = re.compile(r"\b(?:SSN|SS ?#|social security)(?:\s(?:number|no))?(?:\sis)?[\s:#.=]*$", re.IGNORECASE)

# Digits in one piece or with hyphens, or in groups of at most four with blanks; a letter may close them.
_MRN = re.compile(r"\d(?<!\d\d)(?:\d{3,14}(?:-\d{1,6}){0,3}|\d{0,3}(?:[- \n]\d{2,4}){1,3})[A-Za-z]?(?![\w\[]|[-./]\d)")
_MRN_KEYWORD = re.compile(
    r"\b(?:MRN|M\.R\.N\.?|(?:(?:medical|health|hospital|patient)\s(?:record\s)?|(?:chart|record)\s)"
    r"(?:id(?:entifier|entification)?|numbers?|no\b\.?|\#)(?:\s(?:numbers?|no\b\.?))?)"
    r"(?:\sis|\swas)?[\s:\#.=]{0,4}(?P<letters>[A-Z]{0,3}-?)$",
    re.IGNORECASE,
)
_FEWEST_RECORD_DIGITS = 4  # a shorter one may be a count

_IPV4 = re.compile(first(r"\d") + r"\d{0,2}(?:\.\d{1,3}){3}" + END)
_IPV6 = re.compile(r"[0-9A-Fa-f:](?<![\w:.\]][0-9A-Fa-f:])[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{2,36}(?![\w:]|\.\w)")
_IP_KEYWORD = re.compile(
    r"\b(?:IP|IPv4|IPv6)(?:[\s-]addr(?:ess)?(?:es)?\b\.?)?(?:\sis|\swas)?[\s:#=(]*$", re.IGNORECASE
)
# Enzymes (EC 3.4.21.5) and sections (2.10.1.3) are numbered alike: with a first number below 10, or short ones.
_LEAST_FIRST, _FEWEST_IP_DIGITS = 10, 8
_FEWEST_IPV6_GROUPS = 4


def emails(text: str) -> Iterator[Span]:
    """Yields e-mail addresses."""
    for match in _DOMAIN.finditer(text):
        local = _LOCAL.search(text, max(0, match.start() - 64), match.start())
        if local:
            yield local.start(), match.end()


def ibans(text: str) -> Iterator[Span]:
    """Yields international bank account numbers whose checksum and national format are right."""
    return find(text, _IBAN, _iban_end)


def cards(text: str) -> Iterator[Span]:
    """Yields payment card numbers of an issued prefix and length with a right check digit, whole or in groups."""
    return find(text, _CARD, _card_end)


def ssns(text: str) -> Iterator[Span]:
    """Yields United States social security numbers that could be allotted: with hyphens, or behind a keyword."""
    return find(text, _SSN, _ssn_end)


def mrns(text: str) -> Iterator[Span]:
    """Yields medical record numbers; only a keyword such as "MRN" or "patient ID" in front tells them."""
    for match in _MRN.finditer(text):
        keyword = follows(_MRN_KEYWORD, text, match.start())
        if keyword and len(digits(match[0])) >= _FEWEST_RECORD_DIGITS:
            yield keyword.start("letters"), match.end()


def ips(text: str) -> Iterator[Span]:
    """Yields IP addresses; one of version 4 that could be another number only behind the word."""
    yield from find(text, _IPV4, _ipv4_end)
    if text.count(":") >= _FEWEST_IPV6_GROUPS - 1:
        yield from find(text, _IPV6, _ipv6_end)


def _iban_end(match: re.Match[str]) -> int:
    from stdnum import iban

    return next((end for end in ends(match) if iban.is_valid(match.string[match.start() : end].replace("\n", ""))), 0)


def _card_end(match: re.Match[str]) -> int:
    from stdnum import luhn

    for end in ends(match):
        written = match.string[match.start() : end]
        groups = tuple(map(len, re.findall(r"\d+", written)))
        number = digits(written)
        if (len(groups) == 1 or groups in _CARD_GROUPS) and _ISSUED.fullmatch(number) and luhn.is_valid(number):
            return end
    return 0


def _ssn_end(match: re.Match[str]) -> int:
    from stdnum.us import ssn

    is_written_so = bool(match[1].strip() and match[2].strip())
    is_meant = is_written_so or follows(_SSN_KEYWORD, match.string, match.start())
    return match.end() if is_meant and ssn.is_valid(digits(match[0])) else 0


def _ipv4_end(match: re.Match[str]) -> int:
    octets = [int(octet) for octet in match[0].split(".")]
    if max(octets) > 255:
        return 0
    is_clear = octets[0] >= _LEAST_FIRST and len(digits(match[0])) >= _FEWEST_IP_DIGITS
    return match.end() if is_clear or follows(_IP_KEYWORD, match.string, match.start()) else 0


def _ipv6_end(match: re.Match[str]) -> int:
    try:
        ipaddress.IPv6Address(match[0])
    except ValueError:
        return 0
    groups = sum(1 for group in match[0].split(":") if group)
    return match.end() if groups >= _FEWEST_IPV6_GROUPS else 0
