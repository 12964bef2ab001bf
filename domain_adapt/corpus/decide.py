"""Which documents of all parts stay: limits, exact and near duplicates; which lines and paragraphs are cut."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.near_duplicates import near_duplicates
from domain_adapt.corpus.part_file import PartFile, numbers
from domain_adapt.corpus.repeats import first_seen, frequent
from domain_adapt.recipes import CorpusSettings

Mask = npt.NDArray[np.bool_]
KEPT, BEYOND_LIMIT, DUPLICATE, NEAR_DUPLICATE = range(4)
REASONS = {DUPLICATE: "duplicate", NEAR_DUPLICATE: "near duplicate"}


@dataclass(frozen=True)
class SourceParts:
    """The finished parts of one source, and how many of its documents are wanted at most."""

    files: Sequence[PartFile]
    max_documents: int | None = None


@dataclass(frozen=True)
class Decision:
    """What becomes of the documents that the parts hold, counted over all parts in order.

    Attributes:
        fate: (documents,) int8, KEPT or why not.
        stays_for: (documents,) int64, the document that is kept instead of each; itself where it is kept.
        boilerplate: Sorted uint64 hashes of lines to cut.
        new_paragraphs: Whether each paragraph of all documents comes for the first time; None if that is not asked.
        paragraph_counts: (documents,) int64, paragraphs of each document.
    """

    fate: npt.NDArray[np.int8]
    stays_for: npt.NDArray[np.int64]
    boilerplate: npt.NDArray[np.uint64]
    new_paragraphs: Mask | None
    paragraph_counts: npt.NDArray[np.int64]


def decide(sources: Sequence[SourceParts], settings: CorpusSettings, on_step: Callable[[str], None]) -> Decision:
    """Returns what becomes of every document; holds some 100 bytes a document, and no text.

    Args:
        sources: In the order of the recipe.
        settings: Thresholds.
        on_step: Called with the name of each step before it.
    """
    files = [file for source in sources for file in source.files]
    wanted = _within_limits(sources)
    on_step("duplicates")
    stays_for = _exact(files, wanted)
    fate = np.where(wanted, KEPT, BEYOND_LIMIT).astype(np.int8)
    indices = np.arange(len(fate))
    fate[wanted & (stays_for != indices)] = DUPLICATE
    if settings.deduplicate.near > 0 and len(fate):
        on_step("near duplicates")
        kept = np.flatnonzero(fate == KEPT)
        found = _near(files, kept, settings)
        stays_for[kept] = found
        fate[kept[found != kept]] = NEAR_DUPLICATE
        # What was equal to a document that is now dropped stays for the one that is kept instead.
        stays_for = stays_for[stays_for]
    on_step("lines and paragraphs")
    boilerplate = np.empty(0, dtype=np.uint64)
    if settings.filters.boilerplate_documents:
        boilerplate = frequent(_hashes(files, "lines", fate == KEPT), settings.filters.boilerplate_documents)
    new_paragraphs, counts = None, np.zeros(len(fate), dtype=np.int64)
    if settings.deduplicate.paragraphs:
        new_paragraphs, counts = _paragraphs(files, fate == KEPT)
    return Decision(fate, stays_for, boilerplate, new_paragraphs, counts)


def _within_limits(sources: Sequence[SourceParts]) -> Mask:
    """Returns False for the documents that come after a source's ``max_documents``."""
    masks = [np.empty(0, dtype=np.bool_)]
    for source in sources:
        read = 0
        for file in source.files:
            ordinals = file.column("ordinal").to_numpy()
            masks.append(read + ordinals < (source.max_documents or np.iinfo(np.int64).max))
            read += file.summary().read if source.max_documents else 0
    return np.concatenate(masks)


def _exact(files: Sequence[PartFile], wanted: Mask) -> npt.NDArray[np.int64]:
    """Returns for each document the first one with the same words."""
    digests = np.concatenate([np.empty(0, dtype="V16"), *(numbers(file.column("digest"), "V16")[0] for file in files)])
    halves = digests.view(np.uint64).reshape(-1, 2)
    indices = np.arange(len(digests))
    kept = np.flatnonzero(wanted)
    order = kept[np.lexsort((halves[kept, 1], halves[kept, 0]))]  # stable: equal ones stay in their order
    is_new = np.ones(len(order), dtype=np.bool_)
    is_new[1:] = (halves[order[1:]] != halves[order[:-1]]).any(axis=1)
    indices[order] = order[np.flatnonzero(is_new)[np.cumsum(is_new) - 1]] if len(order) else order
    return indices


def _near(files: Sequence[PartFile], kept: npt.NDArray[np.int64], settings: CorpusSettings) -> npt.NDArray[np.int64]:
    """Returns for each of the kept documents the one that stays for it.

    The signatures, half a kilobyte each, are laid side by side in a file and mapped, not held.
    """
    width = settings.deduplicate.permutations
    lengths = np.empty(len(kept), dtype=np.int64)
    with tempfile.TemporaryDirectory(prefix="domain-adapt-") as folder:
        path = Path(folder) / "signatures"
        first = done = 0
        with path.open("wb") as stream:
            for file in files:
                documents = file.rows
                mine = kept[(kept >= first) & (kept < first + documents)] - first
                if len(mine):
                    rows = numbers(file.column("signature"), np.uint32)[0].reshape(-1, width)
                    stream.write(np.ascontiguousarray(rows[mine]).data)
                    lengths[done : done + len(mine)] = file.column("characters").to_numpy()[mine]
                first, done = first + documents, done + len(mine)
        if not len(kept):
            return kept
        signatures = np.memmap(path, dtype=np.uint32, mode="r").reshape(-1, width)
        found = near_duplicates([signatures], lengths, settings.deduplicate.near)
        del signatures
    return kept[found]


def _hashes(files: Sequence[PartFile], column: str, kept: Mask) -> list[npt.NDArray[np.uint64]]:
    """Returns the hashes of the kept documents' lines, an array a part."""
    arrays, first = [], 0
    for file in files:
        values, counts = numbers(file.column(column), np.uint64)
        mask = kept[first : first + len(counts)]
        arrays.append(values[np.repeat(mask, counts)])
        first += len(counts)
    return arrays


def _paragraphs(files: Sequence[PartFile], kept: Mask) -> tuple[Mask, npt.NDArray[np.int64]]:
    """Returns which paragraphs are new, those of dropped documents as new, and each document's number of them."""
    loaded = [numbers(file.column("paragraphs"), np.uint64) for file in files]
    counts = np.concatenate([np.empty(0, dtype=np.int64), *(counts for _, counts in loaded)])
    mask = np.repeat(kept, counts)
    new = np.ones(len(mask), dtype=np.bool_)
    new[mask] = np.concatenate([np.empty(0, dtype=np.bool_), *first_seen(_hashes(files, "paragraphs", kept))])
    return new, counts
