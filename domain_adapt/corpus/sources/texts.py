"""Texts that are in memory already, as a source: what a task's labelled data is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain_adapt.corpus.sources.base import Document, Part, SourceInfo
from domain_adapt.corpus.sources.whole import WholeSource
from domain_adapt.fingerprint import fingerprint


@dataclass(frozen=True)
class Texts:
    """A source over a list of texts.

    Attributes:
        texts: In order.
        name: What ids begin with.
        licence: Licence of the texts.
    """

    texts: Sequence[str]
    name: str
    licence: str

    def info(self) -> SourceInfo:
        """Returns name and licence."""
        return SourceInfo("task", self.name, self.licence, None, None)

    def fingerprint(self) -> str:
        """Returns the SHA-256 over the texts."""
        return fingerprint({"kind": "task", "texts": list(self.texts)})

    def parts(self) -> Sequence[Part]:
        """Returns the texts as one part."""
        return [WholeSource(self, self.name, sum(map(len, self.texts)))]

    def documents(self) -> Iterator[Document]:
        """Yields the texts."""
        for number, text in enumerate(self.texts, start=1):
            yield Document(f"{self.name}:{number}", text, self.name)
