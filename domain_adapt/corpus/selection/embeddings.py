"""Nearest neighbours of a task's texts among the documents, by the mean states of an encoder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from domain_adapt.training.progress import meter

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Batches = Callable[[], Iterator[list[str]]]
Vectors = npt.NDArray[np.float32]

_TOKENS = 128  # of a text that are embedded: what it is about is said in its beginning
_TARGETS = 2_000  # more neighbours say little that these do not
_ROWS = 32  # texts in one forward pass, sorted by length
_BLOCK = 8_192  # documents compared at once: 64 MB of similarities


def nearest(batches: Batches, targets: Sequence[str], keep: float, folder: Path) -> npt.NDArray[np.float32]:
    """Returns a score for each document, by how near a neighbour it is of any target, (documents,).

    The score is minus the smallest rank that the document has among the neighbours of a target (0 is its nearest),
    so the best ones are those that ``k`` neighbours of every target give, with ``k`` as large as there is room; within
    a rank the more similar is better. Ranks beyond what is kept do not matter and count as one.

    Args:
        batches: The documents.
        targets: Texts of the task; some two thousand of them, evenly chosen, are used.
        keep: Share of the documents that will be kept.
        folder: An encoder with its tokenizer.
    """
    targets = [text for text in targets if text.strip()]
    targets = targets[:: -(-len(targets) // _TARGETS)]
    encoder = _Encoder(folder)
    wanted = encoder.embed(targets)
    with tempfile.TemporaryDirectory(prefix="domain-adapt-") as scratch:
        path = Path(scratch) / "states.raw"
        count = 0
        with path.open("wb") as file, meter("embedding the documents") as progress:
            for texts in batches():
                file.write(encoder.embed(texts).astype(np.float16).tobytes())
                count += len(texts)
                progress.update(count, f"{count:,} documents")
        if not count:
            return np.empty(0, dtype=np.float32)
        documents = np.memmap(path, dtype=np.float16, mode="r").reshape(count, -1)
        return _ranks(documents, wanted, round(keep * count) + 1)


def _ranks(documents: npt.NDArray[np.float16], targets: Vectors, wanted: int) -> npt.NDArray[np.float32]:
    """Returns minus the smallest rank among any target's neighbours, plus the similarity within (0, 1)."""
    depth = min(len(documents), wanted)
    best = np.full(len(documents), depth, dtype=np.int64)
    similarity = np.full(len(documents), -1.0, dtype=np.float32)
    rows = max(1, _BLOCK * _BLOCK // (8 * len(documents)))
    for start in range(0, len(targets), rows):
        scores = np.empty((len(targets[start : start + rows]), len(documents)), dtype=np.float32)
        for first in range(0, len(documents), _BLOCK):
            piece = documents[first : first + _BLOCK].astype(np.float32)
            scores[:, first : first + len(piece)] = targets[start : start + rows] @ piece.T
        similarity = np.maximum(similarity, scores.max(axis=0))
        for row in scores:
            order = np.argpartition(-row, depth - 1)[:depth]
            order = order[np.argsort(-row[order], kind="stable")]
            best[order] = np.minimum(best[order], np.arange(depth))
    within: npt.NDArray[np.float32] = (np.clip(similarity, -1.0, 1.0) + 1.0) / 2.0 * np.float32(0.99)
    return within - best.astype(np.float32)


class _Encoder:
    """Mean-pooled last states of an encoder, each of length 1."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        self._tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        model: Any = AutoModel.from_pretrained(folder, add_pooling_layer=False)
        self._model: PreTrainedModel = model.eval()
        self._torch = torch

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Returns one vector a text, (texts, width) float32."""
        torch = self._torch
        # Some text at the front is all that is embedded; a book need not be tokenised for it.
        rows = self._tokenizer(
            [text[: _TOKENS * 20] for text in texts], truncation=True, max_length=_TOKENS, verbose=False
        )["input_ids"]
        order = sorted(range(len(rows)), key=lambda index: len(rows[index]))
        vectors: Vectors = np.empty((len(rows), self._model.config.hidden_size), dtype=np.float32)
        for start in range(0, len(order), _ROWS):
            some = order[start : start + _ROWS]
            batch = self._tokenizer.pad({"input_ids": [rows[index] for index in some]}, return_tensors="pt")
            with torch.inference_mode():
                states = self._model(**batch).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1).to(states.dtype)
            means = (states * mask).sum(dim=1) / mask.sum(dim=1)
            vectors[some] = torch.nn.functional.normalize(means, dim=1).numpy()
        return vectors
