from __future__ import annotations

import multiprocessing
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from domain_adapt.checkpoints import Checkpoint, CheckpointStore, resolve, verify
from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import Workspace

Publish = Callable[..., Checkpoint]


def test_an_alias_names_a_version_until_it_names_another(publish: Publish, store: CheckpointStore) -> None:
    first, second = publish(), publish()
    assert store.aliases("medical") == {}
    store.set_alias("medical", "production", 1)
    store.set_alias("medical", "candidate", 2)
    assert store.aliases("medical") == {"candidate": 2, "production": 1}
    assert store.find("medical@production") == first and store.find("medical@candidate") == second
    assert resolve("medical@production", Workspace(store.root.parent)) == first.folder
    store.set_alias("medical", "production", 2)
    assert store.find("medical@production") == second
    store.remove_alias("medical", "production")
    assert store.aliases("medical") == {"candidate": 2}
    with pytest.raises(DomainAdaptError, match=r"no version 'production'.* there are: v1, v2, latest, candidate"):
        store.find("medical@production")


def test_names_do_not_share_aliases(publish: Publish, store: CheckpointStore) -> None:
    publish()
    publish("financial")
    store.set_alias("medical", "production", 1)
    assert store.aliases("financial") == store.aliases("nowhere") == store.aliases("../medical") == {}
    with pytest.raises(DomainAdaptError, match="no alias 'production' of checkpoint 'financial'; known: it has none"):
        store.remove_alias("financial", "production")


@pytest.mark.parametrize(
    "alias", ["latest", "v1", "v", "v07", "", "Production", "a/b", "../up", "-a", "a.", "1st", "a" * 65, "a@b", "a\n"]
)
def test_what_cannot_be_an_alias_is_refused(publish: Publish, store: CheckpointStore, alias: str) -> None:
    publish()
    with pytest.raises(DomainAdaptError, match=r"^alias ") as caught:
        store.set_alias("medical", alias, 1)
    assert "\n" not in caught.value.message and store.aliases("medical") == {}


def test_an_alias_of_what_is_not_there_is_refused(publish: Publish, store: CheckpointStore) -> None:
    publish()
    with pytest.raises(DomainAdaptError, match="no version 'v2'"):
        store.set_alias("medical", "production", 2)
    with pytest.raises(DomainAdaptError, match="no checkpoint 'medcal'"):
        store.set_alias("medcal", "production", 1)
    with pytest.raises(DomainAdaptError, match="no checkpoint 'medcal'"):
        store.remove_alias("medcal", "production")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"production": "1"}', '{"production": true}', '{"v1": 1}', '{"../up": 1}', '{"a": 0}']
)
def test_a_damaged_file_of_aliases_is_named(publish: Publish, store: CheckpointStore, text: str) -> None:
    publish()
    (store.root / "medical" / "aliases.json").write_text(text)
    with pytest.raises(DomainAdaptError, match=r"medical/aliases\.json"):
        store.find("medical@production")
    assert store.find("medical@v1").version == store.find("medical").version == 1


def test_a_removed_version_is_gone_and_its_number_is_not_given_again(publish: Publish, store: CheckpointStore) -> None:
    for _ in range(3):
        publish()
    store.remove(store.find("medical@v3"))
    assert [one.ref for one in store.list()] == ["medical@v1", "medical@v2"]
    assert publish().ref == "medical@v4"
    store.remove(store.find("medical@v1"))
    assert publish().ref == "medical@v5"
    for one in store.list():
        store.remove(one)
    assert store.names() == [] and not list(store.root.glob(".staging-*"))
    assert publish().ref == "medical@v6"
    assert store.find("medical").version == 6


def test_what_an_alias_names_is_not_removed(publish: Publish, store: CheckpointStore) -> None:
    checkpoint = publish()
    store.set_alias("medical", "production", 1)
    with pytest.raises(DomainAdaptError, match="medical@v1 is what medical@production names"):
        store.remove(checkpoint)
    assert verify(store.find("medical@production")) == []
    store.remove_alias("medical", "production")
    store.remove(checkpoint)
    with pytest.raises(DomainAdaptError, match=r"medical@v1 is not in .*checkpoints"):
        store.remove(checkpoint)


def test_published_files_and_folders_are_read_only_and_removable(
    store: CheckpointStore, publish: Publish, manifest_of: Callable[..., object]
) -> None:
    def fill(folder: Path) -> None:
        (folder / "plots" / "deep").mkdir(parents=True)
        (folder / "plots" / "deep" / "loss.svg").write_text("<svg/>")

    checkpoint = store.publish("x", fill, lambda version, files: manifest_of("x", version, files))  # type: ignore[arg-type, return-value]
    modes = {
        path.relative_to(checkpoint.folder).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in (checkpoint.folder, *checkpoint.folder.rglob("*"))
    }
    assert modes == {
        ".": 0o555,
        "manifest.json": 0o444,
        "plots": 0o555,
        "plots/deep": 0o555,
        "plots/deep/loss.svg": 0o444,
    }
    store.remove(checkpoint)
    assert store.names() == [] and not list(store.root.glob(".staging-*"))


def test_a_link_is_not_published(store: CheckpointStore) -> None:
    """What it leads to could change afterwards."""
    with pytest.raises(DomainAdaptError, match="a link is not published"):
        store.publish("x", lambda folder: (folder / "model").symlink_to("/etc/passwd"), lambda *_: None)  # type: ignore[arg-type, return-value]
    assert store.list() == []


def _switch(root: Path, times: int) -> None:
    store = CheckpointStore(root)
    for turn in range(times):
        store.set_alias("medical", "production", 1 + turn % 2)


def test_readers_never_miss_an_alias_that_is_switched(publish: Publish, store: CheckpointStore) -> None:
    publish(), publish()
    store.set_alias("medical", "production", 1)
    writer = multiprocessing.get_context("fork").Process(target=_switch, args=(store.root, 60))
    writer.start()
    seen = set()
    while writer.is_alive():
        seen.add(store.find("medical@production").version)
    writer.join(30)
    assert writer.exitcode == 0 and seen == {1, 2}
    assert not [name for name in os.listdir(store.root / "medical") if name.endswith(".tmp")]
