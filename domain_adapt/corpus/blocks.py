"""Blocks on disk: an Arrow data set that ``datasets.load_from_disk`` opens too, read back without a copy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from domain_adapt.corpus.data_set import describe_data_set
from domain_adapt.corpus.packing import Tokens

_DATA = "data-00000-of-00001.arrow"
COLUMN = "input_ids"


def write_blocks(folder: Path, chunks: Iterable[Tokens], block_size: int, name: str) -> int:
    """Writes blocks as one Arrow record batch into a new ``folder`` and returns how many there are.

    One batch, because only then do all blocks lie side by side and can be mapped as one array. Arrow must know the
    length of a batch before it writes it, so the blocks go through a raw file first and memory stays bounded.

    Args:
        folder: Must not exist yet.
        chunks: Arrays of (some blocks, block_size) int32.
        block_size: Tokens in a block.
        name: Identity of the data, kept as the data set's fingerprint.
    """
    folder.mkdir()
    raw = folder / "blocks.raw"
    count = 0
    with raw.open("wb") as file:
        for chunk in chunks:
            file.write(np.ascontiguousarray(chunk, dtype=np.int32).data)
            count += len(chunk)
    _write_arrow(raw, folder, count, block_size, name)
    raw.unlink()
    return count


def read_blocks(folder: Path, block_size: int) -> Tokens:
    """Returns the blocks of a folder as a read-only, memory-mapped view, (blocks, block_size) int32."""
    with pa.memory_map(str(folder / _DATA)) as source:
        column = pa.ipc.open_stream(source).read_all().column(COLUMN)
    if column.num_chunks == 0 or not len(column):
        return np.empty((0, block_size), dtype=np.int32)
    tokens: Tokens = column.chunk(0).flatten().to_numpy(zero_copy_only=True)
    return tokens.reshape(-1, block_size)


def _write_arrow(raw: Path, folder: Path, count: int, block_size: int, name: str) -> None:
    import datasets  # seconds that a reader need not pay

    features = datasets.Features({COLUMN: datasets.List(datasets.Value("int32"), length=block_size)})
    describe_data_set(folder, features, [_DATA], name)
    schema = features.arrow_schema
    with (
        pa.OSFile(str(folder / _DATA), "wb") as sink,
        pa.ipc.new_stream(sink, schema) as writer,
        pa.memory_map(str(raw)) as source,
    ):
        if count:
            values = pa.Array.from_buffers(pa.int32(), count * block_size, [None, source.read_buffer()])
            column = pa.FixedSizeListArray.from_arrays(values, block_size)
            writer.write_batch(pa.record_batch([column], schema=schema))
