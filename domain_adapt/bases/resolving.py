"""From the name of a base to a folder of weights with an identity."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from domain_adapt import mini
from domain_adapt.bases import hub
from domain_adapt.bases.architectures import check_architecture
from domain_adapt.checkpoints import (
    Ancestor,
    Checkpoint,
    CheckpointStore,
    Manifest,
    Parent,
    check_intact,
    checkpoint_in,
)
from domain_adapt.checkpoints.untrusted import INDEX, WEIGHTS, weight_files
from domain_adapt.errors import DomainAdaptError, did_you_mean
from domain_adapt.fingerprint import fingerprint, hash_files
from domain_adapt.workspace import Workspace

_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
)


@dataclass(frozen=True)
class Base:
    """Starting weights.

    Attributes:
        name: What it is called in messages and manifests: ``mini``, ``medical@v1``, a Hub id or a folder.
        folder: Absolute; holds config, safetensors and tokenizer.
        sha256: Identity of config, weights and tokenizer; nothing of the machine goes in.
        has_lm_head: Whether a trained LM head came with it.
        licence: As far as known.
        url: Where a person can read about it.
        revision: Commit, if it came from the Hub.
        checkpoint: The checkpoint it is, if it is one of ours.
        tokenizer_sha256: Identity of the tokenizer alone: what prepared text depends on.
    """

    name: str
    folder: Path
    sha256: str
    has_lm_head: bool
    licence: str | None = None
    url: str | None = None
    revision: str | None = None
    checkpoint: Checkpoint | None = None
    tokenizer_sha256: str = ""

    def as_parent(self) -> Parent:
        """Returns what a manifest says about its parent."""
        return Parent(
            kind="checkpoint" if self.checkpoint else "base",
            name=self.name,
            sha256=self.sha256,
            revision=self.revision,
            licence=self.licence,
            url=self.url,
            has_lm_head=self.has_lm_head,
        )

    def lineage(self) -> list[Ancestor]:
        """Returns this base and what it came from, nearest first."""
        before = self.checkpoint.manifest.lineage if self.checkpoint else []
        return [Ancestor(name=self.name, sha256=self.sha256), *before]


def resolve_base(
    name: str, *, workspace: Workspace, revision: str | None = None, allow_fine_tuned: bool = False
) -> Base:
    """Returns the base that ``name`` stands for; no torch is imported.

    Tried in this order: ``mini``; a local folder; a checkpoint (``medical``, ``medical@v1``); a Hub id.

    Args:
        name: What the recipe or the command line says.
        workspace: Where checkpoints and the converted ``mini`` lie.
        revision: Branch, tag or commit on the Hub; plays no part for other bases.
        allow_fine_tuned: Accept a model that is fine-tuned already (for stage 2).

    Raises:
        DomainAdaptError: If there is no such base, it cannot be reached, it is not a supported masked LM, a checkpoint
            is not as it was published, or files are not safe to open.
    """
    if name == "mini":
        folder = mini.build_mini(workspace)
        return _base(name, folder, licence=mini.LICENCE, url=f"https://huggingface.co/{mini.HUB_ID}")
    path = Path(name).expanduser()
    looks_like_path = name.startswith((".", "/", "~")) or name.endswith("/")
    # A word such as "medical" is a checkpoint first; a folder of that name counts only if a model lies in it.
    if path.is_dir() and (looks_like_path or "/" in name or (path / "config.json").is_file()):
        checkpoint = checkpoint_in(path)
        if checkpoint:
            return _from_checkpoint(checkpoint, allow_fine_tuned)
        return _base(name, path, allow_fine_tuned=allow_fine_tuned)
    if looks_like_path:
        raise DomainAdaptError(f"base {name!r}: no such folder")
    store = CheckpointStore(workspace.checkpoints)
    if "@" in name or name in store.names():
        return _from_checkpoint(store.find(name), allow_fine_tuned)
    if not _HUB_ID.match(name):
        raise DomainAdaptError(
            f"base {name!r}: expected mini, a folder, a checkpoint such as medical@v1, or a Hub id such as "
            "FacebookAI/roberta-base",
            hint=did_you_mean(name, ["mini", *store.names()]),
        )
    snapshot = hub.download(name, revision)
    return _base(
        name,
        snapshot.folder,
        licence=snapshot.licence,
        url=f"https://huggingface.co/{name}",
        revision=snapshot.commit,
        allow_fine_tuned=allow_fine_tuned,
    )


def content_hashes(folder: Path, name: str) -> dict[str, str]:
    """Returns the SHA-256 of config, safetensors and tokenizer files: what decides how the model behaves."""
    paths = [folder / "config.json", *weight_files(folder, name)]
    if folder / WEIGHTS not in paths:
        paths.append(folder / INDEX)
    paths += [path for path in folder.iterdir() if path.is_file() and is_tokenizer_file(path.name)]
    return hash_files(paths, folder)


def checkpoint_identity(manifest: Manifest) -> str:
    """Returns the SHA-256 that identifies a checkpoint's model as a parent, from its manifest alone."""
    files = manifest.files
    index = INDEX in files and "model.safetensors" not in files
    return fingerprint(
        {
            name: digest
            for name, digest in files.items()
            if name == "config.json"
            or name.endswith(".safetensors")
            or is_tokenizer_file(name)
            or (name == INDEX and index)
        }
    )


def is_tokenizer_file(name: str) -> bool:
    """Tells whether a file of this name is a part of the tokenizer."""
    return name in _TOKENIZER_FILES or name.endswith(".model")  # SentencePiece


def _base(
    name: str,
    folder: Path,
    *,
    licence: str | None = None,
    url: str | None = None,
    revision: str | None = None,
    checkpoint: Checkpoint | None = None,
    allow_fine_tuned: bool = False,
) -> Base:
    has_lm_head = check_architecture(folder, name, allow_fine_tuned=allow_fine_tuned)
    hashes = content_hashes(folder, name)
    return Base(
        name=name,
        folder=folder.absolute(),
        sha256=fingerprint(hashes),
        has_lm_head=has_lm_head,
        licence=licence,
        url=url,
        revision=revision,
        checkpoint=checkpoint,
        tokenizer_sha256=fingerprint({file: hash for file, hash in hashes.items() if is_tokenizer_file(file)}),
    )


def _from_checkpoint(checkpoint: Checkpoint, allow_fine_tuned: bool) -> Base:
    check_intact(checkpoint)
    return _base(
        checkpoint.ref,
        checkpoint.folder,
        licence=checkpoint.manifest.parent.licence,
        url=checkpoint.manifest.parent.url,
        checkpoint=checkpoint,
        allow_fine_tuned=allow_fine_tuned,
    )
