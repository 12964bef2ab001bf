"""What a corpus is like, in figures: how much, how long, how far from general English and from the tasks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from domain_adapt.corpus.documents import Documents
from domain_adapt.corpus.sampling import Sample, even_sample
from domain_adapt.corpus.terms import Term, typical_terms
from domain_adapt.corpus.vocabulary import Vocabulary, count_words, overlap

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Characters that are tokenised: half a million tokens, a second or two.
TOKENISED_CHARACTERS = 2_000_000
# Characters whose words are counted: some 8 M words, of which the 10,000th most frequent is still seen dozens of times.
COUNTED_CHARACTERS = 50_000_000
# Words as treebanks have them, punctuation marks by themselves.
_WORD_OR_MARK = re.compile(r"\w+|[^\w\s]")
_TEXTS_AT_ONCE = 256  # handed to the tokenizer

GENERAL = "general English"


@dataclass(frozen=True)
class SourceProfile:
    """One source: documents, characters and words are counted, tokens estimated where the corpus is large."""

    name: str
    kind: str
    licence: str
    documents: int
    characters: int
    words: int
    tokens: int


@dataclass(frozen=True)
class LengthBin:
    """Documents of ``low`` to ``high - 1`` tokens."""

    low: int
    high: int
    documents: int


@dataclass(frozen=True)
class Overlap:
    """The share of most frequent words that the domain has in common with another text.

    Attributes:
        name: Of the other text.
        share: In [0, 1].
        words: So many of each were compared.
    """

    name: str
    share: float
    words: int


@dataclass(frozen=True)
class CorpusProfile:
    """What a corpus is like.

    Attributes:
        documents_read: Before anything was dropped.
        characters_read: The same.
        sources: In the order of the recipe.
        dropped: Reason -> documents.
        scrubbed: Kind -> replacements.
        lengths: Histogram in tokens, in powers of two, without empty bins at the ends.
        fertility: Subwords a word of the domain, punctuation marks counted as words.
        general_fertility: The same of general English; None without text of it.
        overlaps: With general English first, then with each task's text.
        terms: The most typical words first.
        sampled_characters: So many were tokenised.
        is_estimated: Whether tokens, lengths and fertility are from a sample.
    """

    documents_read: int
    characters_read: int
    sources: tuple[SourceProfile, ...]
    dropped: Mapping[str, int]
    scrubbed: Mapping[str, int]
    lengths: tuple[LengthBin, ...]
    fertility: float
    general_fertility: float | None
    overlaps: tuple[Overlap, ...]
    terms: tuple[Term, ...]
    sampled_characters: int
    is_estimated: bool

    def total(self, figure: str) -> int:
        """Returns the sum over the sources of ``documents``, ``characters``, ``words`` or ``tokens``."""
        return sum(getattr(source, figure) for source in self.sources)

    def as_json(self) -> dict[str, Any]:
        """Returns plain JSON values; ``documents``, ``characters``, ``words`` and ``tokens`` are of all sources."""
        totals = {figure: self.total(figure) for figure in ("documents", "characters", "words", "tokens")}
        return asdict(self) | totals


def profile(
    documents: Documents,
    tokenizer: PreTrainedTokenizerBase,
    general_counts: Mapping[str, float],
    task_texts: Mapping[str, Iterable[str]],
    general_texts: Iterable[str],
) -> CorpusProfile:
    """Returns what the documents are like; reads them once, in memory that does not grow with them.

    Tokens, their histogram and fertility come from an even sample of some two million characters, scaled up source by
    source; a smaller corpus is tokenised as a whole. Fertility is the mean number of subwords a word is split into
    (Rust et al. 2021, arXiv 2012.15613).

    Args:
        documents: Prepared.
        tokenizer: Of the base.
        general_counts: How often general English has each word, in any unit.
        task_texts: Name of a task -> its texts.
        general_texts: Some running text of general English.
    """
    figures = documents.statistics
    count, characters = figures["documents"], figures["characters"]
    tokenised = even_sample(count, characters, TOKENISED_CHARACTERS)
    measured = _Measured(tokenizer, tokenised, [entry["documents"] for entry in figures["sources"]])
    vocabulary = Vocabulary()
    counted = even_sample(count, characters, COUNTED_CHARACTERS)
    for number, text in enumerate(documents.texts()):
        measured.add(number, text)
        if counted.has(number):
            vocabulary.add(counted.piece(text))
    measured.flush()
    general = _fertility(tokenizer, general_texts)
    return CorpusProfile(
        documents_read=figures["documents_read"],
        characters_read=figures["characters_read"],
        sources=tuple(_source(entry, part, measured) for entry, part in _parts(figures, measured)),
        dropped=dict(figures["dropped"]),
        scrubbed=dict(figures["scrubbed"]),
        lengths=tuple(_bins(measured, count)),
        fertility=measured.total.tokens / max(1, measured.total.marks),
        general_fertility=general,
        overlaps=tuple(_overlaps(vocabulary.counts, general_counts, task_texts)),
        terms=tuple(typical_terms(vocabulary.counts, general_counts)),
        sampled_characters=measured.total.characters,
        is_estimated=not tokenised.is_all,
    )


def token_counts(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    """Returns how many tokens each text has, without special ones."""
    if not texts:
        return []
    options = {"add_special_tokens": False, "return_attention_mask": False, "verbose": False}
    return [len(ids) for ids in tokenizer(list(texts), **options)["input_ids"]]


@dataclass
class _Tally:
    """What was measured of one source: ``words`` of all documents, the rest of those in the sample."""

    words: int = 0
    characters: int = 0
    tokens: int = 0
    marks: int = 0  # words and punctuation marks


@dataclass
class _Measured:
    """Measures documents one by one; those in the sample are tokenised in batches."""

    tokenizer: PreTrainedTokenizerBase
    sample: Sample
    sizes: list[int]  # documents of each source, which come one after the other
    lengths: Counter[int] = field(default_factory=Counter)
    total: _Tally = field(default_factory=_Tally)

    def __post_init__(self) -> None:
        self.parts = [_Tally() for _ in self.sizes]
        self._source = 0
        self._end = self.sizes[0]
        self._waiting: list[tuple[_Tally, str, int]] = []

    def add(self, number: int, text: str) -> None:
        while number >= self._end:
            self._source += 1
            self._end += self.sizes[self._source]
        part = self.parts[self._source]
        part.words += len(text.split())
        if self.sample.has(number):
            self._waiting.append((part, self.sample.piece(text), len(text)))
            if len(self._waiting) >= _TEXTS_AT_ONCE:
                self.flush()

    def flush(self) -> None:
        counts = token_counts(self.tokenizer, [text for _, text, _ in self._waiting])
        for (part, text, length), tokens in zip(self._waiting, counts, strict=True):
            marks = len(_WORD_OR_MARK.findall(text))
            for tally in (part, self.total):
                tally.characters += len(text)
                tally.tokens += tokens
                tally.marks += marks
            whole = round(tokens * length / max(1, len(text)))
            self.lengths[max(0, whole).bit_length()] += 1
        self._waiting.clear()

    def tokens(self, part: _Tally, characters: int) -> int:
        """Returns the tokens of so many characters of a source; of one that the sample missed as of all others."""
        seen = part if part.characters else self.total
        return round(seen.tokens / max(1, seen.characters) * characters)


def _parts(figures: Mapping[str, Any], measured: _Measured) -> Iterator[tuple[Mapping[str, Any], _Tally]]:
    return zip(figures["sources"], measured.parts, strict=True)


def _source(entry: Mapping[str, Any], part: _Tally, measured: _Measured) -> SourceProfile:
    characters = entry["characters"]
    return SourceProfile(
        name=entry["name"],
        kind=entry["kind"],
        licence=entry["licence"],
        documents=entry["documents"],
        characters=characters,
        words=part.words,
        tokens=measured.tokens(part, characters),
    )


def _bins(measured: _Measured, documents: int) -> Iterator[LengthBin]:
    """Yields the histogram; a length of n bits is from 2^(n-1) to 2^n - 1."""
    found = measured.lengths
    scale = documents / max(1, found.total())
    for bits in range(min(found, default=0), max(found, default=-1) + 1):
        yield LengthBin((1 << bits) >> 1, 1 << bits, round(found[bits] * scale))


def _fertility(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> float | None:
    """Returns subwords a word of general text, of as many characters as are tokenised of the domain."""
    tally = _Tally()
    for text in texts:
        tally.tokens += token_counts(tokenizer, [text])[0]
        tally.marks += len(_WORD_OR_MARK.findall(text))
        tally.characters += len(text)
        if tally.characters >= TOKENISED_CHARACTERS:
            break
    return tally.tokens / tally.marks if tally.marks else None


def _overlaps(
    counts: Mapping[str, int], general: Mapping[str, float], tasks: Mapping[str, Iterable[str]]
) -> Iterator[Overlap]:
    yield Overlap(GENERAL, *overlap(counts, general))
    for name, texts in tasks.items():
        yield Overlap(name, *overlap(counts, count_words(texts)))
