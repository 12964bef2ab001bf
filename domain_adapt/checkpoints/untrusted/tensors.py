"""Headers of safetensors files, read and checked here before any library maps the file.

The format: eight bytes with the length of the header (little endian), the header (a JSON object, which names type,
shape and place of each tensor), then the bytes of the tensors one after another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain_adapt.checkpoints.untrusted.json_files import check_size, parse_json, read_json
from domain_adapt.errors import DomainAdaptError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")

# A tensor takes about 120 bytes of a header; the deepest public encoder (48 layers) has 800 of them. The library itself
# would take 100 MB.
_MOST_HEADER = 4 * 2**20
_MOST_FILE = 2**42  # 4 TiB: no encoder is near; it bounds the offsets
_MOST_DIMENSIONS = 8  # encoders have three at most (a convolution)
_METADATA = "__metadata__"
_BYTES = {
    **dict.fromkeys(("BOOL", "I8", "U8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 2),
    **dict.fromkeys(("I32", "U32", "F32"), 4),
    **dict.fromkeys(("I64", "U64", "F64"), 8),
}
# How other files begin that are renamed to .safetensors: a zip (torch.save), pickle protocols 2 to 5, HDF5, gzip.
_DISGUISES = {b"PK\x03\x04": "a pickle of torch.save (zip)", b"\x89HDF": "an HDF5 file", b"\x1f\x8b": "a gzip file"}
_DISGUISES |= {b"\x80" + bytes([protocol]): "a pickle" for protocol in range(2, 6)}


@dataclass(frozen=True)
class Tensor:
    """What a header says of one tensor, checked."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def parameters(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


def read_header(path: Path, label: str) -> dict[str, Tensor]:
    """Returns name -> tensor of a safetensors file; no tensor is read.

    Args:
        path: The file.
        label: What messages call it.

    Raises:
        DomainAdaptError: If it is anything but a whole safetensors file whose tensors fill it without gap or overlap.
    """
    size = check_size(path, label, _MOST_FILE)
    with path.open("rb") as file:
        start = file.read(8)
        for magic, what in _DISGUISES.items():
            # A length of 0x0280 and the like is possible, too; a real header begins with "{".
            if start.startswith(magic) and file.read(1) != b"{":
                raise DomainAdaptError(f"{label}: is {what}, not safetensors; unpickling can run any code")
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > size - 8:
            raise _damaged(label, f"the header is said to have {length:,} bytes, the file has {size:,}")
        if length > _MOST_HEADER:
            raise _damaged(label, f"the header has {length:,} bytes, expected at most {_MOST_HEADER:,}")
        file.seek(8)
        header = file.read(length)
    if not header.startswith(b"{"):
        raise _damaged(label, "the header is no JSON object")
    return _tensors(parse_json(header, f"{label}: damaged safetensors file: header"), size - 8 - length, label)


def _tensors(header: dict[str, Any], length: int, label: str) -> dict[str, Tensor]:
    """Returns the tensors of a header whose data have ``length`` bytes."""
    metadata = header.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _damaged(label, "__metadata__ is no table of strings")
    found = {name: _tensor(name, entry, label) for name, entry in header.items()}
    position = 0
    for name, tensor in sorted(found.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.begin != position:
            raise _damaged(
                label,
                f"{name!r:.80} begins at byte {tensor.begin:,}, expected {position:,}: tensors overlap or leave a gap",
            )
        position = tensor.end
    if position != length:
        raise _damaged(label, f"its tensors end at byte {position:,} of {length:,}")
    return found


def _tensor(name: str, entry: Any, label: str) -> Tensor:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _damaged(label, f"{name!r:.80}: expected dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BYTES:
        raise _damaged(label, f"{name!r:.80}: type {dtype!r:.40} is not known")
    if not _is_counts(shape) or len(shape) > _MOST_DIMENSIONS or not _is_counts(offsets) or len(offsets) != 2:
        raise _damaged(label, f"{name!r:.80}: shape or data_offsets are no whole numbers")
    begin, end = offsets
    expected = math.prod(shape) * _BYTES[dtype]
    if end - begin != expected:
        raise _damaged(label, f"{name!r:.80}: {dtype} of shape {shape} are {expected:,} bytes, not {end - begin:,}")
    return Tensor(dtype, tuple(shape), begin, end)


def _is_counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(one) is int and 0 <= one <= _MOST_FILE for one in value)


def _damaged(label: str, what: str) -> DomainAdaptError:
    return DomainAdaptError(f"{label}: damaged safetensors file: {what}")


def label_of(name: str, path: Path) -> str:
    """Returns what messages call a file of the model ``name``: its path, after the name where that is another."""
    return f"{path}" if Path(name) in path.parents else f"{name}: {path}"


def weight_files(folder: Path, name: str) -> list[Path]:
    """Returns the safetensors files that transformers would read, in order.

    Raises:
        DomainAdaptError: If there are none, one that the index names is missing, or a name in it leads elsewhere.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        return [folder / shard for shard in sorted(set(_weight_map(folder, name).values()))]
    raise no_safetensors(name, [path.name for path in folder.iterdir()])


def read_tensors(folder: Path, name: str) -> dict[str, Tensor]:
    """Returns name -> tensor over all weight files of a model, from the headers alone.

    Raises:
        DomainAdaptError: If a file is damaged or missing, or the index does not describe the files.
    """
    files = {path.name: read_header(path, label_of(name, path)) for path in weight_files(folder, name)}
    found: dict[str, Tensor] = {}
    for file, tensors in files.items():
        if twice := found.keys() & tensors.keys():
            raise DomainAdaptError(f"{label_of(name, folder / file)}: {min(twice)!r:.80} is in another file as well")
        found |= tensors
    if WEIGHTS not in files:
        for tensor, file in _weight_map(folder, name).items():
            if tensor not in files[file]:
                raise DomainAdaptError(f"{label_of(name, folder / INDEX)}: {tensor!r:.80} is not in {file}")
    return found


def no_safetensors(name: str, files: list[str]) -> DomainAdaptError:
    """Returns the error for a base that has ``files`` but no safetensors among them."""
    if any(file in PICKLED or file.endswith((".bin", ".pt", ".pth", ".ckpt", ".h5")) for file in files):
        pickled = ", ".join(file for file in PICKLED if file in files) or "no safetensors"
        return DomainAdaptError(
            f"base {name!r} has only pickled weights ({pickled}); only safetensors are read, expected {WEIGHTS}",
            hint="unpickling can run any code: choose a base, or a revision of it, that has safetensors",
        )
    return DomainAdaptError(f"base {name!r} has no weights: expected {WEIGHTS} or {INDEX}")


def _weight_map(folder: Path, name: str) -> dict[str, str]:
    """Returns tensor -> file as the index says, checked."""
    label = label_of(name, folder / INDEX)
    weight_map = read_json(folder / INDEX, label).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise DomainAdaptError(f"{label}: weight_map is missing")
    for shard in weight_map.values():
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise DomainAdaptError(f"{label}: {shard!r:.80} is not the name of a safetensors file in this folder")
        if not (folder / shard).is_file():
            raise DomainAdaptError(f"{label_of(name, folder / shard)} is missing, which {INDEX} names")
    return weight_map
