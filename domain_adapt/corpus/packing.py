"""Packing documents of any length into rows of one length, no token lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int32]

# Tokens gathered before they are cut: enough to make numpy's overhead vanish, 8 MB with all copies.
_CHUNK_TOKENS = 1 << 19


def pack(
    token_ids: Iterable[Sequence[int] | Tokens], *, block_size: int, cls_id: int, sep_id: int, pad_id: int
) -> Tokens:
    """Returns all documents packed into blocks, (blocks, block_size) int32.

    Every block is ``[CLS] content [SEP]``. The content is the stream ``document SEP document SEP ...`` cut every
    ``block_size - 2`` tokens, with two exceptions that keep separators single: a separator that would open a block
    is dropped, and one that would stand right before the closing ``[SEP]`` is the closing one itself, followed by
    one padding. The last block is padded. Documents without tokens are passed over.

    Args:
        token_ids: One sequence of token ids, without special tokens, a document.
        block_size: Tokens in a block, specials included; at least 3.
        cls_id: Opens a block.
        sep_id: Stands between documents and closes a block.
        pad_id: Fills up.
    """
    chunks = iter_blocks(token_ids, block_size=block_size, cls_id=cls_id, sep_id=sep_id, pad_id=pad_id)
    return np.concatenate([np.empty((0, block_size), dtype=np.int32), *chunks])


def iter_blocks(
    token_ids: Iterable[Sequence[int] | Tokens], *, block_size: int, cls_id: int, sep_id: int, pad_id: int
) -> Iterator[Tokens]:
    """Yields what ``pack`` returns in pieces of many blocks, (some blocks, block_size) int32, in bounded memory."""
    if block_size < 3:
        raise ValueError(f"block_size must be at least 3, for [CLS], a token and [SEP]; got {block_size}")
    content_size = block_size - 2
    rest = np.empty(0, dtype=np.int32)
    rest_separators = np.empty(0, dtype=np.bool_)
    for tokens, separators in _streams(token_ids, sep_id):
        tokens = np.concatenate([rest, tokens])
        separators = np.concatenate([rest_separators, separators])
        starts, end = _cut(separators, content_size)
        if len(starts):
            yield _assemble(tokens, separators, starts, block_size, cls_id, sep_id, pad_id)
        rest, rest_separators = tokens[end:], separators[end:]
    if len(rest):
        last = np.full((1, block_size), pad_id, dtype=np.int32)
        last[0, 0] = cls_id
        last[0, 1 : 1 + len(rest)] = rest
        last[0, 1 + len(rest)] = sep_id
        yield last


def _streams(
    token_ids: Iterable[Sequence[int] | Tokens], sep_id: int
) -> Iterator[tuple[Tokens, npt.NDArray[np.bool_]]]:
    """Yields the stream in chunks, with a mask of the separators, as a text may hold the token itself.

    The separator goes before each document but the first, so that none is left over at the end.
    """
    separator = np.array([sep_id], dtype=np.int32)
    parts: list[Tokens] = []
    positions: list[int] = []
    size = 0
    first = True
    for document in token_ids:
        if not len(document):
            continue
        if not first:
            positions.append(size)
            parts.append(separator)
            size += 1
        first = False
        parts.append(np.asarray(document, dtype=np.int32))
        size += len(document)
        if size >= _CHUNK_TOKENS:
            yield _joined(parts, positions, size)
            parts, positions, size = [], [], 0
    if parts:
        yield _joined(parts, positions, size)


def _joined(parts: list[Tokens], positions: list[int], size: int) -> tuple[Tokens, npt.NDArray[np.bool_]]:
    separators = np.zeros(size, dtype=np.bool_)
    separators[positions] = True
    return np.concatenate(parts), separators


def _cut(separators: npt.NDArray[np.bool_], content_size: int) -> tuple[npt.NDArray[np.int64], int]:
    """Returns the starts of all whole blocks, and where the rest begins (never at a separator).

    A plain loop, as each start depends on the one before; it runs once a block, not once a token.
    """
    flags = separators.tobytes()
    size = len(flags)
    starts: list[int] = []
    position = 0
    while True:
        if position < size and flags[position]:
            position += 1
        if position + content_size > size:
            return np.array(starts, dtype=np.int64), position
        starts.append(position)
        position += content_size


def _assemble(
    tokens: Tokens,
    separators: npt.NDArray[np.bool_],
    starts: npt.NDArray[np.int64],
    block_size: int,
    cls_id: int,
    sep_id: int,
    pad_id: int,
) -> Tokens:
    blocks = np.empty((len(starts), block_size), dtype=np.int32)
    blocks[:, 0] = cls_id
    blocks[:, 1:-1] = tokens[starts[:, None] + np.arange(block_size - 2)]
    ends_in_separator = separators[starts + block_size - 3]
    blocks[:, -1] = np.where(ends_in_separator, pad_id, sep_id)
    return blocks
