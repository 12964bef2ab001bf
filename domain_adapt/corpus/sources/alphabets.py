"""Which encoding makes the letters of a text in Latin script those of one language.

A detector for every script and encoding judges short texts by frequencies and takes Windows-1250 for German and
Portuguese alike; the letters outside ASCII that a language has, and where they may stand, say more.
"""

from __future__ import annotations

import re

# The letters outside ASCII of each language, in lower case.
_WESTERN = (
    "äöüß",  # German
    "àâæçéèêëîïôœùûü",  # French
    "áéíñóúüªº",  # Spanish
    "áâãàçéêíóôõúüªº",  # Portuguese
    "àèéìíîòóùú",  # Italian
    "àçéèíïòóúü·",  # Catalan
    "áäçéèêëïíóöúü",  # Dutch
    "åäöéàü",  # Swedish, Finnish
    "æøåéèêóòôü",  # Danish, Norwegian
    "áðéíóúýþæö",  # Icelandic
    "µ",
)
_CENTRAL = (
    "ąćęłńóśźż",  # Polish
    "áäčďéěíĺľňóôŕřšťúůýž",  # Czech, Slovak
    "áéíóöőúüű",  # Hungarian
    "ăâîșțşţ",  # Romanian
    "čćđšž",  # Croatian, Slovene
)
_TURKISH = ("çğ\u0131iöşüâîû",)  # U+0131 is the i without a dot; that with one is what İ is in lower case
_BALTIC = ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž")  # Lithuanian, Latvian, Estonian

# In order of how often they are met; where two give the same letters, it makes no difference.
_ENCODINGS = (
    ("cp1252", _WESTERN),
    ("cp1250", _CENTRAL),
    ("iso8859_2", _CENTRAL),
    ("cp1254", _TURKISH),
    ("cp1257", _BALTIC),
    ("mac_roman", _WESTERN),
    ("cp850", _WESTERN),
)
# A name from another language may stand in a text; in 50 letters it is one.
_FIT = 0.98
# Below this share of bytes outside ASCII a text is taken for English or the like, with names from all of the West.
_SPARSE = 0.02
_ALL_WESTERN = frozenset("".join(_WESTERN))

# Signs that do not stand between two letters, as they do where an encoding was mistaken: "za¿ó³æ", "donâ€™t".
_BETWEEN_LETTERS = re.compile(
    r"(?<=[^\W\d_])(?:(?![\u2018-\u201d\u2013\u2014\u2026·\u00a0\u00ad])[^\w\x00-\x7f]|[¹²³¼½¾])+(?=[^\W\d_])"
)
_CAPITAL_INSIDE = re.compile(r"[a-zß-ÿ][À-ÖØ-Þ][a-zß-ÿ]")
# No word of these languages has more letters outside ASCII in a row ("créée"), nor signs beside them.
_LONG_RUN = re.compile(r"[^\x00-\x7f]{5}")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x19\x1c-\x1f\x7f-\x9f]")


def latin_encoding(data: bytes, share: float) -> str | None:
    """Returns the codec in which ``data`` reads as a language in Latin script, or None.

    Args:
        data: The bytes outside ASCII with those around them.
        share: Part of the whole text's bytes that is outside ASCII.
    """
    for codec, alphabets in _ENCODINGS:
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        foreign = [char.lower()[0] for char in text if char > "\x7f" and char.isalpha()]
        if not _plausible(text, len(foreign)):
            continue
        if share < _SPARSE and codec == "cp1252":
            alphabets = (*alphabets, _ALL_WESTERN)
        if any(sum(letter in alphabet for letter in foreign) >= _FIT * len(foreign) for alphabet in alphabets):
            return codec
    return None


def _plausible(text: str, foreign: int) -> bool:
    odd = len(_BETWEEN_LETTERS.findall(text)) + len(_CAPITAL_INSIDE.findall(text)) + len(_LONG_RUN.findall(text))
    letters = sum(char.isalpha() for char in text)
    signs = sum(char > "\x7f" and not char.isalpha() for char in text)
    # Text has more letters of ASCII than others, and more letters than signs.
    return (
        odd <= (1 - _FIT) * foreign
        and foreign <= 0.5 * letters
        and signs <= 0.5 * letters
        and _CONTROLS.search(text) is None
    )
