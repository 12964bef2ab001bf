"""In which encoding a file is: its byte order mark, UTF-8, or what its letters make believable."""

from __future__ import annotations

import codecs
import re

from domain_adapt.corpus.sources.alphabets import latin_encoding
from domain_adapt.corpus.sources.textfile import Refused
from domain_adapt.errors import DomainAdaptError

AUTO = "auto"
HINT = 'if it is text in another encoding: encoding = "windows-1252", say, in the recipe\'s table of this source'

# UTF-32 first: its mark for little endian begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What charset-normalizer is asked about: the encodings of scripts other than Latin that files are still found in.
# Among all that Python knows it prefers odd ones for short texts (hp_roman8 for Swedish, shift_jis_2004 for Russian).
_OTHER_SCRIPTS = ["cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp932", "euc_jp", "gb18030", "big5", "cp949"]
# charset-normalizer's measure of odd sequences, in per cent, for a text to be believed. Right guesses for single
# sentences in 17 languages had up to 5, wrong ones and random bytes 9 and more.
_MAX_CHAOS = 7.0
# Bytes around which the encoding is decided.
_EVIDENCE = 1 << 16
_AROUND = 40
_HIGH_BYTES = re.compile(rb"[\x80-\xff]{1,65536}[\x00-\x7f]{0,%d}" % _AROUND)
_ASCII = bytes(range(0x80))
_NOT_ASCII = re.compile("[^\x00-\x7f]+")
# Text in another encoding is wrong in nearly all its characters outside ASCII, and has more than one in a thousand.
_DAMAGED_OF_FOREIGN = 0.1
_DAMAGED_OF_ALL = 0.001
_CONTROL = re.compile("[\x00-\x08\x0e-\x19\x1c-\x1f\x7f]")
# More control characters than this are not text; tolerated are the few that word processors and mail left behind.
_MAX_CONTROLS = 0.01
_CONTROLS_WITHIN = 1 << 20


def check_encoding(encoding: str) -> None:
    """Checks the recipe's ``encoding``.

    Raises:
        DomainAdaptError: If Python has no codec of that name that gives text.
    """
    if encoding == AUTO:
        return
    try:
        b"a".decode(encoding, "ignore")  # lookup() alone knows codecs that do not give text, such as base64
        if codecs.lookup(encoding).name not in ("idna", "punycode", "undefined", "unicode_escape"):
            return
    except (LookupError, ValueError):
        pass
    raise DomainAdaptError(
        f"encoding: expected auto or the name of a codec, found {encoding!r}",
        hint="names are those of Python: utf-8, windows-1252, utf-16, shift_jis, ...",
    )


def decode(data: bytes, encoding: str) -> str:
    """Returns the text of a file that was read whole, without a byte order mark.

    Raises:
        Refused: If the bytes are not text, or not in the encoding.
    """
    codec = decide(data, whole=True, encoding=encoding)
    try:
        text = data.decode(codec).removeprefix("\ufeff")
    except UnicodeError as error:
        reason = "encoding not recognised" if encoding == AUTO else "wrong encoding"
        raise Refused(reason, f"not {shown_codec(codec)}: {_place(data, error)}") from None
    check_text(text)
    return text


def decide(sample: bytes, *, whole: bool, encoding: str = AUTO) -> str:
    """Returns the codec for a file that begins with ``sample``; ``whole`` says that nothing follows.

    Raises:
        Refused: If no encoding makes the sample believable text.
    """
    if encoding != AUTO:
        name = codecs.lookup(encoding).name
        return "utf-8" if name == "utf-8-sig" else name
    for mark, codec in _MARKS:
        if sample.startswith(mark):
            return codec
    if b"\0" in sample:
        detail = f"NUL at byte {sample.index(0)}; UTF-16 without a byte order mark needs encoding in the recipe"
        raise Refused("not text", detail)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=whole)
    except UnicodeDecodeError as error:
        detected = _detect(sample)
        if detected is None and _is_damaged_utf8(sample):
            return "utf-8"  # whoever decodes it names the byte, or the line
        if detected is None:
            detail = f"not UTF-8: {_place(sample, error)}, and no other encoding gives believable text"
            raise Refused("encoding not recognised", detail) from None
        return detected
    return "utf-8"


def _is_damaged_utf8(data: bytes) -> bool:
    """Whether few bytes are wrong, against the characters outside ASCII that are right or against all."""
    text = data.decode("utf-8", "replace")
    wrong = text.count("\ufffd")
    right = sum(map(len, _NOT_ASCII.findall(text))) - wrong
    return wrong <= max(_DAMAGED_OF_FOREIGN * right, _DAMAGED_OF_ALL * len(text))


def check_text(text: str) -> None:
    """Checks what was decoded.

    Raises:
        Refused: If it has a NUL, or too many control characters for text.
    """
    if "\0" in text:
        raise Refused("not text", f"NUL at character {text.index(chr(0))}")
    sample = text[:_CONTROLS_WITHIN]
    controls = len(_CONTROL.findall(sample))
    if controls > _MAX_CONTROLS * len(sample):
        raise Refused("not text", f"{controls} of {len(sample)} characters are control characters")


def shown_codec(codec: str) -> str:
    """Returns a codec's name as messages show it."""
    return codec.upper() if codec.startswith("utf") else codec


def is_wide(codec: str) -> bool:
    """Returns whether lines cannot be told apart by the byte 0x0A: UTF-16, UTF-32 and EBCDIC."""
    return "\n".encode(codec) != b"\n"


def _detect(data: bytes) -> str | None:
    evidence = bytearray()
    end = 0
    for piece in _HIGH_BYTES.finditer(data):
        evidence += data[max(end, piece.start() - _AROUND) : piece.start()] + piece.group()
        end = piece.end()
        if len(evidence) >= _EVIDENCE:
            break
    share = len(data.translate(None, _ASCII)) / len(data)
    return latin_encoding(bytes(evidence), share) or _other_script(bytes(evidence))


def _other_script(evidence: bytes) -> str | None:
    from charset_normalizer import from_bytes

    for match in from_bytes(evidence, cp_isolation=_OTHER_SCRIPTS, enable_fallback=False):
        text = str(match)
        letters = sum(char.isalpha() for char in text if char > "\x7f")
        believable = match.percent_chaos <= _MAX_CHAOS and letters >= 0.5 * sum(char > "\x7f" for char in text)
        if believable and not _CONTROL.search(text):
            return match.encoding
    return None


def _place(data: bytes, error: UnicodeError) -> str:
    if isinstance(error, UnicodeDecodeError) and error.start < len(data):
        return f"byte {error.start} is 0x{data[error.start]:02x}"
    return str(error)
