"""Weights on disk, read and written a tensor at a time, so that memory stays flat however large the model is."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Numbers of one tensor that are worked on at once: 8 MB in float64, and a few times that for what comes in between.
CHUNK_NUMBERS = 2**20
# As torch and safetensors call the types; bytes of a number.
_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "BOOL": "bool",
    "U8": "uint8",
}
_TYPES = {"float32": ("F32", 4), "int64": ("I64", 8), "int32": ("I32", 4), "bool": ("BOOL", 1), "uint8": ("U8", 1)}


@dataclass(frozen=True)
class Weights:
    """The open safetensors files of one model; the data is mapped, not read.

    Attributes:
        homes: Name of a tensor -> the open file that it is in.
    """

    homes: Mapping[str, Any]

    @property
    def names(self) -> list[str]:
        """The names of all tensors, sorted."""
        return sorted(self.homes)

    def shape(self, name: str) -> tuple[int, ...]:
        """Returns the shape of a tensor, from the header alone."""
        return tuple(self.homes[name].get_slice(name).get_shape())

    def dtype(self, name: str) -> str:
        """Returns the type of a tensor as torch calls it, e.g. ``float32``."""
        return _NAMES[self.homes[name].get_slice(name).get_dtype()]

    def tensor(self, name: str) -> torch.Tensor:
        """Returns a tensor, on the CPU, in the type that it is saved in."""
        tensor: torch.Tensor = self.homes[name].get_tensor(name)
        return tensor

    def pieces(self, name: str) -> Iterator[torch.Tensor]:
        """Yields a tensor in pieces along its first dimension, of at most :data:`CHUNK_NUMBERS` (or one row) each."""
        shape = self.shape(name)
        if math.prod(shape) <= CHUNK_NUMBERS:
            yield self.tensor(name)
            return
        rows = max(1, CHUNK_NUMBERS // math.prod(shape[1:]))
        whole = self.homes[name].get_slice(name)
        for start in range(0, shape[0], rows):
            yield whole[start : start + rows]


@contextmanager
def open_weights(files: Sequence[Path]) -> Iterator[Weights]:
    """Yields the tensors of a model's safetensors files."""
    from safetensors import safe_open

    with ExitStack() as stack:
        homes: dict[str, Any] = {}
        for path in files:
            file = stack.enter_context(safe_open(path, framework="pt"))
            homes |= dict.fromkeys(file.keys(), file)
        yield Weights(homes)


def write_weights(
    path: Path, shapes: Mapping[str, tuple[tuple[int, ...], str]], make: Callable[[str], Iterable[torch.Tensor]]
) -> None:
    """Writes a safetensors file, asking for one tensor at a time, in pieces.

    The format: eight bytes with the length of the header (little-endian), the header as JSON, padded with spaces to a
    multiple of eight bytes, and the numbers of the tensors one after the other without a gap.

    Args:
        path: Must not exist.
        shapes: Name -> shape and type (``float32``, ``int64``...) of each tensor.
        make: Returns the tensor of a name in that type, in pieces along its first dimension.

    Raises:
        ValueError: If a tensor does not have the type, or as many numbers, as was said.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    # As safetensors itself does it, the widest types first: then each tensor is aligned.
    names = sorted(shapes, key=lambda name: (-_TYPES[shapes[name][1]][1], name))
    end = 0
    for name in names:
        shape, kind = shapes[name]
        code, size = _TYPES[kind]
        start, end = end, end + math.prod(shape) * size
        header[name] = {"dtype": code, "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with path.open("xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            shape, kind = shapes[name]
            numbers = 0
            for piece in make(name):
                if str(piece.dtype) != f"torch.{kind}":
                    raise ValueError(f"{name}: {piece.dtype}, expected {kind}")
                file.write(piece.contiguous().numpy().data)
                numbers += piece.numel()
            if numbers != math.prod(shape):
                raise ValueError(f"{name}: {numbers} numbers, expected {math.prod(shape)}")
