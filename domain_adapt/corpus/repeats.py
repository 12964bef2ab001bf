r"""Lines and paragraphs that stand in a corpus more than once.

Texts are those of :func:`domain_adapt.corpus.cleaning.normalise_lines`: lines end in ``\n``, paragraphs in ``\n\n``.
All functions know lines and paragraphs by 64-bit hashes, which are the same in every process: among a thousand million
different ones the chance that any two share a hash is 3 %.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.signature_table import release_pages

Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]

# The hash of a paragraph that is never a duplicate.
UNCOUNTED = 0
# Paragraphs that are shorter in both are headings, list items and answers such as "Yes, it is.", which stand in many
# documents and are new in each. The characters are for languages that put no spaces between words.
_PARAGRAPH_WORDS, _PARAGRAPH_CHARACTERS = 5, 60
_DIGITS = re.compile(r"\d+")
_GAPS = re.compile(r"\n{3,}")
# Hashes looked at in one go, chosen by their leading bits: with their positions and an order some 250 MB.
_AT_ONCE = 4 << 20


def unit_hashes(text: str, unit: Literal["line", "paragraph"]) -> Hashes:
    """Returns the hashes of a text's lines or paragraphs.

    Of lines each different one comes once, in no special order, as :func:`frequent` counts documents. Lines are equal
    whatever their case and numbers: "Page 3 of 10" and "PAGE 11 of 12" are one.

    Of paragraphs there is one for each, in the text's order, as :func:`first_seen` and :func:`cut_paragraphs` need it.
    Paragraphs are equal whatever their case and spacing; one of fewer than five words and 60 characters has
    ``UNCOUNTED``.
    """
    if unit == "line":
        hashes = _line_hashes(text)
        return np.unique(hashes[hashes != UNCOUNTED])
    return _hashes([_paragraph(paragraph) for paragraph in text.casefold().split("\n\n")])


def frequent(hashes: Sequence[Hashes], at_least: int) -> Hashes:
    """Returns the hashes that stand in at least so many documents, ascending.

    Args:
        hashes: Those of the documents' lines, each once a document, in arrays of any length; may be memory-mapped.
        at_least: Documents.
    """
    if at_least < 1:
        raise ValueError(f"expected at_least of 1 or more, got {at_least}")
    found = [np.empty(0, dtype=np.uint64)]
    for values, _ in _slices(hashes):
        values.sort()
        # Where the same value stands so many places further on, there are so many of it.
        later = values[at_least - 1 :]
        found.append(np.unique(later[later == values[: len(later)]]))
    return np.concatenate(found)


def cut_lines(text: str, frequent: Hashes) -> str:
    """Returns the text without the lines whose hash is in ``frequent`` (ascending); empty paragraphs go with them."""
    hashes = _line_hashes(text)
    stays = ~_is_in(hashes, frequent)
    if stays.all():
        return text
    lines = [line for line, stay in zip(text.split("\n"), stays.tolist(), strict=True) if stay]
    return _GAPS.sub("\n\n", "\n".join(lines)).strip("\n")


def first_seen(hashes: Sequence[Hashes]) -> list[Flags]:
    """Returns for each hash whether it comes for the first time over all arrays in order; ``UNCOUNTED`` always does.

    Args:
        hashes: Those of the paragraphs, one after the other; may be memory-mapped.
    """
    starts = np.cumsum([0, *(len(part) for part in hashes)])
    first = np.concatenate([np.empty(0, dtype=np.bool_), *(part == UNCOUNTED for part in hashes)])
    for values, positions in _slices(hashes):
        first[positions[np.unique(values, return_index=True)[1]]] = True
    return [first[start:end] for start, end in pairwise(starts)]


def cut_paragraphs(text: str, keep: Flags) -> str:
    """Returns the text with the paragraphs for which ``keep`` is true.

    Args:
        text: Whose hashes :func:`unit_hashes` returned.
        keep: For each paragraph in order, (paragraphs,).
    """
    if keep.all():
        return text
    return "\n\n".join(one for one, stays in zip(text.split("\n\n"), keep.tolist(), strict=True) if stays)


def _line_hashes(text: str) -> Hashes:
    return _hashes([line.strip() for line in _DIGITS.sub("#", text.casefold()).split("\n")])


def _paragraph(folded: str) -> str:
    words = folded.split()
    joined = " ".join(words)
    return joined if len(words) >= _PARAGRAPH_WORDS or len(joined) >= _PARAGRAPH_CHARACTERS else ""


def _hashes(units: Sequence[str]) -> Hashes:
    """Returns the hash of each unit, ``UNCOUNTED`` for an empty one."""
    from xxhash import xxh3_64_intdigest

    hashes = [xxh3_64_intdigest(unit.encode("utf-8", "surrogatepass")) if unit else UNCOUNTED for unit in units]
    return np.array(hashes, dtype=np.uint64)


def _is_in(hashes: Hashes, ascending: Hashes) -> Flags:
    if not len(ascending):
        return np.zeros(len(hashes), dtype=np.bool_)
    places = np.minimum(np.searchsorted(ascending, hashes), len(ascending) - 1)
    found: Flags = ascending[places] == hashes
    return found


def _slices(hashes: Sequence[Hashes]) -> Iterator[tuple[Hashes, Positions]]:
    """Yields the hashes but ``UNCOUNTED`` and their positions over all arrays, in pieces that ascend.

    Equal hashes are in one piece, in the order of their positions. A piece is those that begin with the same bits, so
    it has about ``_AT_ONCE``, unless one hash alone has more.
    """
    total = sum(len(part) for part in hashes)
    bits = max(0, (total - 1) // _AT_ONCE).bit_length()
    for leading in range(1 << bits if total else 0):
        yield _slice(hashes, leading, bits)


def _slice(hashes: Sequence[Hashes], leading: int, bits: int) -> tuple[Hashes, Positions]:
    values, positions, start = [], [], 0
    for part in hashes:
        wanted = part != UNCOUNTED
        if bits:  # a shift by all 64 is not defined
            wanted &= part >> np.uint64(64 - bits) == leading
        places = np.flatnonzero(wanted)
        values.append(np.asarray(part[places]))
        positions.append(places + start)
        start += len(part)
        release_pages(part)
    return np.concatenate(values), np.concatenate(positions)
