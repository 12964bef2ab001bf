"""What makes a folder of Arrow files a data set that ``datasets.load_from_disk`` opens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from domain_adapt.workspace import write_json

if TYPE_CHECKING:
    from datasets import Features


def describe_data_set(folder: Path, features: Features, files: Sequence[str], name: str) -> None:
    """Writes the description of a data set beside its files.

    Args:
        folder: Holds the files.
        features: Names and types of the columns.
        files: Arrow streams, in the order of their rows.
        name: Identity of the data, kept as the data set's fingerprint.
    """
    import datasets  # seconds that a reader need not pay

    datasets.DatasetInfo(features=features).write_to_directory(str(folder))
    state: dict[str, object] = {
        "_data_files": [{"filename": file} for file in files],
        "_fingerprint": name,
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    write_json(folder / "state.json", state)
