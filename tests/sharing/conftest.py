"""A loopback Hub that this process and its children speak to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain_adapt.checkpoints import Checkpoint, CheckpointStore
from tests.conftest import Project
from tests.loopback_hub import TOKEN, LoopbackHub, point_at, serve


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """A Hub that knows our token; huggingface_hub does not wait between its retries."""
    hub = LoopbackHub()
    with serve(hub.answer) as url:
        hub.url = url
        point_at(url, tmp_path / "hub-cache", monkeypatch)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(time, "sleep", lambda seconds: None)
        yield hub


@pytest.fixture
def medical(adapted: Project) -> Checkpoint:
    """``heart@v1`` of an adapted project."""
    return CheckpointStore(adapted.workspace.checkpoints).find("heart")


Bytes = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def contents() -> Bytes:
    """Returns path -> bytes of the files below a folder."""

    def read(folder: Path) -> dict[str, Any]:
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read
