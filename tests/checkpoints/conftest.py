"""A manifest and a publication that tests change as they need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain_adapt.checkpoints import Checkpoint, CheckpointStore, Manifest


def _manifest_of(name: str, version: int, files: dict[str, str], **changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "name": name,
        "version": version,
        "stage": "adapt",
        "domain": "medical",
        "profile": "quick",
        "created": "2026-01-02T03:04:05+00:00",
        "fingerprint": "f" * 64,
        "recipe": {"seed": 0},
        "parent": {"kind": "base", "name": "mini", "sha256": "a" * 64},
        "lineage": [{"name": "mini", "sha256": "a" * 64}],
        "corpus": {},
        "metrics": {"heldout/mlm_loss": 4.25},
        "packages": {"torch": "2.13.0"},
        "environment": {"device": "cpu"},
        "command": "domain-adapt adapt medical",
        "wall_seconds": 12.5,
        "files": files,
    }
    return Manifest.model_validate(values | changes)


@pytest.fixture
def manifest_of() -> Callable[..., Manifest]:
    """``manifest_of(name, version, files, **changes)`` is a valid manifest changed in those keys."""
    return _manifest_of


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints")


@pytest.fixture
def publish(store: CheckpointStore) -> Callable[..., Checkpoint]:
    """``publish(name, **changes)`` publishes one small file with a manifest changed in those keys."""

    def run(name: str = "medical", content: str = "weights", **changes: Any) -> Checkpoint:
        def fill(folder: Path) -> None:
            (folder / "model.safetensors").write_text(content)

        return store.publish(name, fill, lambda version, files: _manifest_of(name, version, files, **changes))

    return run
