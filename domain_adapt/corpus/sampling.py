"""An even sample of documents: always the same, from all parts of a corpus, of bounded size."""

from __future__ import annotations

from dataclasses import dataclass

# Of a long document a piece of so many characters is taken, some ten pages, so that many documents have a say.
_PIECE = 20_000


@dataclass(frozen=True)
class Sample:
    """Which documents are in a sample, and how much of each.

    Attributes:
        share: Of the documents, in (0, 1].
        longest: Characters taken of one document; None takes all.
    """

    share: float
    longest: int | None

    @property
    def is_all(self) -> bool:
        """Whether every document is in it as a whole."""
        return self.share >= 1 and self.longest is None

    def has(self, number: int) -> bool:
        """Returns whether the document at a place, counted from 0, is in the sample."""
        return int((number + 1) * self.share) > int(number * self.share)

    def piece(self, text: str) -> str:
        """Returns what is taken of a document: its middle, as beginnings are often alike."""
        if self.longest is None or len(text) <= self.longest:
            return text
        start = (len(text) - self.longest) // 2
        return text[start : start + self.longest]


def even_sample(documents: int, characters: int, budget: int) -> Sample:
    """Returns a sample of about ``budget`` characters at most, of a corpus of so many documents and characters."""
    if characters <= budget:
        return Sample(1.0, None)
    mean = characters / documents
    return Sample(min(1.0, budget / (documents * min(mean, _PIECE))), _PIECE)
