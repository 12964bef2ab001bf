"""What the corpus tests share: documents by hand, and a tokenizer."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from domain_adapt.corpus.sources import Document, SourceInfo, documents_of, open_source
from domain_adapt.corpus.sources.whole import WholeSource
from domain_adapt.fingerprint import fingerprint
from domain_adapt.recipes import FilesSource


@dataclass
class ListedTexts:
    """A source made of a list."""

    texts: list[str]
    name: str = "listed"
    licence: str = "CC0-1.0"
    calls: list[str] = field(default_factory=list)

    def info(self) -> SourceInfo:
        return SourceInfo("listed", self.name, self.licence, None, None)

    def fingerprint(self) -> str:
        return fingerprint({"texts": self.texts})

    def parts(self) -> list[WholeSource]:
        return [WholeSource(self, self.name, sum(map(len, self.texts)))]

    def documents(self) -> Iterator[Document]:
        self.calls.append("documents")
        for number, text in enumerate(self.texts):
            yield Document(str(number), text, self.name)


@pytest.fixture
def listed() -> type[ListedTexts]:
    return ListedTexts


@pytest.fixture(scope="session")
def tokenizer(tiny_wordpiece: Path) -> PreTrainedTokenizerBase:
    loaded: PreTrainedTokenizerBase = PreTrainedTokenizerFast.from_pretrained(tiny_wordpiece)
    return loaded


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Writes a file below ``tmp_path``; a name that ends in .gz is compressed."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return write_file


@pytest.fixture
def read_files(tmp_path: Path) -> Callable[..., list[Document]]:
    """Reads a ``files`` source relative to ``tmp_path``."""

    def read(path: str | list[str], **keys: str) -> list[Document]:
        return list(documents_of(open_source(FilesSource(path=path, **keys), tmp_path)))

    return read
