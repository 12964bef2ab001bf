"""Text that evaluation data has too, found by shared word n-grams (Brown et al. 2020, arXiv 2005.14165)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.cleaning import normalise
from domain_adapt.corpus.filters.base import Dropped, Filter
from domain_adapt.corpus.filters.lines import line_units
from domain_adapt.corpus.ngrams import Hashes, roll

_WORD = re.compile(r"\w+")
# A word that was divided at the end of its line is one again, its hyphen and line end removed.
_DIVIDED_WORD = re.compile(r"\w+(?:[-\u2010]\n\w+)*")
_DIVISION = re.compile(r"[-\u2010]\n")
# Words whose hashes are remembered, at some 150 bytes each; English text of 10 MB has about as many different ones.
_REMEMBERED = 200_000
# Hashes of one piece of evaluation text are gathered before they are sorted, so that memory stays near what is kept.
_GATHERED = 1 << 20


@dataclass(frozen=True, eq=False)
class EvaluationNgrams:
    """The word n-grams of evaluation data; can be sent to other processes.

    Attributes:
        hashes: (n-grams,) uint64, sorted, each once.
        ngram: Words in an n-gram.
    """

    hashes: Hashes
    ngram: int

    @cached_property
    def key(self) -> str:
        """SHA-256 of the content, the same for the same texts in any order."""
        return hashlib.sha256(self.ngram.to_bytes(8, "little") + self.hashes.astype("<u8").tobytes()).hexdigest()

    def contain(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Returns which of the hashes are among these, (hashes,) bool."""
        if not len(self.hashes):
            return np.zeros(len(hashes), dtype=np.bool_)
        places = np.searchsorted(self.hashes, hashes)
        places[places == len(self.hashes)] = 0
        found: npt.NDArray[np.bool_] = self.hashes[places] == hashes
        return found


def evaluation_ngrams(texts: Iterable[str], ngram: int) -> EvaluationNgrams:
    r"""Returns the n-grams of all texts; words are runs of ``\w`` without regard to case, as in Brown et al. 2020.

    A text of fewer than ``ngram`` words has none and is not looked for: what so few words say, others say too ("What
    are the symptoms of asthma?"). An n-gram does not go from one text into the next.
    """
    hasher = _WordHasher()
    gathered: list[Hashes] = [np.empty(0, dtype=np.uint64)]
    size = 0
    for text in texts:
        hashes = roll(hasher(_WORD.findall(normalise(text))), ngram)
        gathered.append(hashes)
        size += len(hashes)
        if size >= _GATHERED:
            gathered = [np.unique(np.concatenate(gathered))]
            size = 0
    return EvaluationNgrams(np.unique(np.concatenate(gathered)), ngram)


def decontaminator(ngrams: EvaluationNgrams, action: Literal["drop", "cut"]) -> Filter:
    """Returns a filter against documents that share an n-gram with evaluation data.

    ``drop`` drops the document, ``cut`` the paragraphs that hold a word of such an n-gram, and the document if nothing
    else is left. In a text without blank lines each line is a paragraph, unless it is hard-wrapped. Line ends count as
    any other space, and a word divided at one is found whole too. The detail is the first such n-gram.
    """
    return _Decontaminator(ngrams, action, _WordHasher())


class _WordHasher:
    """Hashes words the same in every process; remembers the hashes of many."""

    def __init__(self) -> None:
        self._hashes: dict[str, int] = {}

    def __call__(self, words: Sequence[str]) -> Hashes:
        """Returns 64 bits of BLAKE2b of each word, casefolded, (words,) uint64."""
        known = self._hashes
        if len(known) > _REMEMBERED:
            known.clear()
        for word in set(words).difference(known):
            digest = hashlib.blake2b(word.casefold().encode("utf-8", "surrogatepass"), digest_size=8).digest()
            known[word] = int.from_bytes(digest, "little")
        return np.fromiter(map(known.__getitem__, words), np.uint64, len(words))


@dataclass(frozen=True)
class _Decontaminator:
    ngrams: EvaluationNgrams
    action: Literal["drop", "cut"]
    hasher: _WordHasher

    def __call__(self, text: str) -> str | Dropped:
        shared = [span for form in _forms(text) for span in self._shared(text, form)]
        if not shared:
            return text
        start, end = shared[0]
        reason = Dropped("contaminated", " ".join(_WORD.findall(_DIVISION.sub("", text[start:end]))).casefold())
        return reason if self.action == "drop" else _without(text, shared) or reason

    def _shared(self, text: str, form: re.Pattern[str]) -> Iterator[tuple[int, int]]:
        """Yields (start, end) of every shared n-gram, in characters."""
        words = form.findall(text)
        if form is _DIVIDED_WORD:
            words = [_DIVISION.sub("", word) for word in words]
        found = np.flatnonzero(self.ngrams.contain(roll(self.hasher(words), self.ngrams.ngram)))
        if len(found):
            spans = [match.span() for match in form.finditer(text)]
            for first in found.tolist():
                yield spans[first][0], spans[first + self.ngrams.ngram - 1][1]


def _forms(text: str) -> list[re.Pattern[str]]:
    """Returns what may be a word in the text: a hyphen at a line's end divides a word, or is the word's own."""
    return [_WORD, _DIVIDED_WORD] if _DIVISION.search(text) else [_WORD]


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """Returns the text without the paragraphs that the spans touch."""
    blank_line = "\n\n"
    separator = blank_line if blank_line in text else "\n"
    paragraphs = text.split(blank_line) if separator == blank_line else line_units(text)[0]
    steps = np.zeros(len(text) + 1, dtype=np.int32)
    np.add.at(steps, [start for start, _ in spans], 1)
    np.add.at(steps, [end for _, end in spans], -1)
    touched = np.cumsum(steps) > 0
    kept = []
    start = 0
    for paragraph in paragraphs:
        if not touched[start : start + len(paragraph)].any():
            kept.append(paragraph)
        start += len(paragraph) + len(separator)
    return separator.join(kept)
