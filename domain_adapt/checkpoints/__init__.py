"""Finished models: published whole, versioned, immutable."""

from __future__ import annotations

from pathlib import Path

from domain_adapt.checkpoints.manifest import Ancestor, Manifest, Origin, Parent, read_manifest, write_manifest
from domain_adapt.checkpoints.store import Checkpoint, CheckpointStore, check_name
from domain_adapt.checkpoints.untrusted import check_untrusted
from domain_adapt.checkpoints.verify import check_intact, checkpoint_in, verify
from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import Workspace

__all__ = [
    "Ancestor",
    "Checkpoint",
    "CheckpointStore",
    "Manifest",
    "Origin",
    "Parent",
    "check_intact",
    "check_name",
    "check_untrusted",
    "checkpoint_in",
    "read_manifest",
    "resolve",
    "verify",
    "write_manifest",
]


def resolve(ref: str | Path, workspace: Workspace = Workspace()) -> Path:
    """Returns the folder of a checkpoint: ``medical``, ``medical@v1``, or a folder, which is returned as it is.

    Raises:
        DomainAdaptError: If it is neither a folder with a model nor a checkpoint in the store.
    """
    path = Path(ref)
    looks_like_path = isinstance(ref, Path) or "/" in ref or ref.startswith((".", "~"))
    # A word such as "medical" is a checkpoint first; a folder of that name counts only if a model lies in it.
    if path.is_dir() and (looks_like_path or (path / "config.json").is_file()):
        return path
    if looks_like_path:
        raise DomainAdaptError(f"{ref}: no such folder", hint="a checkpoint is named like medical or medical@v1")
    return CheckpointStore(workspace.checkpoints).find(str(ref)).folder
