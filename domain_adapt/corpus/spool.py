"""First half of preparing a corpus: every kept document's token ids go to one file, and a few bytes each to memory.

Blocks are cut in a second pass, because only when all documents have been read is it known whether the held-out
part got any.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from domain_adapt.corpus.cleaning import normalise
from domain_adapt.corpus.dedup import ExactDeduplicator, content_hash
from domain_adapt.corpus.packing import Tokens
from domain_adapt.corpus.sources import Document, Source
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import CorpusSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# (documents, characters) read so far.
Progress = Callable[[int, int], None]

# What one call of the tokenizer gets: enough for all of its threads, and about 100 MB while it works.
_BATCH_DOCUMENTS = 1000
_BATCH_CHARACTERS = 1_000_000


@dataclass
class Spool:
    """What is known of the documents kept: per document its token count, source and side; and counts over all.

    Attributes:
        path: Token ids of all documents, one after the other, raw int32.
        lengths: Tokens of each document, at least 1.
        sources: Index of each document's source.
        heldout: 1 for a document that is held out.
        read: Documents read.
        short: Documents shorter than ``corpus.min_characters`` after cleaning, or without a token.
        duplicate: Documents that had come before.
        characters: Characters of the documents kept.
        content_hash: SHA-256 over the kept documents' text hashes, in order.
    """

    path: Path
    lengths: array[int] = field(default_factory=lambda: array("q"))
    sources: array[int] = field(default_factory=lambda: array("H"))
    heldout: bytearray = field(default_factory=bytearray)
    read: int = 0
    characters_read: int = 0
    short: int = 0
    duplicate: int = 0
    characters: int = 0
    content_hash: str = ""

    def documents(self, *, heldout: bool) -> Iterator[Tokens]:
        """Yields the token ids of each document on one side, (tokens,) int32, in the order read."""
        tokens = np.memmap(self.path, dtype=np.int32, mode="r")
        end = 0
        for length, side in zip(self.lengths, self.heldout, strict=True):
            end += length
            if bool(side) == heldout:
                yield tokens[end - length : end]


@dataclass(frozen=True)
class _Kept:
    """A document that passed cleaning and deduplication."""

    text: str
    digest: str

    @property
    def position(self) -> float:
        """Where the document falls in [0, 1), by its hash."""
        return int(self.digest[:13], 16) / 16**13  # 52 bits: exact in a float


def fill_spool(
    path: Path,
    sources: Sequence[Source],
    settings: CorpusSettings,
    tokenizer: PreTrainedTokenizerBase,
    on_progress: Progress | None,
) -> Spool:
    """Reads, cleans, deduplicates and tokenises all documents into ``path`` and decides which are held out.

    Raises:
        DomainAdaptError: If a source cannot be read, or no document is left.
    """
    spool = Spool(path)
    deduplicator = ExactDeduplicator()
    hashes = hashlib.sha256()
    positions = array("d")
    with path.open("wb") as file:
        for index, source in enumerate(sources):
            for batch in _batches(source.documents()):
                kept = _clean(batch, spool, deduplicator, settings.min_characters)
                for document in _tokenise(kept, index, spool, tokenizer, file):
                    hashes.update(bytes.fromhex(document.digest))
                    positions.append(document.position)
                if on_progress is not None:
                    on_progress(spool.read, spool.characters_read)
    if not positions:
        raise DomainAdaptError(
            f"no text to train on: of {spool.read} documents read, {spool.short} are shorter than "
            f"{settings.min_characters} characters (corpus.min_characters) and {spool.duplicate} are duplicates"
        )
    spool.heldout = _split(np.frombuffer(positions, dtype=np.float64), settings.holdout)
    spool.content_hash = hashes.hexdigest()
    return spool


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if len(batch) == _BATCH_DOCUMENTS or characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _clean(batch: list[Document], spool: Spool, deduplicator: ExactDeduplicator, min_characters: int) -> list[_Kept]:
    kept = []
    for document in batch:
        spool.read += 1
        spool.characters_read += len(document.text)
        text = normalise(document.text)
        if len(text) < min_characters:
            spool.short += 1
            continue
        digest = content_hash(text)
        if deduplicator.is_new(digest):
            kept.append(_Kept(text, digest))
        else:
            spool.duplicate += 1
    return kept


def _tokenise(
    kept: list[_Kept], source: int, spool: Spool, tokenizer: PreTrainedTokenizerBase, file: IO[bytes]
) -> list[_Kept]:
    """Appends the documents' token ids to the file and returns those that have any."""
    if not kept:
        return []
    token_ids: list[list[int]] = tokenizer(
        [document.text for document in kept],
        add_special_tokens=False,
        truncation=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        split_special_tokens=True,  # a text that speaks of "<mask>" must not bring a mask into the blocks
        verbose=False,  # longer than the model's maximum is what packing is for
    )["input_ids"]
    file.write(np.fromiter(chain.from_iterable(token_ids), dtype=np.int32).data)
    tokenised = []
    for document, ids in zip(kept, token_ids, strict=True):
        if not ids:
            spool.short += 1
            continue
        spool.lengths.append(len(ids))
        spool.sources.append(source)
        spool.characters += len(document.text)
        tokenised.append(document)
    return tokenised


def _split(positions: np.ndarray, holdout: float) -> bytearray:
    """Returns 1 for each document held out: those whose hash falls below ``holdout``.

    Where chance, in a small corpus, leaves one side empty, the document nearest to the border changes sides; train
    comes first.
    """
    heldout = positions < holdout
    if heldout.all():
        heldout[positions.argmax()] = False
    elif holdout > 0 and len(positions) > 1 and not heldout.any():
        heldout[positions.argmin()] = True
    return bytearray(heldout.astype(np.uint8).tobytes())
