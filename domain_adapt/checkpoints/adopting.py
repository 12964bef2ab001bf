"""A checkpoint that was made elsewhere, taken into the store under its own name and version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from domain_adapt.checkpoints.manifest import Manifest, read_manifest
from domain_adapt.checkpoints.staging import locked, make_read_only, staging_folder
from domain_adapt.checkpoints.store import Checkpoint, CheckpointStore, check_name
from domain_adapt.checkpoints.verify import verify
from domain_adapt.disk import explain_disk
from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import sync_folder


def present(store: CheckpointStore, manifest: Manifest) -> Checkpoint | None:
    """Returns the checkpoint in the store that has exactly this manifest, or None if its number is free.

    Raises:
        DomainAdaptError: If the number is taken by anything else.
    """
    ref = f"{manifest.name}@v{manifest.version}"
    if not (store.root / manifest.name / f"v{manifest.version}").exists():
        return None
    found = store.find(ref)
    if found.manifest != manifest:
        raise DomainAdaptError(
            f"{ref} is here already with other content: {found.folder} (made {found.manifest.created}, "
            f"this one {manifest.created})",
            hint=f"take it in under another name: --name {manifest.name}-2",
        )
    return found


def adopt(store: CheckpointStore, fill: Callable[[Path], None], source: str) -> Checkpoint:
    """Takes a finished checkpoint into the store and returns it; on any error the store stays as it was.

    Args:
        store: Where to.
        fill: Writes all files into the empty folder it is given, ``manifest.json`` too, whose name and version count.
        source: Where it comes from, for messages.

    Raises:
        DomainAdaptError: If a file is missing, too many, a link, or not the one that the manifest names, the number is
            taken by other content, or the store cannot be written.
    """
    with explain_disk(store.root, f"nothing was taken from {source}"), staging_folder(store.root) as staging:
        fill(staging)
        for path in staging.rglob("*"):
            if path.is_symlink():
                raise DomainAdaptError(f"{source}: {path.relative_to(staging)}: is a link; only plain files are taken")
        manifest = read_manifest(staging)
        check_name(manifest.name)
        for problem in verify(Checkpoint(manifest.name, manifest.version, staging, manifest)):
            raise DomainAdaptError(
                f"{source}: {problem.removeprefix(f'{staging}/')}", hint="it was damaged on the way, or by someone"
            )
        make_read_only(staging)
        sync_folder(staging)
        with locked(store.root):
            return present(store, manifest) or store._move_in(staging, manifest)
