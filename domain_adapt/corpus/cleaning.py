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
# Whitespace that is no line end and not one plain space already; and line ends with the spaces around them.
_SPACE_RUN = re.compile(r"[^\S\n]{2,}|[^\S\n ]")
_LINE_ENDS = re.compile(r" ?\n[ \n]*")
_SINGLE_LINE_END = re.compile(r"(?<!\n)\n(?!\n)")


def normalise_lines(text: str) -> str:
    r"""Returns ``text`` in Unicode NFC without invisible characters, its lines apart, whitespace runs collapsed.

    Two or more line ends in a row become ``\n\n``, a paragraph break; a single one stays, as rules about lines need
    it. Zero-width joiners stay in texts of scripts that spell with them. Idempotent.
    """
    if not text.isascii():
        text = _INVISIBLE.sub("", text).replace("\u2029", "\n\n")
        if not _JOINING_SCRIPT.search(text):
            text = _JOINER.sub("", text)
    text = _CONTROL.sub("", _LINE_END.sub("\n", text))
    text = _SPACE_RUN.sub(" ", unicodedata.normalize("NFC", text))
    return _LINE_ENDS.sub(_line_end, text).strip()


def join_lines(text: str) -> str:
    """Returns the text of :func:`normalise_lines` with each paragraph on one line, as hard-wrapped text needs it."""
    return _SINGLE_LINE_END.sub(" ", text)


def normalise(text: str) -> str:
    """Returns ``join_lines(normalise_lines(text))``; idempotent."""
    return join_lines(normalise_lines(text))


def _line_end(run: re.Match[str]) -> str:
    return "\n\n" if run.group().count("\n") >= 2 else "\n"


def mend(text: str) -> str:
    """Returns text that was decoded wrongly, such as ``naÃ¯ve``, as it was meant; line by line, by ``ftfy``."""
    if text.isascii():
        return text
    from ftfy import fix_encoding
    from ftfy.badness import is_bad

    if not is_bad(text):
        return text
    return "\n".join(fix_encoding(line) if is_bad(line) else line for line in text.split("\n"))
