"""A disk that is full: one line, exit code 2, nothing published, and the same command works once there is room."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from domain_adapt import cli
from domain_adapt.checkpoints import CheckpointStore, verify
from domain_adapt.workspace import Workspace

ADAPT = ["adapt", "heart", "--set", "runtime.save_seconds=0", "--set", "budget.tokens=1000"]
FINETUNE = ["finetune", "qa", "--set", "budget.epochs=1"]


def run(folder, monkeypatch, capsys, arguments=ADAPT):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["domain-adapt", *arguments])
    monkeypatch.setattr(cli, "prepare_process", lambda: None)
    capsys.readouterr()
    try:
        cli.main()
        code = 0
    except SystemExit as stopped:
        code = stopped.code or 0
    return code, [line for line in capsys.readouterr().err.splitlines() if "it/s]" not in line]


@pytest.fixture
def small_disk(tmp_path):
    """A mounted file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems can be mounted by root only")
    yield folder
    os.chdir("/")
    subprocess.run(["umount", str(folder)], check=True)


def free_bytes(folder):
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


# Of what one run writes: the lock, the prepared corpus, a saved state of 1.2 MB, a second one, the checkpoint.
@pytest.mark.parametrize("free", [0, 8_192, 65_536, 500_000, 1_500_000, 2_500_000, 2_900_000])
def test_a_full_disk_is_one_line_and_publishes_nothing(small_disk, project, monkeypatch, capsys, free):
    root = Path(shutil.copytree(project.root, small_disk / "project"))
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (free_bytes(small_disk) - free))
    code, lines = run(root, monkeypatch, capsys)
    store = CheckpointStore(Workspace(root).checkpoints)
    assert code == 2, lines
    assert len(lines) == 2 and lines[0].startswith("error: ") and "no space left on device" in lines[0], lines
    assert "nothing was " in lines[0] and lines[1] == "hint: free some space and give the same command again"
    assert store.list() == [] and not list(store.root.glob(".staging-*"))

    ballast.unlink()
    code, lines = run(root, monkeypatch, capsys)
    assert code == 0, lines
    verify(store.find("heart@v1"))


@pytest.mark.parametrize("free", [4_096, 300_000, 700_000])
def test_a_full_disk_in_stage_2(small_disk, adapted, monkeypatch, capsys, free):
    root = Path(shutil.copytree(adapted.root, small_disk / "project"))
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (free_bytes(small_disk) - free))
    code, lines = run(root, monkeypatch, capsys, FINETUNE)
    store = CheckpointStore(Workspace(root).checkpoints)
    assert code == 2 and len(lines) == 2 and "no space left on device" in lines[0], lines
    assert [one.ref for one in store.list()] == ["heart@v1"] and not list(store.root.glob(".staging-*"))
    ballast.unlink()
    assert run(root, monkeypatch, capsys, FINETUNE)[0] == 0
    verify(store.find("heart-qa@v1"))


@pytest.fixture
def file_limit():
    """``file_limit(bytes)`` is ``ulimit -f`` for the rest of the test."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [4_096, 200_000, 600_000])
def test_a_limit_on_file_sizes_is_one_line_and_publishes_nothing(project, monkeypatch, capsys, file_limit, size):
    """The same as a full disk, but no mount is needed: corpus, checkpoint and saved state are too large in turn."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    file_limit(size)
    code, lines = run(project.root, monkeypatch, capsys)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert code == 2, lines
    assert len(lines) == 1 and lines[0].startswith("error: ") and "a file would be larger than" in lines[0], lines
    assert project.published == [] and not list(project.workspace.checkpoints.glob(".staging-*"))
    assert run(project.root, monkeypatch, capsys)[0] == 0
    assert project.published == ["heart@v1"]
