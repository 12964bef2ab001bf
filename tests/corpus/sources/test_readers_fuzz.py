"""Whatever the bytes are, a reader gives documents, reasons and DomainAdaptError, and nothing else."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable

import pytest

from domain_adapt.corpus.sources.base import Unreadable
from domain_adapt.errors import DomainAdaptError

MUTANTS = 40
NAMES = [
    "x.txt", "x.md", "x.jsonl", "x.json", "x.csv", "x.tsv", "x.parquet", "x.html", "x.pdf", "x.docx",
    "g.jsonl.gz", "z.jsonl.zst", "x.zip", "x.tar", "x.tar.gz", "x.tar.zst",
]  # fmt: skip


def mutant(data: bytes, rng: random.Random) -> bytes:
    """Returns the bytes with a few changed, cut out, doubled or cut off."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 50))):
        place, length = rng.randrange(len(changed) + 1), rng.choice((1, 2, 8, 100))
        kind = rng.randrange(5)
        if kind == 0:
            changed[place : place + length] = rng.randbytes(length)
        elif kind == 1:
            del changed[place : place + length]
        elif kind == 2:
            changed[place:place] = changed[place : place + length] * rng.randrange(1, 4)
        elif kind == 3 and place < len(changed):
            changed[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, changed[place] ^ 1 << rng.randrange(8)))
        elif kind == 4 and rng.random() < 0.3:
            del changed[place:]
    return bytes(changed)


@pytest.mark.parametrize("name", NAMES)
def test_mutations_of_valid_files(
    read_bytes: Callable[..., list[object]], samples: dict[str, bytes], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    rng = random.Random(name)
    outcomes = set()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(MUTANTS):
            try:
                items = read_bytes(name, mutant(samples[name], rng))
            except DomainAdaptError as error:
                assert "\n" not in error.message
                outcomes.add("error")
                continue
            for item in items:
                if isinstance(item, Unreadable):
                    assert item.source == name and item.id.startswith(name)
                    assert item.reason and item.detail and "\n" not in item.detail
                    outcomes.add("unreadable")
                else:
                    identifier, text = item
                    (identifier + text).encode()
                    outcomes.add("document")
    assert len(outcomes) > 1 or name in ("x.txt", "x.md")
    assert not caplog.records


@pytest.mark.parametrize("name", NAMES)
def test_bytes_of_another_kind(read_bytes: Callable[..., list[object]], samples: dict[str, bytes], name: str) -> None:
    rng = random.Random(1)
    others = [b"", b"\0", b"\n" * 1000, rng.randbytes(3000), b"\xff\xfe", b"\x00\x00\xfe\xff\x00", *samples.values()]
    for data in others:
        try:
            assert all(isinstance(item, tuple | Unreadable) for item in read_bytes(name, data))
        except DomainAdaptError as error:
            assert name in error.message
