"""Where finished work is kept: ``checkpoints/<name>/v<N>/``, immutable, whole or not at all."""

from __future__ import annotations

import json
import logging
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from domain_adapt.checkpoints.manifest import MANIFEST, NAME_PATTERN, Manifest, read_manifest, write_manifest
from domain_adapt.disk import explain_disk
from domain_adapt.errors import DomainAdaptError, did_you_mean
from domain_adapt.fingerprint import fingerprint, hash_file, hash_files
from domain_adapt.workspace import fsync_path, sync_folder, write_json

logger = logging.getLogger(__name__)

README = "README.md"
_STAGING = ".staging-"
_VERSION = re.compile(r"^v([1-9][0-9]*)$")


@dataclass(frozen=True)
class Checkpoint:
    """One finished model on disk."""

    name: str
    version: int
    folder: Path
    manifest: Manifest

    @property
    def ref(self) -> str:
        """The name that finds it again, e.g. ``medical@v1``."""
        return f"{self.name}@v{self.version}"

    @property
    def sha256(self) -> str:
        """SHA-256 over the hashes of all files as the manifest records them."""
        return fingerprint(self.manifest.files)


def check_name(name: str) -> None:
    """Raises DomainAdaptError if a checkpoint cannot be called ``name``."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise DomainAdaptError(
            f"checkpoint name {name!r}: expected lower-case letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit"
        )


class CheckpointStore:
    """The checkpoints below one folder.

    Reading takes no lock and works on a read-only disk; publishing is safe from several processes at once.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def publish(
        self,
        name: str,
        fill: Callable[[Path], None],
        make_manifest: Callable[[int, dict[str, str]], Manifest],
        *,
        describe: Callable[[Manifest], str] | None = None,
    ) -> Checkpoint:
        """Makes the next version of ``name`` and returns it; on any error the store stays as it was.

        Args:
            name: Name of the checkpoint: lower-case letters, digits, ``.``, ``_`` and ``-``.
            fill: Writes the files into the empty folder it is given.
            make_manifest: Called with the version number and ``{path: SHA-256}`` of what ``fill`` wrote.
            describe: Makes the text of ``README.md`` out of the manifest; it is then a file of the manifest as well.

        Raises:
            DomainAdaptError: If the name is not valid, the disk is full, or the store cannot be written.
        """
        check_name(name)
        with explain_disk(self.root, "nothing was published"), self._staging() as staging:
            fill(staging)
            files = hash_files([path for path in staging.rglob("*") if path.is_file()], staging)
            sync_folder(staging)
            with self._lock():
                version = max(self._versions(name), default=0) + 1
                manifest = make_manifest(version, files)
                if (manifest.name, manifest.version, manifest.files) != (name, version, files):
                    raise ValueError("the manifest does not describe the published folder")
                if describe is not None:  # only here is the version known, which a model card names
                    (staging / README).write_text(describe(manifest), encoding="utf-8")
                    readme = {README: hash_file(staging / README)}
                    manifest = manifest.model_copy(update={"files": manifest.files | readme})
                write_manifest(staging, manifest)
                return self._move_in(staging, manifest)

    def find(self, ref: str) -> Checkpoint:
        """Returns the checkpoint that ``name``, ``name@latest`` or ``name@v3`` names.

        Raises:
            DomainAdaptError: If there is no such name or version, or its manifest is damaged.
        """
        name, _, wanted = ref.partition("@")
        versions = sorted(self._versions(name))
        if not versions:
            known = self.names()
            if not known:
                raise DomainAdaptError(
                    f"no checkpoint {name!r}: there are none in {self.root}/ yet",
                    hint="domain-adapt adapt DOMAIN makes one",
                )
            raise DomainAdaptError(
                f"no checkpoint {name!r}; known: {', '.join(known)}",
                hint=did_you_mean(name, known) or "domain-adapt checkpoints lists them",
            )
        match = _VERSION.match(wanted)
        version = versions[-1] if wanted in ("", "latest") else int(match.group(1)) if match else None
        version = self.aliases(name).get(wanted, version)
        if version not in versions:
            shown = ", ".join(f"v{number}" for number in versions)
            raise DomainAdaptError(f"no version {wanted!r} of checkpoint {name!r}; there are: {shown}, latest")
        return self._read(name, version)

    def names(self) -> list[str]:
        """Returns the names that have at least one version, sorted."""
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if self._versions(path.name))

    def list(self) -> list[Checkpoint]:
        """Returns every readable checkpoint by name and version; a damaged one is skipped with a warning."""
        found = []
        for name in self.names():
            for version in sorted(self._versions(name)):
                try:
                    found.append(self._read(name, version))
                except DomainAdaptError as error:
                    logger.warning("checkpoint left out: %s", error.message)
        return found

    def with_fingerprint(self, name: str, fingerprint: str) -> Checkpoint | None:
        """Returns the newest version of ``name`` that was made from these inputs, or None."""
        same = [one for one in self.list() if one.name == name and one.manifest.fingerprint == fingerprint]
        return max(same, key=lambda one: one.version, default=None)

    def newest(self, stage: str = "adapt", domain: str | None = None) -> Checkpoint | None:
        """Returns the checkpoint of ``stage`` (of ``domain``, if given) that was made last, or None."""
        candidates = [
            one
            for one in self.list()
            if one.manifest.stage == stage and (domain is None or one.manifest.domain == domain)
        ]
        return max(candidates, key=lambda one: (one.manifest.created, one.version), default=None)

    def aliases(self, name: str) -> dict[str, int]:
        """Returns the aliases of ``name`` and the versions that they stand for."""
        path = self.root / name / "aliases.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Makes ``name@alias`` stand for a version."""
        write_json(self.root / name / "aliases.json", self.aliases(name) | {alias: version})

    def remove_alias(self, name: str, alias: str) -> None:
        """Removes an alias."""
        aliases = self.aliases(name)
        if alias not in aliases:
            raise DomainAdaptError(f"no alias {alias!r} of checkpoint {name!r}")
        write_json(self.root / name / "aliases.json", {key: value for key, value in aliases.items() if key != alias})

    def remove(self, checkpoint: Checkpoint) -> None:
        """Removes a checkpoint."""
        shutil.rmtree(checkpoint.folder)

    def _versions(self, name: str) -> set[int]:
        """Returns the version numbers of ``name``, readable or not: a number is never given twice."""
        folder = self.root / name
        if not re.fullmatch(NAME_PATTERN, name) or not folder.is_dir():
            return set()
        matches = [_VERSION.match(path.name) for path in folder.iterdir() if path.is_dir()]
        return {int(match.group(1)) for match in matches if match}

    def _read(self, name: str, version: int) -> Checkpoint:
        folder = self.root / name / f"v{version}"
        manifest = read_manifest(folder)
        if (manifest.name, manifest.version) != (name, version):
            raise DomainAdaptError(
                f"{folder / MANIFEST}: describes {manifest.name}@v{manifest.version}",
                hint="a checkpoint folder must not be renamed; move it back",
            )
        return Checkpoint(name, version, folder, manifest)

    def _lock(self) -> FileLock:
        return FileLock(self.root / ".lock")

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        """Yields an empty folder in the store that is gone afterwards, and removes those of killed publications.

        A lock beside each staging folder is held while its process lives; the operating system drops it when the
        process dies. (A process id in the name would not do: containers and machines that share a disk reuse ids.)
        """
        self.root.mkdir(parents=True, exist_ok=True)
        folder = self.root / f"{_STAGING}{secrets.token_hex(8)}"
        alive = FileLock(folder.with_name(folder.name + ".lock"))
        with self._lock():
            self._remove_leftovers()
            alive.acquire()
            folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            alive.release()
            Path(alive.lock_file).unlink(missing_ok=True)

    def _remove_leftovers(self) -> None:
        stems = {path.name.removesuffix(".lock") for path in self.root.glob(f"{_STAGING}*")}
        for stem in stems:
            lock = FileLock(self.root / f"{stem}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue  # its process lives
            shutil.rmtree(self.root / stem, ignore_errors=True)
            lock.release()
            Path(lock.lock_file).unlink(missing_ok=True)

    def _move_in(self, staging: Path, manifest: Manifest) -> Checkpoint:
        """Renames the finished folder to its place; the caller holds the lock."""
        target = self.root / manifest.name / f"v{manifest.version}"
        for path in staging.rglob("*"):
            if path.is_file():
                path.chmod(0o444)
        sync_folder(staging)
        target.parent.mkdir(exist_ok=True)
        try:
            staging.rename(target)
        except OSError:
            with suppress(OSError):  # only if this call made it
                target.parent.rmdir()
            raise
        fsync_path(target.parent)
        fsync_path(self.root)
        return Checkpoint(manifest.name, manifest.version, target, manifest)
