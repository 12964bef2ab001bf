"""Bringing text into one form: composed characters, nothing invisible, single spaces, clear paragraphs."""

from __future__ import annotations

import re
import unicodedata

# Line ends other than \n: CR LF, CR, vertical tab, form feed, next line (NEL) and the Unicode line separator.
_LINE_END = re.compile("\r\n|[\r\v\f\x85\u2028]")
# C0 and C1 controls that are not whitespace, and lone surrogates (JSON's "\ud800"), which no tokenizer can encode.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")
# Soft hyphen, zero-width space, word joiner and invisible operators, byte order mark, marks of writing direction.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
_JOINER = re.compile("[\u200c\u200d]")
# Scripts (Arabic to Myanmar, Khmer and Mongolian) and emoji in which zero-width joiners are part of the spelling.
_JOINING_SCRIPT = re.compile("[\u0600-\u109f\u1780-\u18af\U0001f000-\U0001faff]")
_WHITESPACE_RUN = re.compile(r"\s{2,}|[^\S ]")


def normalise(text: str) -> str:
    r"""Returns ``text`` in Unicode NFC without invisible characters and with whitespace runs collapsed.

    A run with two or more line ends is a paragraph break and becomes ``\n\n``; any other run becomes one space, so
    that hard-wrapped lines flow together. Zero-width joiners stay in texts of scripts that spell with them.
    Idempotent: ``normalise(normalise(text)) == normalise(text)``.
    """
    if not text.isascii():
        text = _INVISIBLE.sub("", text).replace("\u2029", "\n\n")
        if not _JOINING_SCRIPT.search(text):
            text = _JOINER.sub("", text)
    text = _CONTROL.sub("", _LINE_END.sub("\n", text))
    text = unicodedata.normalize("NFC", text)
    return _WHITESPACE_RUN.sub(_collapse, text).strip()


def _collapse(run: re.Match[str]) -> str:
    return "\n\n" if run.group().count("\n") >= 2 else " "
