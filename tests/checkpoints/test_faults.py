"""Every call to the operating system fails once, and from some moment on for good: one line, and a whole store."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain_adapt.checkpoints import Checkpoint, CheckpointStore, verify
from domain_adapt.errors import DomainAdaptError

Publish = Callable[..., Checkpoint]
CALLS = ("mkdir", "rename", "replace", "fsync", "chmod", "open", "unlink", "rmdir", "scandir")


class Disk:
    """Stands between the program and the operating system; fails from the ``fail_at``-th call on, or only there."""

    def __init__(self, patch: pytest.MonkeyPatch, root: Path) -> None:
        self.root, self.count, self.fail_at, self.number, self.for_good = str(root), 0, 0, errno.ENOSPC, False
        self.failed = ""
        self._open = io.open
        for name in CALLS:
            patch.setattr(os, name, self._wrap(name, getattr(os, name)))
        patch.setattr(io, "open", self._wrap("open", io.open))

    def _wrap(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            where = str(args[0]) if args else ""
            # fsync has a descriptor, and shutil.rmtree names relative to one.
            if where.startswith(self.root) or name == "fsync" or "dir_fd" in options:
                self.count += 1
                if self.fail_at and (self.count == self.fail_at or (self.for_good and self.count > self.fail_at)):
                    self.failed = self.failed or name
                    raise OSError(self.number, os.strerror(self.number), where)
            return call(*args, **options)

        return wrapped


def _aliased(store: CheckpointStore) -> None:
    store.set_alias("medical", "production", 2)


def _unaliased(store: CheckpointStore) -> None:
    store.remove_alias("medical", "testing")


def _removed(store: CheckpointStore) -> None:
    store.remove(store.find("medical@v2"))


@pytest.mark.parametrize(
    ("number", "for_good"), [(errno.ENOSPC, False), (errno.EACCES, False), (errno.EROFS, True), (errno.EIO, True)]
)
@pytest.mark.parametrize("action", ["publish", "alias", "unalias", "remove"])
def test_a_failing_call_is_one_line_and_the_store_is_whole(
    publish: Publish,
    store: CheckpointStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    number: int,
    for_good: bool,
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # flushing would take most of the time
    for content in ("one", "two"):
        publish(content=content)
    store.set_alias("medical", "production", 1)
    store.set_alias("medical", "testing", 1)
    saved = Path(shutil.copytree(store.root, tmp_path / "saved"))
    actions: dict[str, Callable[[], object]] = {
        "publish": lambda: publish(content="three"),
        "alias": lambda: _aliased(store),
        "unalias": lambda: _unaliased(store),
        "remove": lambda: _removed(store),
    }
    failures, fail_at, done = set(), 0, False
    while not done:
        fail_at += 1
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, store.root)
            disk.fail_at, disk.number, disk.for_good = fail_at, number, for_good
            said = ""
            try:
                actions[action]()
            except DomainAdaptError as error:
                said = error.message
                assert "\n" not in error.message and str(store.root) in error.message
                assert (
                    os.strerror(number).lower() in error.message.lower()
                    or "disk" in error.message
                    or ("no permission" in error.message)
                )
            done = not disk.failed  # there are fewer calls than that
        failures.add(disk.failed)
        _check_whole(store, action, said)
        shutil.rmtree(store.root)
        shutil.copytree(saved, store.root)
    assert {"open", "fsync", ""} <= failures and (
        "rename" if action in ("publish", "remove") else "replace"
    ) in failures


def _check_whole(store: CheckpointStore, action: str, said: str) -> None:
    """Old or new, nothing between, and as it was said to the user."""
    versions = [one.version for one in store.list()]
    aliases = store.aliases("medical")
    changed = versions != [1, 2] or aliases != {"production": 1, "testing": 1}
    assert changed == (not said or "does not confirm it" in said), said
    old = {"production": 1, "testing": 1}
    allowed: dict[str, tuple[list[list[int]], list[dict[str, int]]]] = {
        "publish": ([[1, 2], [1, 2, 3]], [old]),
        "alias": ([[1, 2]], [old, {"production": 2, "testing": 1}]),
        "unalias": ([[1, 2]], [old, {"production": 1}]),
        "remove": ([[1, 2], [1]], [old]),
    }
    assert versions in allowed[action][0] and aliases in allowed[action][1]
    assert [problem for one in store.list() for problem in verify(one)] == []
    assert not store.damaged()
    # The next command goes through, clears what was left, and gives no number twice.
    again = store.publish("other", lambda folder: None, lambda version, files: _as("other", store, version, files))
    assert again.version == 1
    assert not list(store.root.glob(".staging-*")) and not list(store.root.glob("*/.*.tmp"))


def _as(name: str, store: CheckpointStore, version: int, files: dict[str, str]) -> Any:
    known = store.find("medical@v1").manifest
    return known.model_copy(update={"name": name, "version": version, "files": files})


def test_a_store_that_vanishes_while_it_is_written_is_told(publish: Publish, store: CheckpointStore) -> None:
    manifest = publish().manifest

    def fill(folder: Path) -> None:
        (folder / "model.safetensors").write_text("weights")
        store.root.rename(store.root.with_name("unmounted"))

    with pytest.raises(DomainAdaptError, match="vanished while it was written to; nothing was published"):
        store.publish("medical", fill, lambda version, files: manifest)
    assert store.list() == []
    shutil.rmtree(store.root, ignore_errors=True)
    store.root.with_name("unmounted").rename(store.root)  # mounted again
    assert [one.ref for one in store.list()] == ["medical@v1"] and verify(store.find("medical")) == []
    assert publish().version == 2
    assert not list(store.root.glob(".staging-*"))


def test_a_store_that_vanishes_within_the_library_that_writes_is_told(store: CheckpointStore) -> None:
    """safetensors says "No such file or directory (os error 2)" in an exception of its own."""

    def fill(folder: Path) -> None:
        shutil.rmtree(store.root)
        raise RuntimeError("Error while serializing: I/O error: No such file or directory (os error 2)")

    with pytest.raises(DomainAdaptError, match="vanished"):
        store.publish("medical", fill, lambda version, files: None)  # type: ignore[arg-type, return-value]


def test_a_bug_of_the_caller_is_not_taken_for_a_vanished_disk(store: CheckpointStore) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        store.publish(
            "medical", lambda folder: Path("nowhere/at/all").read_text() and None, lambda version, files: None
        )  # type: ignore[arg-type, return-value]


def test_a_file_in_the_place_of_the_store_is_told(publish: Publish, store: CheckpointStore) -> None:
    store.root.write_text("not a folder")
    with pytest.raises(DomainAdaptError, match="a file is in the place of a folder; nothing was published"):
        publish()
    assert store.list() == []


def test_a_device_that_is_always_full_is_told(publish: Publish, store: CheckpointStore) -> None:
    """A real ENOSPC of the kernel, without a mount."""
    kept = publish()
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")

    def fill(folder: Path) -> None:
        (folder / "small").write_text("written")
        with open("/dev/full", "w") as file:
            file.write("x" * 100_000)

    with pytest.raises(DomainAdaptError, match=r"no space left on device: \d+ MB free; nothing was published"):
        store.publish("medical", fill, lambda version, files: kept.manifest)
    assert store.list() == [kept] and not list(store.root.glob(".staging-*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_told(publish: Publish, store: CheckpointStore) -> None:
    publish()
    store.root.chmod(0o555)
    try:
        with pytest.raises(DomainAdaptError, match="no permission to write; nothing was published"):
            publish()
    finally:
        store.root.chmod(0o755)
    assert [one.ref for one in store.list()] == ["medical@v1"]
