"""A checkpoint that was made elsewhere: taken whole under its own number, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from domain_adapt.checkpoints import Checkpoint, CheckpointStore, verify
from domain_adapt.checkpoints.adopting import adopt, present
from domain_adapt.errors import DomainAdaptError

Publish = Callable[..., Checkpoint]


@pytest.fixture
def here(tmp_path: Path) -> CheckpointStore:
    """Another store than that of ``publish``."""
    return CheckpointStore(tmp_path / "here")


def copy(checkpoint: Checkpoint) -> Callable[[Path], None]:
    return lambda folder: shutil.copytree(checkpoint.folder, folder, dirs_exist_ok=True) and None


def leftovers(store: CheckpointStore) -> list[str]:
    return [path.name for path in store.root.glob(".staging-*") if path.is_dir()]


def test_it_keeps_its_number_and_its_bytes(publish: Publish, here: CheckpointStore) -> None:
    publish()
    third = [publish(content=f"weights {number}") for number in range(2)][-1]
    adopted = adopt(here, copy(third), "there")
    assert adopted.ref == "medical@v3" and here.find("medical").version == 3
    assert (adopted.folder / "manifest.json").read_bytes() == (third.folder / "manifest.json").read_bytes()
    assert verify(adopted) == [] and leftovers(here) == []
    assert {path.stat().st_mode & 0o777 for path in adopted.folder.iterdir()} == {0o444}


def test_many_at_once_make_one(publish: Publish, here: CheckpointStore) -> None:
    made = publish()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: adopt(here, copy(made), "there"), range(8)))
    assert {one.ref for one in found} == {"medical@v1"}
    assert [one.ref for one in here.list()] == ["medical@v1"] and leftovers(here) == []


def test_a_taken_number_stays_as_it_is(publish: Publish, here: CheckpointStore) -> None:
    mine = adopt(here, copy(publish()), "there")
    other = publish(content="other weights")
    other_v1 = other.manifest.model_copy(update={"version": 1})
    with pytest.raises(DomainAdaptError, match="medical@v1 is here already with other content") as caught:
        present(here, other_v1)
    assert "--name medical-2" in str(caught.value.hint)
    assert present(here, other.manifest) is None and present(here, mine.manifest) == mine


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), r"there: model\.safetensors: missing"),
        (lambda folder: (folder / "more.json").write_text("{}"), r"there: more\.json: not in the manifest"),
        (lambda folder: (folder / "more.json").symlink_to("/etc/passwd"), r"there: more\.json: is a link"),
        (lambda folder: (folder / "manifest.json").unlink(), r"manifest\.json: not there"),
    ],
)
def test_what_the_manifest_does_not_describe_is_not_taken(
    publish: Publish, here: CheckpointStore, harm: Callable[[Path], None], message: str
) -> None:
    made = publish()

    def fill(folder: Path) -> None:
        copy(made)(folder)
        harm(folder)

    with pytest.raises(DomainAdaptError, match=message):
        adopt(here, fill, "there")
    assert here.names() == [] and leftovers(here) == []
