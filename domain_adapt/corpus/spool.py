"""First half of making blocks: every document's token ids go to one file, and a few bytes each to memory.

Blocks are cut in a second pass, because only when all documents are known is it known whether the held-out part got
any, and which documents a mixture takes.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.dedup import content_hash
from domain_adapt.corpus.documents import Documents
from domain_adapt.corpus.mixing import Share, mix
from domain_adapt.corpus.packing import Tokens
from domain_adapt.errors import DomainAdaptError
from domain_adapt.recipes import CorpusSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# (documents, characters) tokenised so far.
Progress = Callable[[int, int], None]


@dataclass
class Spool:
    """What is known of the documents: per document its token count, source and side.

    Attributes:
        path: Token ids of all documents, one after the other, raw int32.
        lengths: Tokens of each document, at least 1.
        sources: Index of each document's source.
        positions: Where each document falls in [0, 1), by the hash of its text.
        heldout: (documents,) bool, whether a document is held out.
        mixed: (documents,) bool, whether the mixture takes a document.
        empty: Documents without a token.
    """

    path: Path
    lengths: array[int] = field(default_factory=lambda: array("q"))
    sources: array[int] = field(default_factory=lambda: array("H"))
    positions: array[float] = field(default_factory=lambda: array("d"))
    heldout: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    mixed: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    empty: int = 0

    def documents(self, *, heldout: bool) -> Iterator[Tokens]:
        """Yields the token ids of each document on one side, (tokens,) int32, in the order read."""
        tokens = np.memmap(self.path, dtype=np.int32, mode="r")
        wanted = self.mixed & (self.heldout == heldout)
        for start, length, is_wanted in zip(accumulate(self.lengths, initial=0), self.lengths, wanted, strict=False):
            if is_wanted:
                yield tokens[start : start + length]


def fill_spool(
    path: Path,
    documents: Documents,
    settings: CorpusSettings,
    shares: Sequence[Share],
    tokenizer: PreTrainedTokenizerBase,
    on_progress: Progress | None,
) -> Spool:
    """Tokenises all documents into ``path`` and decides which are held out and which the mixture takes.

    Raises:
        DomainAdaptError: If no document has a token.
    """
    spool = Spool(path)
    # Documents lie in the order of their sources.
    ends = list(accumulate(entry["documents"] for entry in documents.statistics["sources"]))
    source = number = characters = 0
    with path.open("wb") as file:
        for batch in documents.batches():
            texts = batch.column("text").to_pylist()
            for text, ids in zip(texts, _tokenise(texts, tokenizer, file), strict=True):
                while number >= ends[source]:
                    source += 1
                number += 1
                characters += len(text)
                if not ids:
                    spool.empty += 1
                    continue
                spool.lengths.append(len(ids))
                spool.sources.append(source)
                # 52 bits of the hash: exact in a float.
                spool.positions.append(int(content_hash(text)[:13], 16) / 16**13)
            if on_progress is not None:
                on_progress(number, characters)
    if not spool.lengths:
        raise DomainAdaptError(f"no text to train on: of {number} documents, none has a token of this tokenizer")
    positions = np.frombuffer(spool.positions, dtype=np.float64)
    lengths, sources = np.frombuffer(spool.lengths, dtype=np.int64), np.frombuffer(spool.sources, dtype=np.uint16)
    spool.mixed = np.ones(len(lengths), dtype=np.bool_)
    if any(share != Share() for share in shares):
        # The held-out side goes by the beginning of the hash, so the mixture must go by something else.
        spool.mixed = mix(lengths, sources, positions * 2**20 % 1.0, shares).keep
    spool.heldout = np.zeros(len(lengths), dtype=np.bool_)
    spool.heldout[spool.mixed] = _split(positions[spool.mixed], settings.holdout)
    return spool


def _tokenise(texts: list[str], tokenizer: PreTrainedTokenizerBase, file: IO[bytes]) -> list[list[int]]:
    """Appends the documents' token ids to the file and returns them."""
    token_ids: list[list[int]] = tokenizer(
        texts,
        add_special_tokens=False,
        truncation=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        split_special_tokens=True,  # a text that speaks of "<mask>" must not bring a mask into the blocks
        verbose=False,  # longer than the model's maximum is what packing is for
    )["input_ids"]
    file.write(np.fromiter(chain.from_iterable(token_ids), dtype=np.int32).data)
    return token_ids


def _split(positions: npt.NDArray[np.float64], holdout: float) -> npt.NDArray[np.bool_]:
    """Returns True for each document held out: those whose hash falls below ``holdout``.

    Where chance, in a small corpus, leaves one side empty, the document nearest to the border changes sides; train
    comes first.
    """
    heldout: npt.NDArray[np.bool_] = positions < holdout
    if heldout.all():
        heldout[positions.argmax()] = False
    elif holdout > 0 and len(positions) > 1 and not heldout.any():
        heldout[positions.argmin()] = True
    return heldout
