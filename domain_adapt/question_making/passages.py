"""Passages: pieces of documents, cut at the ends of sentences; short documents on one subject stand together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from domain_adapt.question_making.words import Word, lower_words, sentence_spans, stems, words_in

BETWEEN_DOCUMENTS = "\n\n"
# A document below this share of a passage counts as short, and so does the rest of one that has been cut.
_SHORT = 0.5
# Documents that a term may bring together: one that many share says little about their subject, and the
# hpo's 16,000 definitions speak of some 2,000 of them.
_FEWEST, _MOST = 2, 40


@dataclass(frozen=True)
class Document:
    """A text and its place in the collection.

    Attributes:
        id: As the corpus has it.
        text: Prepared.
    """

    id: str
    text: str


@dataclass(frozen=True)
class Passage:
    """A text with its sentences.

    Attributes:
        text: Of one document, or of several short ones with a blank line between them.
        documents: Their ids.
        sentences: (start, end) of each, in order.
        heads: Numbers of the sentences that begin a document.
    """

    text: str
    documents: tuple[str, ...]
    sentences: tuple[tuple[int, int], ...]
    heads: frozenset[int]

    @cached_property
    def words(self) -> tuple[list[Word], ...]:
        """The words of each sentence, their places counted from its beginning."""
        return tuple(words_in(self.text[start:end]) for start, end in self.sentences)

    @cached_property
    def stems(self) -> tuple[set[str], ...]:
        """The beginnings of the content words of each sentence."""
        return tuple(stems(words) for words in self.words)

    def sentence(self, number: int) -> str:
        """Returns the text of a sentence."""
        start, end = self.sentences[number]
        return self.text[start:end]

    def without(self, number: int, position: int) -> tuple[str, int]:
        """Returns the text without one sentence, and where a position outside of that sentence is in it."""
        start, end = self.sentences[number]
        before, after = self.text[:start].rstrip(), self.text[end:].lstrip()
        gap = self.text[len(before) : start] + self.text[end : len(self.text) - len(after)]
        joint = "" if not before or not after else BETWEEN_DOCUMENTS if "\n\n" in gap else " "
        text = before + joint + after
        return text, position if position < start else position - (len(self.text) - len(text))


def make_passages(documents: Sequence[Document], terms: Collection[str], *, words: int) -> Iterator[Passage]:
    """Yields the passages of documents, each of about ``words`` words and at least half as many.

    A long document is cut at the ends of its sentences. Short ones, such as the definitions of an ontology, are joined
    with those that share their rarest term, until the passage is full; no document is in two passages. What is
    short and shares no term with another short one makes no passage.

    Args:
        documents: Their order decides which are joined.
        terms: Words in lower case that are typical of the domain: what short documents may be joined by.
        words: In a passage, about.
    """
    short = []
    for document in documents:
        if len(words_in(document.text)) < _SHORT * words:
            short.append(document)
        else:
            yield from _cut(document, words)
    yield from _joined(short, terms, words)


def _cut(document: Document, words: int) -> Iterator[Passage]:
    pieces: list[list[tuple[int, int]]] = [[]]
    counts = [0]
    for start, end in sentence_spans(document.text):
        length = len(words_in(document.text[start:end]))
        # A sentence that would make it longer than it is short without it begins the next piece.
        if pieces[-1] and counts[-1] + length / 2 > words:
            pieces.append([])
            counts.append(0)
        pieces[-1].append((start, end))
        counts[-1] += length
    if len(pieces) > 1 and counts[-1] < _SHORT * words:
        rest = pieces.pop()
        pieces[-1] += rest
    for number, piece in enumerate(pieces):
        first, last = piece[0][0], piece[-1][1]
        spans = tuple((start - first, end - first) for start, end in piece)
        yield Passage(document.text[first:last], (document.id,), spans, frozenset() if number else frozenset({0}))


def _joined(documents: Sequence[Document], terms: Collection[str], words: int) -> Iterator[Passage]:
    having: dict[str, list[int]] = defaultdict(list)
    lengths = []
    for number, document in enumerate(documents):
        found = lower_words(document.text)
        lengths.append(len(found))
        for word in sorted(set(found).intersection(terms)):
            having[word].append(number)
    used: set[int] = set()
    shared = [term for term, numbers in having.items() if _FEWEST <= len(numbers) <= _MOST]
    for term in sorted(shared, key=lambda term: (len(having[term]), term)):
        free = [number for number in having[term] if number not in used]
        for group in _filled(free, lengths, words):
            used.update(group)
            yield _join([documents[number] for number in group])


def _filled(numbers: Iterable[int], lengths: Sequence[int], words: int) -> Iterator[list[int]]:
    """Yields groups of at least half of ``words``; what is left over waits for another term."""
    group: list[int] = []
    total = 0
    for number in numbers:
        group.append(number)
        total += lengths[number]
        if total >= words:
            yield group
            group, total = [], 0
    if len(group) > 1 and total >= _SHORT * words:
        yield group


def _join(documents: Sequence[Document]) -> Passage:
    text = ""
    spans: list[tuple[int, int]] = []
    heads = []
    for document in documents:
        text += BETWEEN_DOCUMENTS if text else ""
        heads.append(len(spans))
        spans += [(start + len(text), end + len(text)) for start, end in sentence_spans(document.text)]
        text += document.text
    return Passage(text, tuple(document.id for document in documents), tuple(spans), frozenset(heads))
