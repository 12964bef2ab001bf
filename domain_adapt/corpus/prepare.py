"""From prepared documents to a cached corpus: tokenise, mix, hold out, pack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from domain_adapt.corpus.blocks import read_blocks, write_blocks
from domain_adapt.corpus.documents import Documents
from domain_adapt.corpus.packing import Tokens, iter_blocks
from domain_adapt.corpus.preparing import CorpusPlan, prepare_documents
from domain_adapt.corpus.spool import Progress, Spool, fill_spool
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import fingerprint
from domain_adapt.workspace import Workspace, staged_folder, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Part of every corpus fingerprint: raise it when splitting or packing changes what comes out.
CORPUS_FORMAT = 2
_STATISTICS, _COUNTS = "statistics.json", "unigram_counts.npy"


@dataclass(frozen=True)
class Corpus:
    """A prepared corpus.

    Attributes:
        folder: Where it lies; the data sets in ``train`` and ``heldout`` open with ``datasets.load_from_disk`` too.
        train: (blocks, block_size) int32, read-only and memory-mapped.
        heldout: The same for the held-out documents; may have no rows.
        unigram_counts: (vocabulary,) int64, how often each token occurs in ``train``; 0 for special tokens.
        statistics: Counts, the content hash and each source's provenance; plain JSON values.
    """

    folder: Path
    train: Tokens
    heldout: Tokens
    unigram_counts: npt.NDArray[np.int64]
    statistics: dict[str, Any]


def corpus_fingerprint(plan: CorpusPlan, tokenizer_hash: str) -> str:
    """Returns the SHA-256 over what decides a corpus: the documents, how they become blocks, the tokenizer.

    Reads the sources' files, but loads neither a tokenizer nor torch.
    """
    values: dict[str, object] = {
        "format": CORPUS_FORMAT,
        "documents": plan.fingerprint(),
        "shares": [asdict(share) for share in plan.shares],
        "settings": plan.settings.model_dump(include={"block_size", "holdout"}),
        "tokenizer": tokenizer_hash,
    }
    return fingerprint(values)


def prepare_corpus(
    plan: CorpusPlan,
    tokenizer: PreTrainedTokenizerBase,
    tokenizer_hash: str,
    workspace: Workspace,
    *,
    on_progress: Progress | None = None,
) -> Corpus:
    """Returns the corpus, from the cache if the same was prepared before.

    No seed enters: a document is held out by the hash of its text, so it keeps its side when the corpus grows.

    Args:
        plan: Sources and settings.
        tokenizer: Fast or slow; needs CLS (or BOS), SEP (or EOS) and PAD tokens.
        tokenizer_hash: Identity of the tokenizer.
        workspace: The corpus is kept in ``<cache>/corpora/<fingerprint>``.
        on_progress: Called with documents and characters tokenised so far, after every batch.

    Raises:
        DomainAdaptError: If a source cannot be read, or nothing is left to train on.
    """
    name = corpus_fingerprint(plan, tokenizer_hash)
    folder = _folder(workspace, name)
    if not folder.is_dir():
        documents = prepare_documents(plan, workspace)
        with staged_folder(folder) as staging:
            _build(staging, name, documents, plan, tokenizer, on_progress)
    return _load(folder, plan)


def cached_corpus(plan: CorpusPlan, tokenizer_hash: str, workspace: Workspace) -> Corpus | None:
    """Returns the corpus if :func:`prepare_corpus` has prepared it before, else None; takes no tokenizer."""
    folder = _folder(workspace, corpus_fingerprint(plan, tokenizer_hash))
    return _load(folder, plan) if folder.is_dir() else None


def _folder(workspace: Workspace, name: str) -> Path:
    return workspace.cache / "corpora" / name[:16]


def _load(folder: Path, plan: CorpusPlan) -> Corpus:
    corpus = load_corpus(folder, plan.settings.block_size)
    for entry, source in zip(corpus.statistics["sources"], plan.sources, strict=True):
        entry.update(asdict(source.info()))  # a licence corrected in the recipe must not be hidden by the cache
    return corpus


def load_corpus(folder: Path, block_size: int) -> Corpus:
    """Returns the corpus that was prepared in ``folder``; its sources are not looked at."""
    return Corpus(
        folder=folder,
        train=read_blocks(folder / "train", block_size),
        heldout=read_blocks(folder / "heldout", block_size),
        unigram_counts=np.load(folder / _COUNTS, allow_pickle=False),
        statistics=json.loads((folder / _STATISTICS).read_text(encoding="utf-8")),
    )


def _build(
    folder: Path,
    name: str,
    documents: Documents,
    plan: CorpusPlan,
    tokenizer: PreTrainedTokenizerBase,
    on_progress: Progress | None,
) -> None:
    settings = plan.settings
    cls_id, sep_id, pad_id = special_ids(tokenizer)
    spool = fill_spool(folder / "tokens.raw", documents, settings, plan.shares, tokenizer, on_progress)
    # The highest id and not len(): some vocabularies have gaps.
    counts = np.zeros(max(tokenizer.get_vocab().values()) + 1, dtype=np.int64)

    def blocks(*, heldout: bool) -> Iterator[Tokens]:
        token_ids = spool.documents(heldout=heldout)
        size = settings.block_size
        for chunk in iter_blocks(token_ids, block_size=size, cls_id=cls_id, sep_id=sep_id, pad_id=pad_id):
            if not heldout:
                counts[:] += np.bincount(chunk.ravel(), minlength=len(counts))
            yield chunk

    blocks_train = write_blocks(folder / "train", blocks(heldout=False), settings.block_size, f"{name[:16]}-train")
    blocks_heldout = write_blocks(folder / "heldout", blocks(heldout=True), settings.block_size, f"{name[:16]}-heldout")
    spool.path.unlink()
    counts[tokenizer.all_special_ids] = 0
    np.save(folder / _COUNTS, counts, allow_pickle=False)
    statistics = _statistics(spool, documents) | {"blocks_train": blocks_train, "blocks_heldout": blocks_heldout}
    write_json(folder / _STATISTICS, statistics)


def _statistics(spool: Spool, documents: Documents) -> dict[str, Any]:
    figures = documents.statistics
    lengths = np.frombuffer(spool.lengths, dtype=np.int64)
    origins = np.frombuffer(spool.sources, dtype=np.uint16)
    train, heldout = spool.mixed & ~spool.heldout, spool.mixed & spool.heldout
    dropped = dict(figures["dropped"])
    for reason, count in (("too short", spool.empty), ("beyond its share", int((~spool.mixed).sum()))):
        if count:
            dropped[reason] = dropped.get(reason, 0) + count
    return {
        "documents_read": figures["documents_read"],
        "documents_dropped": figures["documents_read"] - int(spool.mixed.sum()),
        "documents_train": int(train.sum()),
        "documents_heldout": int(heldout.sum()),
        "tokens_train": int(lengths[train].sum()),
        "tokens_heldout": int(lengths[heldout].sum()),
        "characters": figures["characters"],
        "content_hash": figures["content_hash"],
        "dropped": dropped,
        "scrubbed": figures["scrubbed"],
        "sources": [
            entry
            | {
                "documents": int((spool.mixed & (origins == index)).sum()),
                "tokens": int(lengths[spool.mixed & (origins == index)].sum()),
            }
            for index, entry in enumerate(figures["sources"])
        ],
    }


def special_ids(tokenizer: PreTrainedTokenizerBase) -> tuple[int, int, int]:
    """Returns the ids that open, close and fill a block; BOS and EOS stand in for CLS and SEP."""
    candidates = {
        "CLS": (tokenizer.cls_token_id, tokenizer.bos_token_id),
        "SEP": (tokenizer.sep_token_id, tokenizer.eos_token_id),
        "PAD": (tokenizer.pad_token_id,),
    }
    found = {name: next((i for i in ids if isinstance(i, int)), None) for name, ids in candidates.items()}
    missing = [name for name, identifier in found.items() if identifier is None]
    if missing:
        raise DomainAdaptError(
            f"the tokenizer has no {' and no '.join(missing)} token", hint="the base must be a masked language model"
        )
    return cast("tuple[int, int, int]", tuple(found.values()))
