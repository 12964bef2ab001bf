"""Where finished work is kept: ``checkpoints/<name>/v<N>/``, immutable, whole or not at all."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from domain_adapt.checkpoints.aliases import check_alias, read_aliases, read_highest, write_aliases, write_highest
from domain_adapt.checkpoints.manifest import MANIFEST, NAME_PATTERN, Manifest, read_manifest, write_manifest
from domain_adapt.checkpoints.staging import (
    confirm,
    locked,
    make_read_only,
    move_folder,
    remove_leftovers,
    staging_folder,
)
from domain_adapt.disk import explain_disk
from domain_adapt.errors import DomainAdaptError, did_you_mean
from domain_adapt.fingerprint import fingerprint, hash_file, hash_files
from domain_adapt.workspace import everything_below, fsync_path, sync_folder

logger = logging.getLogger(__name__)

README = "README.md"
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
            f"checkpoint name {name!r:.100}: expected lower-case letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit, 96 at most"
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
        with explain_disk(self.root, "nothing was published"), staging_folder(self.root) as staging:
            fill(staging)
            make_read_only(staging)
            files = hash_files([path for path in everything_below(staging) if path.is_file()], staging)
            sync_folder(staging)  # all that is long is on the disk before the lock is taken
            with locked(self.root):
                version = self._highest(name) + 1
                manifest = make_manifest(version, files)
                if (manifest.name, manifest.version, manifest.files) != (name, version, files):
                    raise ValueError("the manifest does not describe the published folder")
                if describe is not None:  # only here is the version known, which a model card names
                    (staging / README).write_text(describe(manifest), encoding="utf-8")
                    readme = {README: hash_file(staging / README)}
                    manifest = manifest.model_copy(update={"files": manifest.files | readme})
                write_manifest(staging, manifest)
                return self._move_in(staging, manifest)

    def aliases(self, name: str) -> dict[str, int]:
        """Returns alias -> version of ``name``, sorted; {} if it has none.

        Raises:
            DomainAdaptError: If ``aliases.json`` is damaged.
        """
        return read_aliases(self.root / name) if re.fullmatch(NAME_PATTERN, name) else {}

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Lets ``name@alias`` name a version from now on; a reader sees the old version or the new one.

        Raises:
            DomainAdaptError: If there is no such version, the alias cannot be one, or the store cannot be written.
        """
        check_alias(alias)
        self.find(f"{name}@v{version}")
        with explain_disk(self.root, f"{name}@{alias} is as it was"), locked(self.root):
            remove_leftovers(self.root)
            if version not in self._versions(name):  # removed in this very moment
                raise DomainAdaptError(f"no version v{version} of checkpoint {name!r} any more")
            write_aliases(self.root / name, self.aliases(name) | {alias: version})
            confirm(f"{self.root}: {name}@{alias} names v{version} now", self.root / name)

    def remove_alias(self, name: str, alias: str) -> None:
        """Takes an alias away; the version stays.

        Raises:
            DomainAdaptError: If ``name`` has no such alias, or the store cannot be written.
        """
        if not self._versions(name):
            self.find(name)
        with explain_disk(self.root, f"{name}@{alias} is as it was"), locked(self.root):
            remove_leftovers(self.root)
            known = self.aliases(name)
            if alias not in known:
                shown = ", ".join(known) or "it has none"
                raise DomainAdaptError(f"no alias {alias!r:.80} of checkpoint {name!r}; known: {shown}")
            write_aliases(self.root / name, {one: number for one, number in known.items() if one != alias})
            confirm(f"{self.root}: {name}@{alias} was removed", self.root / name)

    def remove(self, checkpoint: Checkpoint) -> None:
        """Removes a version: in one step for readers, and its number is never given again.

        Raises:
            DomainAdaptError: If it is not in this store, an alias names it, or the store cannot be written.
        """
        name, version = checkpoint.name, checkpoint.version
        folder = self.root / name
        if version not in self._versions(name):
            raise DomainAdaptError(f"{checkpoint.ref} is not in {self.root}")
        # Deleting takes long; it is done when the lock is free again, out of everyone's sight.
        with (
            explain_disk(self.root, f"{checkpoint.ref} was not removed"),
            staging_folder(self.root) as staging,
            locked(self.root),
        ):
            held = [alias for alias, number in self.aliases(name).items() if number == version]
            if held:
                raise DomainAdaptError(
                    f"{checkpoint.ref} is what {name}@{held[0]} names",
                    hint="let the alias name another version, or remove it, first",
                )
            highest = self._highest(name)
            if version == highest and read_highest(folder) < highest:
                write_highest(folder, highest)
            move_folder(folder / f"v{version}", staging / f"v{version}")
            confirm(f"{self.root}: {checkpoint.ref} was removed", folder)

    def find(self, ref: str) -> Checkpoint:
        """Returns the checkpoint that ``name``, ``name@latest``, ``name@v3`` or ``name@alias`` names.

        Raises:
            DomainAdaptError: If there is no such name, version or alias, or its manifest is damaged.
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
        match = _VERSION.fullmatch(wanted)
        version = versions[-1] if wanted in ("", "latest") else int(match.group(1)) if match else None
        if version is None:
            version = self.aliases(name).get(wanted)
            if version is not None and version not in versions:
                raise DomainAdaptError(f"{name}@{wanted} names v{version}, which is not there any more")
        if version not in versions:
            shown = ", ".join([*(f"v{number}" for number in versions), "latest", *self.aliases(name)])
            raise DomainAdaptError(f"no version {wanted!r} of checkpoint {name!r}; there are: {shown}")
        return self._read(name, version)

    def names(self) -> list[str]:
        """Returns the names that have at least one version, sorted."""
        return sorted(name for name in self._folders(self.root) if self._versions(name))

    def list(self) -> list[Checkpoint]:
        """Returns every readable checkpoint by name and version; a damaged one is skipped with a warning."""
        found = []
        for one in self._all():
            if isinstance(one, Checkpoint):
                found.append(one)
            else:
                logger.warning("checkpoint left out: %s", one)
        return found

    def damaged(self) -> Sequence[str]:
        """Returns one line for each version whose manifest cannot be read."""
        return [one for one in self._all() if isinstance(one, str)]

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

    def _all(self) -> Iterator[Checkpoint | str]:
        """Yields every version by name and number: itself, or what is wrong with its manifest."""
        for name in self.names():
            for version in sorted(self._versions(name)):
                try:
                    yield self._read(name, version)
                except DomainAdaptError as error:
                    if version in self._versions(name):  # else it was removed in this very moment
                        yield error.message

    def _versions(self, name: str) -> set[int]:
        """Returns the version numbers of ``name``, readable or not."""
        if not re.fullmatch(NAME_PATTERN, name):
            return set()
        matches = [_VERSION.fullmatch(folder) for folder in self._folders(self.root / name)]
        return {int(match.group(1)) for match in matches if match}

    def _highest(self, name: str) -> int:
        """Returns the highest number that a version of ``name`` has or had: none is given twice."""
        return max(self._versions(name) | {read_highest(self.root / name)})

    def _folders(self, path: Path) -> Sequence[str]:
        """Returns the names of the folders in a folder; [] if that is not there (any more)."""
        try:
            return [entry.name for entry in os.scandir(path) if entry.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise DomainAdaptError(f"{path}: cannot be read: {error.strerror}") from error

    def _read(self, name: str, version: int) -> Checkpoint:
        folder = self.root / name / f"v{version}"
        manifest = read_manifest(folder)
        if (manifest.name, manifest.version) != (name, version):
            raise DomainAdaptError(
                f"{folder / MANIFEST}: describes {manifest.name}@v{manifest.version}",
                hint="a checkpoint folder must not be renamed; move it back",
            )
        return Checkpoint(name, version, folder, manifest)

    def _move_in(self, staging: Path, manifest: Manifest) -> Checkpoint:
        """Renames the finished folder to its place; the caller holds the lock."""
        target = self.root / manifest.name / f"v{manifest.version}"
        for file in (README, MANIFEST):  # the only ones that are not on the disk yet
            if (staging / file).is_file():
                (staging / file).chmod(0o444)
                fsync_path(staging / file)
        fsync_path(staging)
        first = not target.parent.is_dir()
        target.parent.mkdir(exist_ok=True)
        try:
            staging.rename(target)
        except OSError:
            with suppress(OSError):  # only if this call made it
                target.parent.rmdir()
            raise
        with suppress(OSError):  # not before: a folder that changes its parent has to be writable
            target.chmod(0o555)
        confirm(f"{target}: published", target, target.parent, *([self.root] if first else []))
        return Checkpoint(manifest.name, manifest.version, target, manifest)
