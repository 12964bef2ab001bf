"""From the store to the Hub: the files of a checkpoint and nothing else, its version as a tag."""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain_adapt.checkpoints import Checkpoint, read_manifest, resolve, verify
from domain_adapt.checkpoints.manifest import MANIFEST
from domain_adapt.checkpoints.store import README
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import hash_file
from domain_adapt.sharing.hub import (
    MAIN,
    TIMEOUT_SECONDS,
    check_repo,
    explain_hub,
    listing,
    tag_of,
    version_tags,
)
from domain_adapt.workspace import Workspace

if TYPE_CHECKING:
    from huggingface_hub import HfApi, RepoFile

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pushed:
    """A version on the Hub: where it is, its commit, and whether this call brought it there."""

    url: str
    tag: str
    commit: str
    is_new: bool


def push(ref: str | Path, repo: str, *, public: bool = False, workspace: Workspace = Workspace()) -> Pushed:
    """Uploads a checkpoint to a repository on the Hub and tags it ``v<N>``; the same again finds it up to date.

    The newest version is what ``main`` holds; an older one that is pushed later is only a tag. The token is that of the
    environment (``HF_TOKEN``) or of ``hf auth login``.

    Args:
        ref: A checkpoint (``medical``, ``medical@v1``) or the folder of one.
        repo: ``OWNER/NAME``; made if it is not there, private.
        public: Everybody may read a repository that is made; without it nothing goes to one that is public already.
        workspace: Where checkpoints are.

    Raises:
        DomainAdaptError: If there is no such checkpoint or it is damaged, the repository is public or holds something
            else, the tag holds other content, or the Hub cannot be reached or refuses.
    """
    check_repo(repo)
    folder = resolve(ref, workspace)
    manifest = read_manifest(folder)
    checkpoint = Checkpoint(manifest.name, manifest.version, folder, manifest)
    for problem in verify(checkpoint):
        raise DomainAdaptError(
            f"{problem}; nothing was pushed", hint="only what is still as it was published is pushed"
        )
    from huggingface_hub import HfApi

    api = HfApi()
    files = {path: folder / path for path in (*manifest.files, MANIFEST)}
    with explain_hub(repo, "the version was not pushed"):
        _open_repo(api, repo, public)
        tags = version_tags(api, repo)
        commit = tags.get(checkpoint.version)
        is_new = commit is None
        if commit is None:
            newest = checkpoint.version > max(tags, default=0)
            commit = _commit(api, repo, checkpoint, files, is_newest=newest)
            api.create_tag(repo, tag=tag_of(checkpoint.version), revision=commit, tag_message=checkpoint.ref)
        elif not _same(listing(api, repo, commit), files):
            raise DomainAdaptError(
                f"{repo}: tag {tag_of(checkpoint.version)} holds other content than {checkpoint.ref} here; "
                "nothing was pushed",
                hint="a version never changes: push it to another repository",
            )
    url = f"{api.endpoint}/{repo}/tree/{tag_of(checkpoint.version)}"
    logger.info("%s %s: %s", checkpoint.ref, "pushed" if is_new else "is up to date", url)
    return Pushed(url, tag_of(checkpoint.version), commit, is_new)


def _open_repo(api: HfApi, repo: str, public: bool) -> None:
    """Makes the repository if it is not there; its visibility is never changed."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        is_private = bool(api.model_info(repo, timeout=TIMEOUT_SECONDS).private)
    except GatedRepoError:
        raise
    except RepositoryNotFoundError:
        api.create_repo(repo, private=not public, exist_ok=True)
        logger.info("made the %s repository %s", "public" if public else "private", repo)
        return
    if not is_private and not public:
        raise DomainAdaptError(
            f"{repo}: is public: everybody could read the checkpoint; nothing was pushed", hint="if they may: --public"
        )
    if is_private and public:
        logger.info("%s is private and stays so; its settings on the Hub change that", repo)


def _commit(api: HfApi, repo: str, checkpoint: Checkpoint, files: Mapping[str, Path], *, is_newest: bool) -> str:
    """Returns the commit that holds exactly ``files``: that of an interrupted push, or a new one."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    head = next(one.target_commit for one in api.list_repo_refs(repo).branches if one.name == MAIN)
    there = listing(api, repo, head)
    if _same(there, files):
        return head
    _check_is_ours(api, repo, there, head, checkpoint)
    operations: list[Any] = [CommitOperationAdd(path, str(files[path])) for path in sorted(files)]
    operations += [CommitOperationDelete(path, is_folder=False) for path in sorted(there.keys() - files.keys())]
    megabytes = sum(path.stat().st_size for path in files.values()) / 1e6
    logger.info("uploading %s, %.1f MB, to %s", checkpoint.ref, megabytes, repo)
    with _branch(api, repo, None if is_newest else f"push-{tag_of(checkpoint.version)}", head) as branch:
        with _lfs_where_there_is_no_xet(api, repo):
            commit: str = api.create_commit(
                repo, operations, commit_message=checkpoint.ref, revision=branch, parent_commit=head
            ).oid
        if not _same(listing(api, repo, commit), files):
            raise DomainAdaptError(
                f"{repo}: the Hub holds other content in commit {commit[:12]} than was sent; no version was tagged",
                hint="does a .gitignore leave something out? give the same command again",
            )
    return commit


@contextmanager
def _branch(api: HfApi, repo: str, name: str | None, head: str) -> Iterator[str]:
    """Yields ``main``, or a branch of that name that begins at ``head`` and is gone afterwards; tags keep commits."""
    if name is None:
        yield MAIN
        return
    api.create_branch(repo, branch=name, revision=head, exist_ok=True)
    try:
        yield name
    finally:
        api.delete_branch(repo, branch=name)


@contextmanager
def _lfs_where_there_is_no_xet(api: HfApi, repo: str) -> Iterator[None]:
    """Lets files go by git LFS to a server that does not know Xet; huggingface_hub itself does not ask."""
    from huggingface_hub import constants, get_session, get_token

    url = f"{api.endpoint}/api/models/{repo}/xet-write-token/{MAIN}"
    before = constants.HF_HUB_DISABLE_XET
    headers = {"Authorization": f"Bearer {token}"} if (token := get_token()) else {}
    answer = get_session().get(url, headers=headers, timeout=TIMEOUT_SECONDS)
    constants.HF_HUB_DISABLE_XET = before or answer.status_code == 404
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before


def _check_is_ours(api: HfApi, repo: str, there: Mapping[str, RepoFile], head: str, checkpoint: Checkpoint) -> None:
    """Raises DomainAdaptError if files of something else would be replaced: another model, another checkpoint."""
    if MANIFEST not in there:
        if others := sorted(there.keys() - {README}):  # a README is what a repository made on the web begins with
            shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
            raise DomainAdaptError(f"{repo}: holds files of something else ({shown})", hint="push to a new repository")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = api.hf_hub_download(repo, MANIFEST, revision=head, local_dir=folder)
        try:
            name = json.loads(Path(path).read_bytes())["name"]
        except (ValueError, KeyError, TypeError):
            name = "something else"
    if name != checkpoint.name:
        raise DomainAdaptError(
            f"{repo}: holds versions of {name}, not of {checkpoint.name}", hint="push to a repository of its own"
        )


def _same(there: Mapping[str, RepoFile], files: Mapping[str, Path]) -> bool:
    """Tells whether a revision holds exactly these files, byte by byte, without downloading one."""
    return there.keys() == files.keys() and all(_is_file(there[path], files[path]) for path in files)


def _is_file(entry: RepoFile, path: Path) -> bool:
    if entry.size != path.stat().st_size:
        return False
    if entry.lfs is not None:
        return bool(entry.lfs.sha256 == hash_file(path))
    content = path.read_bytes()  # the Hub keeps only small files outside LFS
    return bool(entry.blob_id == hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest())
