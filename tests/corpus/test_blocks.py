from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pytest

from domain_adapt.corpus.blocks import read_blocks, write_blocks


def test_blocks_come_back_as_one_read_only_view(tmp_path: Path) -> None:
    chunks = [np.arange(16, dtype=np.int32).reshape(2, 8), np.arange(16, 40, dtype=np.int32).reshape(3, 8)]
    assert write_blocks(tmp_path / "train", chunks, 8, "name") == 5
    blocks = read_blocks(tmp_path / "train", 8)
    assert blocks.dtype == np.int32
    assert np.array_equal(blocks, np.arange(40).reshape(5, 8))
    assert not blocks.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        blocks[0, 0] = 1


def test_the_datasets_library_opens_the_same_folder(tmp_path: Path) -> None:
    write_blocks(tmp_path / "train", [np.arange(16, dtype=np.int32).reshape(2, 8)], 8, "name")
    loaded = datasets.load_from_disk(str(tmp_path / "train"))
    assert loaded.features == datasets.Features({"input_ids": datasets.List(datasets.Value("int32"), length=8)})
    assert loaded[1]["input_ids"] == list(range(8, 16))


def test_no_blocks_at_all(tmp_path: Path) -> None:
    assert write_blocks(tmp_path / "heldout", [], 8, "name") == 0
    assert read_blocks(tmp_path / "heldout", 8).shape == (0, 8)
    assert len(datasets.load_from_disk(str(tmp_path / "heldout"))) == 0


def test_only_the_data_set_is_left_in_the_folder(tmp_path: Path) -> None:
    write_blocks(tmp_path / "train", [np.zeros((2, 8), dtype=np.int32)], 8, "name")
    names = sorted(path.name for path in (tmp_path / "train").iterdir())
    assert names == ["data-00000-of-00001.arrow", "dataset_info.json", "state.json"]
