"""Personal data in running text, replaced by a word for its kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator

from domain_adapt.corpus.filters.forms import Span
from domain_adapt.corpus.filters.personal import cards, emails, ibans, ips, mrns, ssns
from domain_adapt.corpus.filters.phones import phones

# Kind -> what finds it. Where two see the same digits the earlier one has them: an IBAN can hold what looks like a
# card, and a keyword says more than a form.
_FINDERS: dict[str, Callable[[str], Iterator[Span]]] = {
    "email": emails,
    "iban": ibans,
    "mrn": mrns,
    "card": cards,
    "ssn": ssns,
    "ip": ips,
    "phone": phones,
}
# Web addresses and DOIs hold numbers that are nobody's; an e-mail address in one is somebody's.
_ADDRESS = re.compile(r"(?:https?://|www\.|doi:\s?|\b10\.\d{4,9}/)\S+", re.IGNORECASE)
_IN_ADDRESS, _TAKEN = 1, 2


def scrub(text: str) -> tuple[str, dict[str, int]]:
    """Returns the text with placeholders such as ``[EMAIL]``, and how many there are of each kind that was found.

    The kinds are ``email``, ``iban``, ``mrn`` (medical record number), ``card`` (payment card), ``ssn`` (United States
    social security number), ``ip`` and ``phone``. IBANs are checked with checksum and national format, cards with
    Luhn's checksum and the networks' prefixes and lengths, social security numbers with the rules of allotment. Record
    numbers count only behind words such as "MRN"; telephone numbers in international form (``+``), with the separators
    of the North American plan, or behind words such as "phone". Between groups of digits a line may end. Names, postal
    addresses and dates of birth stay. Idempotent.
    """
    counts: Counter[str] = Counter()
    # What is replaced can lay bare something beside it. Each round takes a digit or an @ away, so there is a last one,
    # after which another call finds nothing either.
    while spans := _spans(text):
        counts.update(kind for _, _, kind in spans)
        pieces, end = [], 0
        for start, stop, kind in spans:
            pieces += [text[end:start], f"[{kind.upper()}]"]
            end = stop
        text = "".join([*pieces, text[end:]])
    return text, dict(counts)


def _spans(text: str) -> list[tuple[int, int, str]]:
    """Returns (start, end, kind) of all personal data in the order of the text, none over another."""
    found: list[tuple[int, int, str]] = []
    marks: bytearray | None = None  # one a character; most texts need none
    for kind, finder in _FINDERS.items():
        for start, end in finder(text):
            if marks is None:
                marks = _marked(text)
            if _TAKEN in marks[start:end] or (kind != "email" and _IN_ADDRESS in marks[start:end]):
                continue
            marks[start:end] = bytes([_TAKEN]) * (end - start)
            found.append((start, end, kind))
    return sorted(found)


def _marked(text: str) -> bytearray:
    """Returns one byte a character that says whether it is in a web address or DOI."""
    marks = bytearray(len(text))
    for match in _ADDRESS.finditer(text):
        marks[match.start() : match.end()] = bytes([_IN_ADDRESS]) * (match.end() - match.start())
    return marks
