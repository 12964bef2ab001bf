"""From finished parts to prepared documents on disk."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from domain_adapt.corpus.batching import batched
from domain_adapt.corpus.cleaning import join_lines
from domain_adapt.corpus.data_set import describe_data_set
from domain_adapt.corpus.decide import BEYOND_LIMIT, KEPT, NEAR_DUPLICATE, REASONS, Decision, SourceParts, decide
from domain_adapt.corpus.dedup import content_hash
from domain_adapt.corpus.documents import CLUSTERS, DOCUMENTS, DROPPED, STATISTICS, TIMINGS, dropped_path
from domain_adapt.corpus.filters.base import Dropped
from domain_adapt.corpus.near_duplicates import clusters
from domain_adapt.corpus.part_file import SAMPLE_CHARACTERS, SAMPLES, PartSummary
from domain_adapt.corpus.repeats import cut_lines, cut_paragraphs
from domain_adapt.corpus.selection.basics import Batches, Progress
from domain_adapt.corpus.sources import SourceInfo
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import CorpusSettings
from domain_adapt.workspace import write_json

_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.large_string()), ("source", pa.string())])
_FILE_BYTES = 256 << 20  # text in one Arrow file
_CLUSTER_CHARACTERS = 600  # of each text shown in a cluster

Select = Callable[[Batches, Progress], npt.NDArray[np.bool_]]


def gather(
    folder: Path,
    name: str,
    sources: Sequence[SourceParts],
    infos: Sequence[tuple[SourceInfo, str]],
    settings: CorpusSettings,
    *,
    select: Select | None,
    on_progress: Callable[[str, int, int], None] = lambda step, done, total: None,
) -> None:
    """Writes the documents that stay, statistics and samples of what was dropped into ``folder``.

    Args:
        folder: Exists and is empty.
        name: Identity of the documents.
        sources: Finished parts, in the order of the recipe.
        infos: Whose text each source is, and its fingerprint.
        settings: The recipe's corpus table.
        select: Given a function that yields all texts in batches, as often as it is called, returns which stay; tells
            what it is doing, and the documents it has done.
        on_progress: Called with what is being done, the documents done and all that there are.

    Raises:
        DomainAdaptError: If no document stays.
    """
    clock = _Clock()
    decision = decide(sources, settings, clock.start)
    selected = None
    total = int((decision.fate == KEPT).sum())
    if select is not None:
        clock.start("select")
        selected = select(
            lambda: _text_batches(_final_texts(sources, decision), settings.min_characters),
            partial(_tell, on_progress, total),
        )
        total = int(selected.sum())
    clock.start("write documents")
    result = _Result(len(sources))
    for source in sources:
        summary = PartSummary()
        for file in source.files:
            summary.add(file.summary())
        result.read.append((summary.read, summary.characters_read))
        result.summary.add(summary)
    chosen = _chosen(_final_texts(sources, decision), result, settings.min_characters, selected)
    _write_documents(
        folder / DOCUMENTS, name, chosen, on_progress=lambda done: on_progress("writing documents", done, total)
    )
    _write_samples(folder, sources, decision, result)
    clock.start("")
    statistics = _statistics(result, infos)
    if not statistics["documents"]:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in statistics["dropped"].items())
        hint = "the [corpus] table of the recipe decides what is dropped" if reasons else None
        problem = f"no text to train on: of {result.summary.read:,} documents read, {reasons or 'none'}"
        raise DomainAdaptError(problem, hint=hint)
    write_json(folder / STATISTICS, statistics)
    parts = {f"parts: {step}": seconds for step, seconds in result.summary.seconds.items()}
    write_json(folder / TIMINGS, parts | clock.seconds)


def _tell(on_progress: Callable[[str, int, int], None], total: int, step: str, done: int) -> None:
    on_progress(step, done, total)


class _Clock:
    """Seconds of each step, one after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._name, self._since = "", time.perf_counter()

    def start(self, name: str) -> None:
        now = time.perf_counter()
        if self._name:
            self.seconds[self._name] = now - self._since
        self._name, self._since = name, now


class _Result:
    """What is counted while the documents are written."""

    def __init__(self, sources: int) -> None:
        self.summary = PartSummary()
        self.read: list[tuple[int, int]] = []
        self.documents = [0] * sources
        self.characters = [0] * sources
        self.hashes = hashlib.sha256()

    def keep(self, found: _Final) -> tuple[str, str, str]:
        self.documents[found.source] += 1
        self.characters[found.source] += len(found.text)
        self.hashes.update(bytes.fromhex(content_hash(found.text)))
        return found.id, found.text, found.origin


@dataclass(frozen=True)
class _Final:
    """A document that stays, as it will be trained on; ``text`` may be too short by now."""

    source: int
    id: str
    text: str
    origin: str


def _final_texts(sources: Sequence[SourceParts], decision: Decision) -> Iterator[_Final]:
    """Yields every document that stays."""
    ends = np.cumsum(decision.paragraph_counts)
    number = 0
    for index, source in enumerate(sources):
        for batch in (batch for file in source.files for batch in file.batches()):
            for identifier, text, origin in zip(*(batch.column(i).to_pylist() for i in (1, 2, 3)), strict=True):
                if decision.fate[number] == KEPT:
                    if decision.new_paragraphs is not None:
                        start = int(ends[number] - decision.paragraph_counts[number])
                        text = cut_paragraphs(text, decision.new_paragraphs[start : int(ends[number])])
                    if len(decision.boilerplate):
                        text = cut_lines(text, decision.boilerplate)
                    yield _Final(index, identifier, join_lines(text), origin)
                number += 1


def _chosen(
    finals: Iterator[_Final], result: _Result, min_characters: int, selected: npt.NDArray[np.bool_] | None
) -> Iterator[tuple[str, str, str]]:
    """Yields id, text and source of the documents that are written; counts the others."""
    number = 0
    for found in finals:
        if len(found.text) < min_characters:
            result.summary.drop(found.id, found.origin, Dropped("only repeated text"), found.text)
            continue
        if selected is None or selected[number]:
            yield result.keep(found)
        else:
            result.summary.drop(found.id, found.origin, Dropped("not selected"), found.text)
        number += 1


def _text_batches(finals: Iterator[_Final], min_characters: int) -> Iterator[list[str]]:
    return batched((found.text for found in finals if len(found.text) >= min_characters), len)


def _write_documents(
    folder: Path, name: str, documents: Iterator[tuple[str, str, str]], on_progress: Callable[[int], None]
) -> None:
    """Writes Arrow files that ``datasets.load_from_disk`` opens."""
    import datasets

    folder.mkdir()
    files: list[str] = []
    writer: Any = None
    written = done = 0
    for rows in batched(documents, lambda row: len(row[1])):
        if writer is None or written >= _FILE_BYTES:
            if writer is not None:
                writer.close()
            files.append(f"data-{len(files):05d}.arrow")
            writer, written = pa.ipc.new_stream(str(folder / files[-1]), _SCHEMA), 0
        batch = pa.record_batch([list(column) for column in zip(*rows, strict=True)], schema=_SCHEMA)
        writer.write_batch(batch)
        written += batch.nbytes
        done += len(rows)
        on_progress(done)
    if writer is None:  # a data set needs a file, if without rows
        files.append("data-00000.arrow")
        writer = pa.ipc.new_stream(str(folder / files[-1]), _SCHEMA)
    writer.close()
    describe_data_set(folder, datasets.Features.from_arrow_schema(_SCHEMA), files, name[:16])


def _write_samples(folder: Path, sources: Sequence[SourceParts], decision: Decision, result: _Result) -> None:
    """Writes the first documents dropped for each reason, duplicates among them, and the first clusters."""
    found = clusters(
        np.where(decision.fate == NEAR_DUPLICATE, decision.stays_for, np.arange(len(decision.fate))), SAMPLES
    )
    wanted = {index for kept, dropped in found for index in [kept, *dropped[:SAMPLES]]}
    for fate in REASONS:
        indices = np.flatnonzero(decision.fate == fate)
        result.summary.dropped[REASONS[fate]] += len(indices)
        wanted.update(indices[:SAMPLES].tolist(), decision.stays_for[indices[:SAMPLES]].tolist())
    beyond = int((decision.fate == BEYOND_LIMIT).sum())
    if beyond:
        result.summary.dropped["beyond max_documents"] += beyond
    shown = _look_up(sources, wanted)
    for fate, reason in REASONS.items():
        for index in np.flatnonzero(decision.fate == fate)[:SAMPLES].tolist():
            identifier, text, origin = shown[index]
            stays = shown[int(decision.stays_for[index])][0]
            sample = {"id": identifier, "source": origin, "detail": f"of {stays}", "text": text}
            result.summary.samples.setdefault(reason, []).append(sample)
    (folder / DROPPED).mkdir()
    for reason, samples in result.summary.samples.items():
        _write_lines(dropped_path(folder, reason), samples)
    rows = [
        {
            "kept": shown[kept][0],
            "dropped": [shown[index][0] for index in dropped[:SAMPLES]],
            "texts": [shown[index][1][:_CLUSTER_CHARACTERS] for index in [kept, *dropped[:SAMPLES]]],
        }
        for kept, dropped in found
    ]
    _write_lines(folder / CLUSTERS, rows)


def _look_up(sources: Sequence[SourceParts], wanted: set[int]) -> dict[int, tuple[str, str, str]]:
    """Returns id, beginning of the text and source of some documents."""
    shown: dict[int, tuple[str, str, str]] = {}
    ordered = sorted(wanted)
    first = 0
    for file in (file for source in sources for file in source.files):
        count = file.rows
        mine = [index for index in ordered if first <= index < first + count]
        if mine:
            identifiers, texts, origins = (file.column(name) for name in ("id", "text", "source"))
            for index in mine:
                row = index - first
                shown[index] = (identifiers[row].as_py(), texts[row].as_py()[:SAMPLE_CHARACTERS], origins[row].as_py())
        first += count
    return shown


def _write_lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", errors="replace") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _statistics(result: _Result, infos: Sequence[tuple[SourceInfo, str]]) -> dict[str, Any]:
    summary = result.summary
    return {
        "documents_read": summary.read,
        "characters_read": summary.characters_read,
        "documents": sum(result.documents),
        "characters": sum(result.characters),
        "content_hash": result.hashes.hexdigest(),
        "dropped": dict(sorted((reason, count) for reason, count in summary.dropped.items() if count)),
        "scrubbed": dict(sorted(summary.scrubbed.items())),
        "sources": [
            asdict(info)
            | {
                "fingerprint": fingerprint,
                "documents_read": read,
                "characters_read": characters_read,
                "documents": documents,
                "characters": characters,
            }
            for (info, fingerprint), (read, characters_read), documents, characters in zip(
                infos, result.read, result.documents, result.characters, strict=True
            )
        ],
    }
