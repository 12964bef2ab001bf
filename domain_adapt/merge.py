"""Merging: the weighted mean of models that come from one base, as a new checkpoint.

The weights of models trained from one base lie close enough that what is between them is a model too, often a better
one: between a base and what it was adapted to (WiSE-FT, Wortsman et al. 2022, arXiv 2109.01903), or among several
(model soups, Wortsman et al. 2022, arXiv 2203.05482).
"""

from __future__ import annotations

import logging
import platform
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from domain_adapt.bases import Base, resolve_base
from domain_adapt.checkpoints import Ancestor, Checkpoint, CheckpointStore, Manifest
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import fingerprint
from domain_adapt.merging import (
    ENCODER,
    Operand,
    check_alike,
    leading,
    open_operands,
    read_operands,
    write_config,
    write_mean,
)
from domain_adapt.report.model_card import render_card
from domain_adapt.stages import PACKAGE, existing_checkpoint, package_versions
from domain_adapt.training.machine import hardware
from domain_adapt.training.meeting import Meeting
from domain_adapt.training.progress import format_seconds, meter
from domain_adapt.workspace import Workspace

logger = logging.getLogger(__name__)


def merge(
    *operands: str,
    name: str,
    weights: Sequence[float] | None = None,
    force: bool = False,
    workspace: Workspace = Workspace(),
) -> Checkpoint:
    """Publishes the weighted mean of two or more models of one base and returns the checkpoint.

    Computed a tensor at a time, so that memory stays flat; the result is float32. A base without an LM head takes none
    of the head's share: the head is that of the models that have one, at its full size.

    Args:
        operands: Checkpoints (``medical@v1``), ``mini``, Hub ids or folders.
        name: Of the checkpoint.
        weights: One an operand, from 0 to 1, adding up to 1; None: all the same.
        force: Merge even though the checkpoint exists.
        workspace: Where checkpoints are.

    Raises:
        DomainAdaptError: If there is no such model, or two of them differ in architecture, head, shapes or vocabulary.
    """
    from domain_adapt.training.interpolation import check_weights

    if len(operands) < 2:
        raise DomainAdaptError("merge: expected two models or more", hint="domain-adapt merge A B --name NAME")
    try:
        shares = check_weights(weights or [1 / len(operands)] * len(operands), len(operands))
    except ValueError as error:
        raise DomainAdaptError(f"merge: --weights: {error}") from None
    bases = [resolve_base(operand, workspace=workspace, allow_fine_tuned=True) for operand in operands]
    identity = merge_fingerprint(bases, shares)
    existing = existing_checkpoint(name, identity, workspace, Meeting())
    if existing is not None and not force:
        logger.info("%s is up to date: %s", existing.ref, existing.folder)
        return existing
    return merge_bases(bases, shares, name, CheckpointStore(workspace.checkpoints))


def merge_fingerprint(bases: Sequence[Base], weights: Sequence[float]) -> str:
    """Returns the SHA-256 of everything that decides a merge."""
    return fingerprint(
        {
            "stage": "merge",
            "operands": [base.sha256 for base in bases],
            "weights": list(weights),
            "version": metadata.version(PACKAGE),
        }
    )


def merge_bases(bases: Sequence[Base], weights: Sequence[float], name: str, store: CheckpointStore) -> Checkpoint:
    """Does :func:`merge` with models that are at hand and weights that add up to 1; publishes into ``store``."""
    started = time.monotonic()
    with read_operands(bases) as operands:
        check_alike(operands)
        _say(operands)
        checkpoint = _publish(operands, weights, name, store, started)
    took = format_seconds(checkpoint.manifest.wall_seconds)
    logger.info("published %s after %s: %s", checkpoint.ref, took, checkpoint.folder)
    return checkpoint


def _publish(
    operands: Sequence[Operand], weights: Sequence[float], name: str, store: CheckpointStore, started: float
) -> Checkpoint:
    bases = [one.base for one in operands]

    def fill(folder: Path) -> None:
        write_config(folder, operands, weights)
        with open_operands(operands) as opened, meter("merging", max(len(one.homes) for one in opened)) as progress:
            write_mean(folder, opened, weights, progress.update)

    def make_manifest(version: int, files: dict[str, str]) -> Manifest:
        return Manifest(
            **_described(operands),
            name=name,
            version=version,
            stage="merge",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            fingerprint=merge_fingerprint(bases, weights),
            recipe={
                "type": leading(operands).head,
                "operands": [base.name for base in bases],
                "weights": list(weights),
            },
            parent=bases[0].as_parent(),
            parents=[base.as_parent() for base in bases],
            lineage=merged_lineage(bases),
            metrics={},
            packages=package_versions(),
            environment={
                "python": platform.python_version(),
                "platform": platform.platform(),
                "hardware": hardware("cpu"),
                "device": "cpu",
            },
            command=" ".join(sys.argv),
            wall_seconds=round(time.monotonic() - started, 1),
            files=files,
        )

    return store.publish(name, fill, make_manifest, describe=render_card)


def merged_lineage(bases: Sequence[Base]) -> list[Ancestor]:
    """Returns the lineages of all parents as one: each ancestor once, behind all that came from it."""
    found = [ancestor for base in bases for ancestor in base.lineage()]
    return [one for place, one in enumerate(found) if one not in found[place + 1 :]]


def _described(operands: Sequence[Operand]) -> dict[str, Any]:
    """Returns what a manifest says of the parents' making: what they agree on, and all that they have read."""
    manifests = [one.base.checkpoint.manifest for one in operands if one.base.checkpoint]
    domains = {manifest.domain for manifest in manifests}
    tasks = {manifest.task for manifest in manifests}
    profiles = {manifest.profile for manifest in manifests}
    sources: list[Any] = []
    for manifest in manifests:
        sources += [source for source in manifest.corpus.get("sources", []) if source not in sources]
    return {
        "domain": domains.pop() if len(domains) == 1 else None,
        "task": tasks.pop() if len(tasks) == 1 else None,
        "profile": " and ".join(sorted(profiles)) or "none",
        "corpus": {"sources": sources} if sources else {},
    }


def _say(operands: Sequence[Operand]) -> None:
    roots = {one.base.lineage()[-1].sha256: one for one in operands}
    if len(roots) > 1:
        logger.warning(
            "%s do not come from the same base as far as is known; the mean of such weights is seldom of any use",
            " and ".join(one.base.name for one in roots.values()),
        )
    head = leading(operands).head
    without = [one.base.name for one in operands if one.head == ENCODER]
    if without and head != ENCODER:
        logger.info(
            "%s has no LM head: the head is taken from the others as it is, its scale not changed", ", ".join(without)
        )
