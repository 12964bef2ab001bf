"""From the Hub to the store: checked by name, kind and hash before anything is published."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from domain_adapt.bases.architectures import check_architecture
from domain_adapt.checkpoints import Checkpoint, CheckpointStore, Manifest, check_name, read_manifest, write_manifest
from domain_adapt.checkpoints.adopting import adopt, present
from domain_adapt.checkpoints.manifest import MANIFEST
from domain_adapt.disk import explain_disk
from domain_adapt.errors import DomainAdaptError
from domain_adapt.sharing.hub import MAIN, TIMEOUT_SECONDS, check_repo, explain_hub, listing, tag_of, version_tags
from domain_adapt.training.progress import meter
from domain_adapt.workspace import Workspace

if TYPE_CHECKING:
    from huggingface_hub import HfApi, RepoFile

logger = logging.getLogger(__name__)

# All that a checkpoint is made of; nothing of it is ever run.
_KINDS = frozenset({".safetensors", ".json", ".txt", ".png", ".md"})
_PATH = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$")
_MANIFEST_BYTES = 64 * 2**20  # ours have some ten kilobytes; this much is still read in a second
_DOWNLOADS = ".cache"  # where huggingface_hub keeps notes and unfinished files beside what it downloads


@dataclass(frozen=True)
class Pulled:
    """A checkpoint in the store, the commit it came from, and whether this call brought it there."""

    checkpoint: Checkpoint
    commit: str
    is_new: bool


def pull(source: str, *, name: str | None = None, workspace: Workspace = Workspace()) -> Pulled:
    """Downloads a version from the Hub into the store under its own name and number; nothing is ever replaced.

    Args:
        source: ``OWNER/NAME`` (the highest version that is tagged, else ``main``) or ``OWNER/NAME@v3``; any tag, branch
            or commit goes.
        name: Of the checkpoint here, instead of the one it has; the manifest then says so.
        workspace: Where checkpoints are.

    Raises:
        DomainAdaptError: If it is no checkpoint, has files of another kind or a doubtful name, a file is not the one
            that the manifest names, the number is taken here by other content, the disk is full, or the Hub cannot be
            reached or refuses.
    """
    repo, _, revision = source.partition("@")
    check_repo(repo)
    if name is not None:
        check_name(name)
    from huggingface_hub import HfApi

    api, store = HfApi(), CheckpointStore(workspace.checkpoints)
    outcome = "nothing was pulled"
    with explain_disk(store.root, outcome), explain_hub(source, outcome):
        if revision in ("", "latest"):
            newest = max(version_tags(api, repo), default=None)
            revision = MAIN if newest is None else tag_of(newest)
        commit = api.model_info(repo, revision=revision, timeout=TIMEOUT_SECONDS).sha or revision
        label = f"{repo}@{revision}"
        files = listing(api, repo, commit)
        _check_files(files, repo, label)
        with tempfile.TemporaryDirectory() as temporary:
            api.hf_hub_download(repo, MANIFEST, revision=commit, local_dir=temporary)
            manifest = _manifest(Path(temporary), label, name)
            _check_listed(files, manifest, label)
            found = present(store, manifest)
            if found is not None:
                logger.info("%s is up to date: %s", found.ref, found.folder)
                return Pulled(found, commit, is_new=False)
            checkpoint = adopt(
                store, lambda folder: _fill(folder, Path(temporary), api, repo, commit, files, label), label
            )
    logger.info("pulled %s from %s: %s", checkpoint.ref, label, checkpoint.folder)
    return Pulled(checkpoint, commit, is_new=True)


def _check_files(files: Mapping[str, RepoFile], repo: str, label: str) -> None:
    """Raises DomainAdaptError for a listing that is not that of a checkpoint; nothing has been downloaded yet."""
    if MANIFEST not in files:
        raise DomainAdaptError(
            f"{label}: is not a checkpoint of domain-adapt: it has no {MANIFEST}",
            hint=f"a model on the Hub is a base and named by its id: domain-adapt adapt DOMAIN --base {repo}",
        )
    for path in files:
        if not _PATH.match(path):
            raise DomainAdaptError(f"{label}: {path!r}: a checkpoint has no file of such a name; nothing was pulled")
        if PurePosixPath(path).suffix not in _KINDS:
            raise DomainAdaptError(
                f"{label}: {path}: only {', '.join(sorted(_KINDS))} are pulled; nothing was",
                hint="other files can run code, and a checkpoint has none",
            )
    if files[MANIFEST].size > _MANIFEST_BYTES:
        raise DomainAdaptError(f"{label}: {MANIFEST}: {files[MANIFEST].size:,} bytes are no manifest")


def _manifest(folder: Path, label: str, name: str | None) -> Manifest:
    """Returns the manifest that was downloaded into ``folder``, under another name if there is one."""
    try:
        manifest = read_manifest(folder)
    except DomainAdaptError as error:
        raise DomainAdaptError(f"{label}: {error.message.removeprefix(f'{folder}/')}") from error
    if name is not None and name != manifest.name:
        manifest = manifest.model_copy(update={"name": name})
        write_manifest(folder, manifest)
    return manifest


def _check_listed(files: Mapping[str, RepoFile], manifest: Manifest, label: str) -> None:
    """Raises DomainAdaptError if the manifest names a file that is not there, or there is one that it does not name."""
    listed = files.keys() - {MANIFEST}
    for path in sorted(manifest.files.keys() - listed):
        raise DomainAdaptError(f"{label}: {path}: missing, though the manifest names it; nothing was pulled")
    for path in sorted(listed - manifest.files.keys()):
        raise DomainAdaptError(f"{label}: {path}: not in the manifest; nothing was pulled")


def _fill(
    folder: Path, downloaded: Path, api: HfApi, repo: str, commit: str, files: Mapping[str, RepoFile], label: str
) -> None:
    """Downloads all files into ``folder``; their hashes are checked by who called."""
    total = sum(entry.size for entry in files.values())
    free = shutil.disk_usage(folder).free
    if total > free:
        raise DomainAdaptError(
            f"{folder.parent}: no space left on device: {label} has {total // 2**20} MB, {free // 2**20} MB are free; "
            "nothing was pulled",
            hint="free some space and give the same command again",
        )
    shutil.copyfile(downloaded / MANIFEST, folder / MANIFEST)
    done = files[MANIFEST].size
    with meter(f"pulling {label}, bytes", total) as progress:
        for path in sorted(files.keys() - {MANIFEST}):
            api.hf_hub_download(repo, path, revision=commit, local_dir=folder)
            done += files[path].size
            progress.update(done)
    shutil.rmtree(folder / _DOWNLOADS, ignore_errors=True)
    check_architecture(folder, label, allow_fine_tuned=True)
