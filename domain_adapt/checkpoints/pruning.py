"""Which old versions may go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain_adapt.checkpoints.store import Checkpoint, CheckpointStore
from domain_adapt.errors import DomainAdaptError

_VERSION_FOLDER = re.compile(r"v[1-9][0-9]*")


@dataclass(frozen=True)
class Pruning:
    """What pruning would do.

    Attributes:
        going: Would be removed.
        kept: Old enough to go, but needed: the checkpoint and why.
    """

    going: list[Checkpoint]
    kept: list[tuple[Checkpoint, str]]


def plan_pruning(store: CheckpointStore, name: str | None = None, *, keep: int = 3) -> Pruning:
    """Returns which versions go if the newest ``keep`` of each name stay.

    No version goes that another checkpoint came from (at whatever distance, and though that one goes itself), or that
    an alias stands for; nor does the latest one.

    Args:
        store: Where they are.
        name: Look at this name alone; None: at all.
        keep: Versions of each name.

    Raises:
        DomainAdaptError: If there is no such name, or a damaged manifest hides what its checkpoint came from.
    """
    if keep < 1:
        raise DomainAdaptError(f"prune --keep {keep}: expected at least 1: the latest version always stays")
    if name is not None:
        store.find(name)  # says what is known if it is not there
    everything = store.list()
    if damaged := unreadable(store):
        raise DomainAdaptError(
            f"{damaged[0]}, so what it came from is not known; nothing was removed",
            hint="remove that folder if it is of no use any more",
        )
    needed = _needed(everything)
    going: list[Checkpoint] = []
    kept: list[tuple[Checkpoint, str]] = []
    for one_name in [name] if name is not None else store.names():
        versions = sorted((one for one in everything if one.name == one_name), key=lambda one: one.version)
        aliases = store.aliases(one_name)
        for checkpoint in versions[:-keep]:
            reasons = [f"@{alias}" for alias, version in aliases.items() if version == checkpoint.version]
            reasons += [f"parent of {child}" for child in needed.get(checkpoint.ref, [])]
            if reasons:
                kept.append((checkpoint, ", ".join(reasons)))
            else:
                going.append(checkpoint)
    return Pruning(going, kept)


def size(checkpoint: Checkpoint) -> int:
    """Returns the bytes of all files of a checkpoint."""
    return sum(path.stat().st_size for path in checkpoint.folder.rglob("*") if path.is_file())


def _needed(checkpoints: Sequence[Checkpoint]) -> dict[str, list[str]]:
    """Returns the references that others came from, each with those others."""
    found: dict[str, list[str]] = {}
    for one in checkpoints:
        names = {ancestor.name for ancestor in one.manifest.lineage} | {p.name for p in one.manifest.all_parents}
        for name in names:
            found.setdefault(name, []).append(one.ref)
    return found


def unreadable(store: CheckpointStore) -> list[str]:
    """Returns one line for each version whose manifest cannot be read."""
    known = {one.folder for one in store.list()}
    return [
        f"{folder}: the manifest cannot be read"
        for name in store.names()
        for folder in sorted((store.root / name).iterdir())
        if folder.is_dir() and _VERSION_FOLDER.fullmatch(folder.name) and folder not in known
    ]
