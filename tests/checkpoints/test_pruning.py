import pytest

from domain_adapt.checkpoints.pruning import plan_pruning, size, unreadable
from domain_adapt.errors import DomainAdaptError


def from_parent(parent):
    origin = {"kind": "checkpoint", "name": parent, "sha256": "b" * 64}
    return {"parent": origin, "lineage": [{"name": parent, "sha256": "b" * 64}, {"name": "mini", "sha256": "a" * 64}]}


def refs(pruning):
    return [one.ref for one in pruning.going], [(one.ref, why) for one, why in pruning.kept]


def test_the_newest_stay(publish, store):
    for _ in range(5):
        publish()
    publish("other")
    assert refs(plan_pruning(store)) == (["medical@v1", "medical@v2"], [])
    assert refs(plan_pruning(store, keep=1)) == ([f"medical@v{version}" for version in range(1, 5)], [])
    assert refs(plan_pruning(store, "other", keep=1)) == ([], [])
    assert len(store.list()) == 6  # a plan removes nothing


def test_a_parent_and_the_target_of_an_alias_stay_however_old(publish, store):
    for _ in range(4):
        publish()
    publish("medical-qa", **from_parent("medical@v2"))
    store.set_alias("medical", "production", 3)
    assert refs(plan_pruning(store, keep=1)) == (
        ["medical@v1"],
        [("medical@v2", "parent of medical-qa@v1"), ("medical@v3", "@production")],
    )


def test_all_parents_of_a_merge_and_ancestors_further_up_stay(publish, store):
    for _ in range(4):
        publish()
    parents = [{"kind": "checkpoint", "name": f"medical@v{version}", "sha256": "b" * 64} for version in (1, 2)]
    lineage = [{"name": f"medical@v{version}", "sha256": "b" * 64} for version in (1, 3)]
    publish("mild", stage="merge", parent=parents[0], parents=parents, lineage=lineage)
    assert refs(plan_pruning(store, keep=1))[0] == []


def test_a_parent_stays_though_its_child_goes(publish, store):
    for _ in range(2):
        publish()
    for _ in range(2):
        publish("medical-qa", **from_parent("medical@v1"))
    first = plan_pruning(store, keep=1)
    assert refs(first)[0] == ["medical-qa@v1"]


def test_what_a_damaged_manifest_may_need_is_not_removed(publish, store):
    for _ in range(3):
        publish()
    manifest = publish("other").folder / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_text("{")
    assert unreadable(store) == [f"{manifest.parent}: the manifest cannot be read"]
    with pytest.raises(DomainAdaptError, match="nothing was removed"):
        plan_pruning(store, "medical", keep=1)


def test_errors_name_what_was_expected(publish, store):
    publish()
    with pytest.raises(DomainAdaptError, match="expected at least 1"):
        plan_pruning(store, keep=0)
    with pytest.raises(DomainAdaptError, match="no checkpoint 'medicine'"):
        plan_pruning(store, "medicine")


def test_the_size_is_that_of_all_files(publish):
    checkpoint = publish(content="x" * 1000)
    assert size(checkpoint) == 1000 + (checkpoint.folder / "manifest.json").stat().st_size
