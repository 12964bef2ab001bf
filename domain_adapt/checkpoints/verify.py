"""Whether a checkpoint is still what was published."""

from __future__ import annotations

from domain_adapt.checkpoints.manifest import MANIFEST
from domain_adapt.checkpoints.store import Checkpoint
from domain_adapt.fingerprint import hash_file


def verify(checkpoint: Checkpoint, *, deep: bool = False) -> list[str]:
    """Returns one line for each file that is missing, changed or not in the manifest; [] if all is well."""
    folder, expected = checkpoint.folder, checkpoint.manifest.files
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    problems = [f"{folder / path}: missing" for path in sorted(expected.keys() - present)]
    problems += [f"{folder / path}: not in the manifest" for path in sorted(present - expected.keys())]
    for path in sorted(present & expected.keys()):
        found = hash_file(folder / path)
        if found != expected[path]:
            problems.append(f"{folder / path}: changed: SHA-256 {found[:12]}…, expected {expected[path][:12]}…")
    return problems
