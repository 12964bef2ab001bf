"""Many processes at one store: nothing lost, nothing doubled, nothing half; the long version is kill_publishing.py."""

import importlib.util
import multiprocessing
from pathlib import Path

import pytest

from domain_adapt.checkpoints import CheckpointStore, verify

HERE = Path(__file__).parent
PROCESSES = 8


@pytest.fixture
def killing():
    """The script beside this file, as a module."""
    spec = importlib.util.spec_from_file_location("kill_publishing", HERE / "kill_publishing.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _publish_some(killing, root, number, each, start, said):
    store = CheckpointStore(root)
    start.wait()
    said.put([killing.publish(store, 1000 * number + turn).version for turn in range(each)])


@pytest.mark.parametrize("each", [4, pytest.param(25, marks=pytest.mark.many_processes)])
def test_eight_processes_publish_versions_of_one_name_at_once(tmp_path, killing, each):
    root = tmp_path / "checkpoints"
    context = multiprocessing.get_context("fork")
    start, queue = context.Barrier(PROCESSES), context.Queue()
    processes = [
        context.Process(target=_publish_some, args=(killing, root, number, each, start, queue))
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    said = []
    for _ in processes:
        mine = queue.get(timeout=120)
        assert mine == sorted(mine) and len(mine) == each
        said += mine
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    store = CheckpointStore(root)
    assert sorted(said) == list(range(1, PROCESSES * each + 1))
    found = store.list()
    assert [one.version for one in found] == sorted(said)
    assert len({one.manifest.fingerprint for one in found}) == PROCESSES * each
    assert store.find("medical@latest").version == store.find("medical").version == PROCESSES * each
    assert [problem for one in found for problem in verify(one)] == []
    assert killing.leftovers(root) == []


def test_kills_at_random_moments_leave_whole_versions_only(tmp_path, killing):
    problems, dirty, highest = killing.run(tmp_path / "checkpoints", kills=12, seed=3)
    assert problems == []
    assert dirty >= 3 and highest >= 2  # kills did meet a publication in the middle


def test_the_check_finds_a_version_that_was_published_by_halves(tmp_path, killing):
    """What the test above looks for is found where it is."""
    store, expected = CheckpointStore(tmp_path / "checkpoints"), killing.Expected()
    first, second = killing.publish(store, 1), killing.publish(store, 2)
    expected.read("published 1\npublished 2\npublished 3\n")
    assert expected.check(store) == ["v3 is lost"]
    (second.folder / "model.safetensors").unlink()
    (first.folder / "manifest.json").unlink()
    expected.read("alias 2\n")
    found = "\n".join(expected.check(store))
    assert "model.safetensors: missing" in found and "manifest.json: not there" in found
    assert "v1 is lost" in found and "alias went back from v2" in found
