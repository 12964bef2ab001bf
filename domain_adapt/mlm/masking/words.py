"""Where words begin in rows of token ids, told from what the tokenizer's pieces look like.

Blocks hold token ids only, so each entry of the vocabulary is looked at once and gets a few flags; a block's word
starts are then one table look-up and one comparison of neighbours.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from domain_adapt.errors import DomainAdaptError

# A token belongs to the word of the token before it if one of its two low bits meets the bit two places higher there.
_CONTINUES = 1  # begins with a word character and carries no word start of its own
_FOLLOWS = 2  # carries no word start of its own
_OPEN = 4  # ends in a word character, so that a ``_CONTINUES`` token goes on with its word
_MARKER = 8  # a word start and nothing else, so that any _FOLLOWS token is its word
_BOUNDARY = 16  # opens, separates or fills up: no word at all

_METASPACE = "▁"  # SentencePiece's space
_BYTE_FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")
# Chinese characters as BERT delimits them, and kana: written without spaces, so each is a word.
_IDEOGRAPHS = (
    (0x3005, 0x3007),
    (0x3040, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x1AFF0, 0x1B16F),
    (0x20000, 0x323AF),
)


@dataclass(frozen=True)
class WordTable:
    """What is known of each vocabulary entry.

    Attributes:
        flags: ``(vocab_size,)`` uint8, a sum of the bits above.
        texts: UTF-8 of each entry, perhaps a part of a character only; a leading space is a word start.
    """

    flags: np.ndarray
    texts: tuple[bytes, ...]

    @classmethod
    def from_texts(cls, texts: Sequence[bytes], boundaries: Iterable[int]) -> WordTable:
        """Returns the table of a vocabulary with these texts, in which ``boundaries`` are no words."""
        flags = np.array([_flags(text) for text in texts], dtype=np.uint8)
        flags[sorted(boundaries)] = _BOUNDARY
        return cls(flags, tuple(texts))

    def starts(self, blocks: np.ndarray) -> np.ndarray:
        """Returns which tokens begin a word, ``(rows, width)`` bool; special tokens are words of their own.

        A word is a run of letters, digits and combining marks, whatever the pieces are; everything else (a punctuation
        mark, say) is made of the pieces that hold it. A piece that holds both joins what it touches.
        """
        flags = self.flags[blocks]
        starts = np.ones(blocks.shape, dtype=bool)
        starts[:, 1:] = (flags[:, 1:] & (flags[:, :-1] >> 2) & (_CONTINUES | _FOLLOWS)) == 0
        return starts

    def is_boundary(self, ids: np.ndarray) -> np.ndarray:
        """Returns which ``ids`` open, separate or fill up: special tokens but the unknown one; bool."""
        return np.asarray(self.flags[ids] & _BOUNDARY, dtype=bool)

    def text(self, ids: tuple[int, ...]) -> str:
        """Returns the text of a word's ``ids``."""
        return b"".join(self.texts[id] for id in ids).decode("utf-8", "replace").strip()


def word_table(tokenizer: PreTrainedTokenizerBase) -> WordTable:
    """Returns the word table of a fast tokenizer: WordPiece, byte-level BPE, or SentencePiece (Unigram or BPE).

    Raises:
        DomainAdaptError: If the tokenizer is of another family, whose pieces do not tell where a word begins.
    """
    family, prefix = _family(tokenizer)
    vocabulary = tokenizer.get_vocab()
    size = max(max(vocabulary.values()) + 1, len(tokenizer))
    texts = [b""] * size
    added = tokenizer.added_tokens_decoder
    for token, id in vocabulary.items():
        if id in added:  # kept out of the family's spelling: its text is the token as it stands
            own_start, text = family == "wordpiece", token.encode()
        elif family == "wordpiece":
            own_start, text = not token.startswith(prefix), token.removeprefix(prefix).encode()
        else:
            own_start, text = False, _bytes(token) if family == "byte-level" else _metaspace_bytes(token)
        texts[id] = b" " + text if own_start else text
    unknown = _unknown(tokenizer)
    table = WordTable.from_texts(texts, set(tokenizer.all_special_ids) - unknown)
    if family != "wordpiece":  # there it takes the place of a word, in the others of characters, which may be letters
        table.flags[sorted(unknown)] = _CONTINUES | _FOLLOWS | _OPEN
    return table


def _unknown(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    """Returns the id of the unknown token, unless there is none or a token of another role stands in for it."""
    roles = ("cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id", "pad_token_id", "mask_token_id")
    return {tokenizer.unk_token_id} - {None, *(getattr(tokenizer, role) for role in roles)}


@cache
def is_word_character(character: str) -> bool:
    """Returns whether ``character`` is a letter, digit or combining mark of a script that separates words by spaces."""
    code = ord(character)
    return unicodedata.category(character)[0] in "LMN" and not any(low <= code <= high for low, high in _IDEOGRAPHS)


def _family(tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    """Returns the family of a tokenizer and, for WordPiece, the prefix of pieces that continue a word."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    state = json.loads(backend.to_str()) if backend is not None else {}
    model = state.get("model", {})
    parts = [state.get(part) for part in ("normalizer", "pre_tokenizer", "decoder")]
    found = [piece for part in parts for piece in _components(part)]
    kinds = {piece["type"] for piece in found}
    if model.get("type") == "WordPiece":
        return "wordpiece", model["continuing_subword_prefix"]
    if not model.get("end_of_word_suffix"):  # marks ends and not starts, as in CLIP
        if "ByteLevel" in kinds:
            return "byte-level", ""
        if "Metaspace" in kinds or any(_METASPACE in json.dumps(piece, ensure_ascii=False) for piece in found):
            return "metaspace", ""
    raise DomainAdaptError(
        f"mlm.masking: the pieces of this tokenizer ({model.get('type', 'slow')}) do not tell where a word begins; "
        "expected WordPiece, byte-level BPE or SentencePiece",
        hint='set mlm.masking = "token"',
    )


def _components(part: Any) -> list[dict[str, Any]]:
    """Returns the members of a normalizer, pre-tokenizer or decoder, sequences taken apart."""
    if not isinstance(part, dict):
        return []
    members = [member for value in part.values() if isinstance(value, list) for member in value]
    nested = [piece for member in members for piece in _components(member)]
    return ([part] if "type" in part else []) + nested


def _flags(text: bytes) -> int:
    """Returns the flags of a piece that is no special token."""
    body = text.lstrip(b" ")
    if not body:
        return _MARKER if text else 0
    flags = _OPEN if _ends_in_word(body) else 0
    if text == body:
        flags |= _FOLLOWS | (_CONTINUES if _begins_in_word(body) else 0)
    return flags


def _begins_in_word(text: bytes) -> bool:
    first = text.decode("utf-8", "surrogateescape")[0]
    if not "\udc80" <= first <= "\udcff":
        return is_word_character(first)
    # Not a whole character: the rest of one, which must be joined, or the beginning of one.
    return text[0] < 0xC0 or _may_be_word(text)


def _ends_in_word(text: bytes) -> bool:
    last = text.decode("utf-8", "surrogateescape")[-1]
    return "\udc80" <= last <= "\udcff" or is_word_character(last)


@cache
def _may_be_word(start: bytes) -> bool:
    """Returns whether any character whose UTF-8 begins with the bytes ``start`` is a word character."""
    size = 2 if start[0] < 0xE0 else 3 if start[0] < 0xF0 else 4
    missing = size - len(start)
    if not 1 <= missing <= 2:  # a quarter of a million characters, or no UTF-8 at all
        return True
    code = start[0] & (0x7F >> size)
    for byte in start[1:]:
        code = code << 6 | byte & 0x3F
    return any(is_word_character(chr(code << 6 * missing | rest)) for rest in range(1 << 6 * missing))


@cache
def _byte_of_character() -> dict[str, int]:
    """Returns the alphabet of byte-level BPE: printable Latin-1 is itself, the 68 others follow from U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


def _bytes(token: str) -> bytes:
    alphabet = _byte_of_character()
    try:
        return bytes(alphabet[character] for character in token)
    except KeyError:  # an entry that byte-level spelling cannot produce
        return token.encode()


def _metaspace_bytes(token: str) -> bytes:
    fallback = _BYTE_FALLBACK.fullmatch(token)
    return bytes.fromhex(fallback[1]) if fallback else token.replace(_METASPACE, " ").encode()
