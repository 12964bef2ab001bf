"""Prepared documents: what is left of the sources' text after cleaning, filters and deduplication, on disk."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

STATISTICS, DOCUMENTS, DROPPED, CLUSTERS = "statistics.json", "documents", "dropped", "clusters.jsonl"
TIMINGS = "timings.json"


@dataclass(frozen=True)
class Documents:
    """A folder of prepared documents.

    Attributes:
        folder: ``documents/`` in it opens with ``datasets.load_from_disk`` (columns id, text, source: strings);
            ``dropped/<reason>.jsonl`` holds the first 100 documents dropped for each reason (id, source, detail, text)
            and ``clusters.jsonl`` the first 100 clusters of near duplicates (kept, dropped: ids; texts).
        statistics: Plain JSON values: ``documents_read``, ``characters_read``, ``documents``, ``characters``,
            ``content_hash``, ``dropped`` (reason -> documents), ``scrubbed`` (kind -> replacements), ``sources`` (one
            object a source: kind, name, licence, url, revision, fingerprint, documents_read, documents, characters).
    """

    folder: Path
    statistics: dict[str, Any]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the documents in order as record batches of ``id``, ``text``, ``source``; memory-mapped."""
        for path in sorted((self.folder / DOCUMENTS).glob("*.arrow")):
            with pa.memory_map(str(path)) as source:
                yield from pa.ipc.open_stream(source)

    def timings(self) -> dict[str, float]:
        """Returns the seconds that each step took when the documents were made, over all processes."""
        timings: dict[str, float] = json.loads((self.folder / TIMINGS).read_text(encoding="utf-8"))
        return timings

    def texts(self) -> Iterator[str]:
        """Yields the documents' texts in order."""
        for batch in self.batches():
            for text in batch.column("text"):
                yield text.as_py()


def dropped_path(folder: Path, reason: str) -> Path:
    """Returns the file of the first documents that were dropped for a reason."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", reason).strip("-")
    return folder / DROPPED / f"{name}.jsonl"


def load_documents(folder: Path) -> Documents:
    """Returns the documents that were prepared in ``folder``."""
    return Documents(folder, json.loads((folder / STATISTICS).read_text(encoding="utf-8")))
