import io

import pytest
from rich.console import Console

from domain_adapt.bases.resolving import checkpoint_identity
from domain_adapt.checkpoints import CheckpointStore, Manifest
from domain_adapt.report.lineage import Family, lineage_tree

MINI = {"kind": "base", "name": "mini", "sha256": "a" * 64}


@pytest.fixture
def publish(tmp_path):
    store = CheckpointStore(tmp_path / "checkpoints")

    def run(name, content, parents, **changes):
        lineage = [{"name": one["name"], "sha256": one["sha256"]} for one in parents]
        if lineage[-1]["name"] != "mini":
            lineage.append({"name": "mini", "sha256": "a" * 64})

        def make(version, files):
            values = {
                "name": name,
                "version": version,
                "stage": "adapt" if len(parents) == 1 else "merge",
                "domain": "medical",
                "profile": "quick",
                "created": "2026-01-02T03:04:05+00:00",
                "fingerprint": "f" * 64,
                "recipe": {},
                "parent": parents[0],
                "parents": parents if len(parents) > 1 else [],
                "lineage": lineage,
                "corpus": {},
                "metrics": {},
                "packages": {},
                "environment": {},
                "command": "x",
                "wall_seconds": 1.0,
                "files": files,
            }
            return Manifest.model_validate(values | changes)

        return store.publish(name, lambda folder: (folder / "config.json").write_text(content) and None, make)

    run.store = store
    return run


def parent(checkpoint):
    return {"kind": "checkpoint", "name": checkpoint.ref, "sha256": checkpoint_identity(checkpoint.manifest)}


def drawn(publish, checkpoint):
    console = Console(width=120, file=io.StringIO())
    console.print(lineage_tree(Family(publish.store.list()).node(checkpoint)))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def short(checkpoint):
    return checkpoint_identity(checkpoint.manifest)[:12]


def test_from_the_base_to_the_grandchildren_with_both_parents_of_a_merge(publish):
    one = publish("medical", "one", [MINI])
    two = publish("medical", "two", [MINI])
    soup = publish("soup", "soup", [parent(one), parent(two)])
    qa = publish("soup-qa", "qa", [parent(soup)], stage="finetune")
    assert drawn(publish, soup) == [
        f"soup@v1  merge  {short(soup)}",
        f"├── from medical@v1  adapt  {short(one)}",
        "│   └── from mini  base  aaaaaaaaaaaa",
        f"├── from medical@v2  adapt  {short(two)}",
        "│   └── from mini  base  aaaaaaaaaaaa",
        f"└── gave soup-qa@v1  finetune  {short(qa)}",
    ]
    assert drawn(publish, one)[2:] == [
        f"└── gave soup@v1  merge  {short(soup)} (merged from 2)",
        f"    └── gave soup-qa@v1  finetune  {short(qa)}",
    ]
    node = Family(publish.store.list()).node(soup).as_json()
    assert [one["parents"][0]["sha256"] for one in node["parents"]] == ["a" * 64] * 2
    assert node["children"][0]["name"] == "soup-qa@v1"


def test_a_parent_that_is_gone_is_named_with_what_is_known_of_it(publish):
    gone = {"kind": "checkpoint", "name": "old@v7", "sha256": "c" * 64}
    assert drawn(publish, publish("medical", "one", [gone]))[1:] == [
        "└── from old@v7  checkpoint  cccccccccccc (not here any more)",
        "    └── from mini  base  aaaaaaaaaaaa",
    ]


def test_a_parent_is_known_by_its_bytes(publish):
    one = publish("medical", "one", [MINI])
    renamed = publish("qa", "two", [parent(one) | {"name": "before@v3"}])
    assert drawn(publish, renamed)[1] == f"└── from medical@v1  adapt  {short(one)} (was called before@v3)"
    other = publish("qa", "three", [parent(one) | {"sha256": "d" * 64}])
    assert drawn(publish, other)[1] == "└── from medical@v1  checkpoint  dddddddddddd (here are other bytes now)"
    assert [node.name for node in Family(publish.store.list()).node(one).children] == ["qa@v1"]
