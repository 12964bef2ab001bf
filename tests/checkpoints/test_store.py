from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from domain_adapt.checkpoints import Checkpoint, CheckpointStore, Manifest, read_manifest, resolve, verify
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import hash_text
from domain_adapt.workspace import Workspace

Publish = Callable[..., Checkpoint]
MakeManifest = Callable[..., Manifest]


def everything_in(store: CheckpointStore) -> set[str]:
    return {path.name for path in store.root.iterdir()} - {".lock"} if store.root.exists() else set()


def test_versions_count_up_and_are_found_by_reference(publish: Publish, store: CheckpointStore) -> None:
    first, second = publish(content="one"), publish(content="two")
    assert (first.ref, second.ref) == ("medical@v1", "medical@v2")
    assert store.find("medical") == second
    assert store.find("medical@latest") == second
    assert store.find("medical@v1") == first
    assert store.list() == [first, second]
    assert everything_in(store) == {"medical"}
    assert first.sha256 != second.sha256


def test_the_manifest_lists_every_file_and_files_are_read_only(publish: Publish) -> None:
    checkpoint = publish()
    assert checkpoint.manifest.files == {"model.safetensors": hash_text("weights")}
    assert read_manifest(checkpoint.folder) == checkpoint.manifest
    modes = {path.name: path.stat().st_mode & 0o777 for path in checkpoint.folder.iterdir()}
    assert modes == {"model.safetensors": 0o444, "manifest.json": 0o444}
    assert verify(checkpoint) == []


def test_the_readme_is_made_from_the_manifest_and_hashed(store: CheckpointStore, manifest_of: MakeManifest) -> None:
    checkpoint = store.publish(
        "medical",
        lambda folder: (folder / "notes.json").write_text("{}") and None,
        lambda version, files: manifest_of("medical", version, files),
        describe=lambda manifest: f"this is version {manifest.version}",
    )
    assert (checkpoint.folder / "README.md").read_text() == "this is version 1"
    assert checkpoint.manifest.files == {"notes.json": hash_text("{}"), "README.md": hash_text("this is version 1")}
    assert verify(checkpoint) == []


def test_a_removed_version_number_is_not_given_to_a_lower_gap(publish: Publish, store: CheckpointStore) -> None:
    for _ in range(3):
        publish()
    (store.root / "medical" / "v2").rename(store.root / "gone")
    assert publish().version == 4


def test_a_failing_fill_leaves_nothing(publish: Publish, store: CheckpointStore, manifest_of: MakeManifest) -> None:
    kept = publish()

    def fill(folder: Path) -> None:
        (folder / "half").write_text("written")
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        store.publish("other", fill, lambda version, files: manifest_of("other", version, files))
    with pytest.raises(ZeroDivisionError):
        store.publish("other", lambda folder: None, lambda version, files: 1 // 0)  # type: ignore[arg-type, return-value]
    assert everything_in(store) == {"medical"}
    assert store.list() == [kept]


def test_a_failing_rename_leaves_nothing(
    publish: Publish, store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(DomainAdaptError, match="no space left"):
            publish()
    assert everything_in(store) == set()
    assert publish().version == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), r"no space left on device: \d+ MB free"),
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), "no space left"),
        (OSError(errno.EROFS, "Read-only file system"), "read-only file system"),
        (PermissionError(errno.EACCES, "Permission denied"), "no permission to write"),
    ],
)
def test_disk_errors_name_the_store_and_leave_it_intact(
    publish: Publish, store: CheckpointStore, error: Exception, expected: str, manifest_of: MakeManifest
) -> None:
    kept = publish()

    def fill(folder: Path) -> None:
        (folder / "half").write_text("written")
        raise error

    with pytest.raises(DomainAdaptError, match=expected) as caught:
        store.publish("medical", fill, lambda version, files: manifest_of("medical", version, files))
    assert str(store.root) in caught.value.message
    assert store.list() == [kept]
    assert everything_in(store) == {"medical"}


@pytest.mark.parametrize("name", ["", "Medical", ".hidden", "a/b", "../up", "-dash", "v 1", "medical@v1"])
def test_names_that_are_no_folder_names_are_refused(
    store: CheckpointStore, name: str, manifest_of: MakeManifest
) -> None:
    with pytest.raises(DomainAdaptError, match="checkpoint name"):
        store.publish(name, lambda folder: None, lambda version, files: manifest_of("x", version, files))
    assert everything_in(store) == set()


def _publish_some(root: Path, count: int, manifest_of: MakeManifest) -> None:
    store = CheckpointStore(root)
    for number in range(count):
        store.publish(
            "medical",
            lambda folder, number=number: (folder / "pid").write_text(f"{os.getpid()}-{number}") and None,  # type: ignore[misc]
            lambda version, files: manifest_of("medical", version, files),
        )


def test_concurrent_publications_get_different_versions(store: CheckpointStore, manifest_of: MakeManifest) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_publish_some, args=(store.root, 5, manifest_of)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    found = store.list()
    assert [one.version for one in found] == list(range(1, 16))
    assert len({one.sha256 for one in found}) == 15
    assert [problem for one in found for problem in verify(one)] == []
    assert everything_in(store) == {"medical"}


_SLOW = """
import sys, time
from pathlib import Path
from domain_adapt.checkpoints import CheckpointStore

def fill(folder):
    (folder / "half").write_text("written")
    print("ready", flush=True)
    time.sleep(60)

CheckpointStore(Path(sys.argv[1])).publish("medical", fill, lambda version, files: None)
"""


def test_a_killed_publication_is_cleared_by_the_next_and_a_living_one_is_not(
    publish: Publish, store: CheckpointStore
) -> None:
    killed, living = (
        subprocess.Popen([sys.executable, "-c", _SLOW, str(store.root)], stdout=subprocess.PIPE) for _ in range(2)
    )
    try:
        for process in (killed, living):
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        killed.send_signal(signal.SIGKILL)
        killed.wait(10)
        publish()
        left = [path for path in store.root.glob(".staging-*") if path.is_dir()]
        assert len(left) == 1
        assert (left[0] / "half").read_text() == "written"
    finally:
        for process in (killed, living):
            process.kill()
            process.wait(10)
            if process.stdout:
                process.stdout.close()
    time.sleep(0.05)
    publish()
    assert everything_in(store) == {"medical"}
    assert [one.version for one in store.list()] == [1, 2]


def test_errors_name_what_is_there(publish: Publish, store: CheckpointStore) -> None:
    with pytest.raises(DomainAdaptError, match="there are none"):
        store.find("medical")
    publish()
    publish("financial")
    with pytest.raises(DomainAdaptError, match="known: financial, medical") as caught:
        store.find("medcal")
    assert caught.value.hint == "did you mean 'medical'?"
    for wanted in ("v2", "2", "v01", "newest"):
        with pytest.raises(DomainAdaptError, match=f"no version '{wanted}' of checkpoint 'medical'; there are: v1"):
            store.find(f"medical@{wanted}")


def test_a_damaged_checkpoint_is_left_out_of_lists_and_fatal_when_named(
    publish: Publish, store: CheckpointStore, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = publish(), publish()
    path = bad.folder / "manifest.json"
    path.chmod(0o644)
    path.write_text("{")
    with caplog.at_level(logging.WARNING):
        assert store.list() == [good]
    assert str(path) in caplog.text
    with pytest.raises(DomainAdaptError, match="damaged"):
        store.find("medical@v2")
    assert publish().version == 3


def test_a_copied_version_folder_does_not_pass_for_another(publish: Publish, store: CheckpointStore) -> None:
    publish().folder.rename(store.root / "medical" / "v7")
    with pytest.raises(DomainAdaptError, match="describes medical@v1"):
        store.find("medical@v7")


def test_with_fingerprint_finds_the_newest_of_the_same_inputs(publish: Publish, store: CheckpointStore) -> None:
    publish(fingerprint="1" * 64)
    second = publish(fingerprint="2" * 64)
    third = publish(fingerprint="1" * 64)
    publish("other", fingerprint="3" * 64)
    assert store.with_fingerprint("medical", "1" * 64) == third
    assert store.with_fingerprint("medical", "2" * 64) == second
    assert store.with_fingerprint("medical", "3" * 64) is None


def test_newest_goes_by_time_of_making(publish: Publish, store: CheckpointStore) -> None:
    assert store.newest() is None
    publish("a", created="2026-01-03T00:00:00+00:00", domain="a")
    publish("b", created="2026-01-05T00:00:00+00:00", domain="b")
    publish("b", created="2026-01-04T00:00:00+00:00", domain="b")
    publish("c", created="2026-01-09T00:00:00+00:00", domain="a", stage="finetune", task="qa")
    newest, of_a, finetuned = store.newest(), store.newest(domain="a"), store.newest(stage="finetune")
    assert newest is not None and newest.ref == "b@v1"
    assert of_a is not None and of_a.ref == "a@v1"
    assert finetuned is not None and finetuned.ref == "c@v1"
    assert store.newest(domain="c") is None


def test_verify_names_missing_changed_and_extra_files(store: CheckpointStore, manifest_of: MakeManifest) -> None:
    def fill(folder: Path) -> None:
        (folder / "sub").mkdir()
        for name in ("a", "b", "sub/c"):
            (folder / name).write_text(name)

    checkpoint = store.publish("x", fill, lambda version, files: manifest_of("x", version, files))
    (checkpoint.folder / "a").unlink()
    (checkpoint.folder / "sub/c").chmod(0o644)
    (checkpoint.folder / "sub/c").write_text("d")
    (checkpoint.folder / "extra").write_text("e")
    problems = verify(checkpoint)
    assert [problem.split(": ")[0] for problem in problems] == [
        str(checkpoint.folder / name) for name in ("a", "extra", "sub/c")
    ]
    assert [problem.split(": ")[1] for problem in problems] == ["missing", "not in the manifest", "changed"]


def test_resolve_takes_folders_and_references(
    publish: Publish, store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = publish()
    workspace = Workspace(store.root.parent)
    assert resolve("medical", workspace) == checkpoint.folder
    assert resolve("medical@v1", workspace) == checkpoint.folder
    assert resolve(checkpoint.folder, workspace) == checkpoint.folder
    assert resolve(str(checkpoint.folder), workspace) == checkpoint.folder
    with pytest.raises(DomainAdaptError, match="no such folder"):
        resolve(checkpoint.folder / "nowhere", workspace)
    with pytest.raises(DomainAdaptError, match="known: medical"):
        resolve("nowhere", workspace)


def test_a_folder_of_text_called_like_a_checkpoint_does_not_hide_it(
    publish: Publish, store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = publish()
    monkeypatch.chdir(store.root.parent)
    Path("medical").mkdir()
    assert resolve("medical").resolve() == checkpoint.folder.resolve()
