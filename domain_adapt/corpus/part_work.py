"""The work on one part, done in any process: read, mend, clean, scrub, filter, and sketch what is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain_adapt.corpus.batching import batched
from domain_adapt.corpus.cleaning import mend, normalise_lines
from domain_adapt.corpus.dedup import content_hash
from domain_adapt.corpus.filters import build_filters
from domain_adapt.corpus.filters.base import Dropped, Filter
from domain_adapt.corpus.filters.contamination import EvaluationNgrams, decontaminator
from domain_adapt.corpus.filters.scrub import scrub
from domain_adapt.corpus.near_duplicates import algorithm, signatures
from domain_adapt.corpus.part_file import PartFile, PartSummary, PartWriter
from domain_adapt.corpus.repeats import unit_hashes
from domain_adapt.corpus.sources import Document
from domain_adapt.corpus.sources.base import Part, Unreadable
from domain_adapt.fingerprint import fingerprint
from domain_adapt.recipes import CorpusSettings

# Part of every part's key: raise it when what is done here changes.
PART_FORMAT = 2


@dataclass(frozen=True)
class PartRules:
    """What is done to every part; can be sent to another process.

    Attributes:
        settings: The recipe's corpus table.
        ngrams: What evaluation data holds, if the corpus is to hold none of it.
    """

    settings: CorpusSettings
    ngrams: EvaluationNgrams | None = None

    @property
    def key(self) -> str:
        """SHA-256 of everything that decides what is left of a part; later steps' settings play no part."""
        settings = self.settings
        near, filters = settings.deduplicate.near > 0, settings.filters
        values: dict[str, Any] = {
            "format": PART_FORMAT,
            "settings": settings.model_dump(include={"min_characters", "max_characters", "mend", "scrub"}),
            "filters": filters.model_dump(exclude={"boilerplate_documents"}),
            "lines": filters.boilerplate_documents > 0,
            "paragraphs": settings.deduplicate.paragraphs,
            "signature": [algorithm(), settings.deduplicate.ngram, settings.deduplicate.permutations] if near else None,
            "evaluation": [self.ngrams.key, settings.decontaminate.action] if self.ngrams is not None else None,
        }
        return fingerprint(values)


class Preparer:
    """Prepares parts, one after the other; holds what is made once a process: filters, language model, n-grams."""

    def __init__(self, rules: PartRules) -> None:
        self._rules = rules
        settings = rules.settings
        self._filters: list[tuple[str, Filter]] = list(build_filters(settings))
        if rules.ngrams is not None:
            self._filters.append(("decontaminate", decontaminator(rules.ngrams, settings.decontaminate.action)))

    def prepare(self, part: Part, path: Path) -> PartFile:
        """Reads a part and writes what is left of it; nothing is at ``path`` before it is complete.

        Raises:
            DomainAdaptError: If something is wrong that the user must mend.
        """
        writer = PartWriter(path)
        summary = PartSummary()
        clock = _Clock(summary.seconds)
        try:
            for batch in batched(enumerate(clock.timed("read", part.documents())), lambda item: _length(item[1])):
                rows = []
                for ordinal, entry in batch:
                    summary.read += 1
                    if isinstance(entry, Unreadable):
                        summary.drop(entry.id, entry.source, Dropped(entry.reason, entry.detail), "")
                        continue
                    summary.characters_read += len(entry.text)
                    text = self._text(entry.text, summary, clock)
                    if isinstance(text, tuple):
                        summary.drop(entry.id, entry.source, *text)
                    else:
                        rows.append((ordinal, entry.id, text, entry.source))
                if rows:
                    columns = self._columns(rows, clock)
                    with clock.step("write"):
                        writer.write(columns)
            writer.finish(summary)
        except BaseException:
            writer.abandon()
            raise
        return PartFile(path)

    def _text(self, text: str, summary: PartSummary, clock: _Clock) -> str | tuple[Dropped, str]:
        """Returns the document's text as it goes on, or why it does not, and how it looked then."""
        settings = self._rules.settings
        if len(text) > settings.max_characters:
            return Dropped("too long", f"{len(text):,} characters"), text
        with clock.step("clean"):
            text = normalise_lines(mend(text) if settings.mend else text)
        if len(text) < settings.min_characters:
            return Dropped("too short", f"{len(text):,} characters"), text
        if settings.scrub:
            with clock.step("scrub"):
                text, counts = scrub(text)
            summary.scrubbed.update(counts)
        for name, filter_text in self._filters:
            with clock.step(name):
                answer = filter_text(text)
            if isinstance(answer, Dropped):
                return answer, text
            text = answer
        if len(text) < settings.min_characters:
            return Dropped("too short", f"{len(text):,} characters after filtering"), text
        return text

    def _columns(self, rows: list[tuple[int, str, str, str]], clock: _Clock) -> dict[str, list[Any]]:
        settings = self._rules.settings
        ordinals, identifiers, texts, sources = (list(column) for column in zip(*rows, strict=True))
        nothing = [b""] * len(rows)
        with clock.step("hash"):
            digests = [bytes.fromhex(content_hash(text))[:16] for text in texts]
        with clock.step("signatures"):
            near = settings.deduplicate.near > 0
            sketches = [row.tobytes() for row in signatures(texts, settings.deduplicate)] if near else nothing
        with clock.step("lines"):
            by_line = settings.filters.boilerplate_documents > 0
            lines = [unit_hashes(text, "line").tobytes() for text in texts] if by_line else nothing
            by_paragraph = settings.deduplicate.paragraphs
            paragraphs = [unit_hashes(text, "paragraph").tobytes() for text in texts] if by_paragraph else nothing
        return {
            "ordinal": ordinals,
            "id": identifiers,
            "text": texts,
            "source": sources,
            "characters": [len(text) for text in texts],
            "digest": digests,
            "signature": sketches,
            "lines": lines,
            "paragraphs": paragraphs,
        }


class _Clock:
    """Adds up the seconds of each step."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self._seconds = seconds

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - started

    def timed(self, name: str, entries: Iterator[Document | Unreadable]) -> Iterator[Document | Unreadable]:
        while True:
            with self.step(name):
                entry = next(entries, None)
            if entry is None:
                return
            yield entry


def _length(entry: Document | Unreadable) -> int:
    return len(entry.text) if isinstance(entry, Document) else 0
