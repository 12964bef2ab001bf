"""What is left of one part, in one Parquet file: kept documents with what later steps need, and what was dropped."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from domain_adapt.corpus.filters.base import Dropped

SAMPLES = 100  # dropped documents of each reason that are kept for reading
SAMPLE_CHARACTERS = 2_000
_KEY = b"domain_adapt"
_SCHEMA = pa.schema(
    [
        ("ordinal", pa.int32()),  # which of the part's documents it is, dropped ones included
        ("id", pa.string()),
        ("text", pa.large_string()),
        ("source", pa.string()),
        ("characters", pa.int64()),  # of the text
        ("digest", pa.binary()),  # 16 bytes of the hash of its words
        ("signature", pa.binary()),  # MinHash signature; empty where near duplicates are not looked for
        ("lines", pa.binary()),  # hashes of its lines, 8 bytes each; empty where boilerplate is not looked for
        ("paragraphs", pa.binary()),  # hashes of its paragraphs, 8 bytes each
    ]
)


@dataclass
class PartSummary:
    """Counts over one part.

    Attributes:
        read: Documents read.
        characters_read: Their characters.
        dropped: Reason -> documents.
        samples: Reason -> the first of them: id, source, detail, beginning of the text.
        scrubbed: Kind of personal data -> replacements.
        seconds: Step -> seconds spent in it when the part was prepared.
    """

    read: int = 0
    characters_read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    scrubbed: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)

    def drop(self, identifier: str, source: str, why: Dropped, text: str) -> None:
        """Counts a document under its reason, and keeps it for reading if it is among the first."""
        self.dropped[why.reason] += 1
        samples = self.samples.setdefault(why.reason, [])
        if len(samples) < SAMPLES:
            beginning = text[:SAMPLE_CHARACTERS]
            samples.append({"id": identifier, "source": source, "detail": why.detail, "text": beginning})

    def add(self, other: PartSummary) -> None:
        """Adds the counts of another part, which comes after this one."""
        self.read += other.read
        self.characters_read += other.characters_read
        self.dropped.update(other.dropped)
        self.scrubbed.update(other.scrubbed)
        for reason, samples in other.samples.items():
            mine = self.samples.setdefault(reason, [])
            mine += samples[: SAMPLES - len(mine)]
        for step, seconds in other.seconds.items():
            self.seconds[step] = self.seconds.get(step, 0.0) + seconds


class PartWriter:
    """Writes a part's file under a temporary name; it has its own only when it is complete."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        # Hashes are as good as random: packing them costs time and saves nothing.
        packed = {name: "zstd" if name in ("id", "text", "source") else "none" for name in _SCHEMA.names}
        self._writer = pq.ParquetWriter(self._temporary, _SCHEMA, compression=packed, use_dictionary=["source"])

    def write(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Appends documents; ``columns`` has a sequence for each column of the file."""
        self._writer.write_table(pa.table(dict(columns), schema=_SCHEMA))

    def finish(self, summary: PartSummary) -> None:
        """Closes the file and gives it its name."""
        self._writer.add_key_value_metadata({_KEY: json.dumps(vars(summary), ensure_ascii=False)})
        self._writer.close()
        self._temporary.replace(self._path)

    def abandon(self) -> None:
        """Removes what was written."""
        self._writer.close()
        self._temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class PartFile:
    """A finished part."""

    path: Path

    def summary(self) -> PartSummary:
        """Returns the counts."""
        values = json.loads(pq.read_metadata(self.path).metadata[_KEY])
        values["dropped"], values["scrubbed"] = Counter(values["dropped"]), Counter(values["scrubbed"])
        return PartSummary(**values)

    @property
    def rows(self) -> int:
        """Documents that were kept."""
        return int(pq.read_metadata(self.path).num_rows)

    def column(self, name: str) -> pa.ChunkedArray:
        """Returns one column, in memory."""
        with pq.ParquetFile(self.path) as file:
            return file.read([name]).column(0)

    def batches(self) -> Iterator[pa.Table]:
        """Yields ordinal, id, text and source of the documents, as many at once as were written at once."""
        with pq.ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=["ordinal", "id", "text", "source"])

    def is_whole(self) -> bool:
        """Returns whether the file is there and ends as it should; a crash of the machine can cut it."""
        try:
            return _KEY in (pq.read_metadata(self.path).metadata or {})
        except (OSError, pa.ArrowException):
            return False


def numbers(column: pa.ChunkedArray, dtype: npt.DTypeLike) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Returns the numbers in a column of bytes side by side, and how many each document has."""
    arrays, counts = [np.empty(0, dtype=dtype)], [np.empty(0, dtype=np.int64)]
    width = np.dtype(dtype).itemsize
    for chunk in column.chunks:
        offsets = np.frombuffer(chunk.buffers()[1], dtype=np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
        data = chunk.buffers()[2]
        if data is not None:
            arrays.append(np.frombuffer(data, dtype=np.uint8)[offsets[0] : offsets[-1]].copy().view(dtype))
        counts.append(np.diff(offsets).astype(np.int64) // width)
    return np.concatenate(arrays), np.concatenate(counts)
