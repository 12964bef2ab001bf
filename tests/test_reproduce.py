import shutil

import pytest

from domain_adapt import adapt, finetune, merge
from domain_adapt.checkpoints import CheckpointStore
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import hash_files
from domain_adapt.reproduce import reasons_between, reproduce


def republish(project, ref, **changes):
    """Publishes the files of a checkpoint again, as the next version, with a manifest changed in some keys."""
    store = CheckpointStore(project.workspace.checkpoints)
    old = store.find(ref)

    def fill(folder):
        for path in old.folder.iterdir():
            if path.name != "manifest.json":
                shutil.copyfile(path, folder / path.name)

    return store.publish(
        old.name,
        fill,
        lambda version, files: old.manifest.model_copy(update={"version": version, "files": files} | changes),
    )


def files_of(project):
    folder = project.workspace.checkpoints
    return hash_files([path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"], folder)


def test_an_adapted_checkpoint_is_reproduced_byte_for_byte(adapted):
    before = files_of(adapted)
    found = reproduce("heart", workspace=adapted.workspace)
    assert found.same and found.reasons == []
    assert found.files == dict.fromkeys(
        ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "training_curve.json"], True
    )
    assert found.notes == [
        "CPU threads: 1, as it was made with",
        "recipe, data, base and package are those of then (same fingerprint)",
    ]
    assert files_of(adapted) == before and adapted.leftovers == []


def test_other_text_is_told_and_how_far_the_weights_are_apart(adapted):
    with (adapted.texts / "b.jsonl").open("a") as file:
        file.write('{"id": 99, "text": "The fever began on the second day after the examination of the heart."}\n')
    found = reproduce("heart", keep=True, workspace=adapted.workspace)
    assert not found.same and not found.files["model.safetensors"] and found.files["config.json"]
    assert found.reasons[0] == "other data: its content hash differs"
    assert any("documents was 60, is 61" in reason for reason in found.reasons)
    assert "recipe, data, base or package are not those of then (another fingerprint)" in found.notes
    assert found.relative is not None and 0 < found.relative < 1 and found.largest is not None
    assert found.folder is not None and (found.folder / "model.safetensors").is_file()
    assert adapted.published == ["heart@v1"]


def test_a_manifest_of_before_origins_were_recorded(adapted):
    environment = {"device": "cpu", "precision": "fp32"}
    republish(adapted, "heart", origin=None, environment=environment)
    found = reproduce("heart@v2", workspace=adapted.workspace)
    assert found.same and found.ref == "heart@v2"
    assert "the manifest does not say how many CPU threads it was made with" in found.notes


def test_what_is_not_there_any_more_is_said(project, tiny_model_folder, tmp_path):
    base = shutil.copytree(tiny_model_folder, tmp_path / "base")
    adapt("heart", base=str(base), workspace=project.workspace)
    texts = project.texts.rename(project.root / "moved")
    with pytest.raises(DomainAdaptError) as caught:
        reproduce("heart", workspace=project.workspace)
    assert caught.value.message.startswith("manifest of heart@v1: its data is not there as it was: ")
    texts.rename(project.texts)
    shutil.rmtree(base)
    with pytest.raises(DomainAdaptError) as caught:
        reproduce("heart", workspace=project.workspace)
    assert f"{base} (SHA-256 " in caught.value.message and "is not there any more" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_fine_tuned_checkpoint_on_files_of_the_users_own_and_a_merge_with_it(adapted, monkeypatch):
    monkeypatch.chdir(adapted.root)
    train = shutil.copyfile("tasks/qa/train.jsonl", "own.jsonl")
    settings = {"overrides": ["budget.epochs=1"], "workspace": adapted.workspace}
    made = finetune("qa", train=[train], **settings)
    assert made.manifest.origin is not None and made.manifest.origin.files == {"train": ["own.jsonl"]}
    assert made.manifest.metrics["train/flops"] > 0
    monkeypatch.chdir("/")  # the manifest's paths are those of the project, wherever one is
    assert reproduce("heart-qa", workspace=adapted.workspace).same
    merged = merge("heart-qa", "heart-qa", weights=[0.5, 0.5], name="soup", workspace=adapted.workspace)
    found = reproduce(merged.ref, workspace=adapted.workspace)
    assert found.same and "training_curve.json" not in found.files
    (adapted.root / "own.jsonl").unlink()
    with pytest.raises(DomainAdaptError, match=r"its data is not there as it was: .*own\.jsonl"):
        reproduce("heart-qa", workspace=adapted.workspace)


def test_one_of_several_tasks_is_refused(adapted):
    manifest = CheckpointStore(adapted.workspace.checkpoints).find("heart").manifest
    republish(
        adapted, "heart", stage="finetune", task="qa", origin=manifest.origin.model_copy(update={"multitask": True})
    )
    with pytest.raises(DomainAdaptError, match="heart@v2 was trained together with other tasks"):
        reproduce("heart", workspace=adapted.workspace)


def test_reasons_come_from_what_the_manifests_record(adapted):
    then = CheckpointStore(adapted.workspace.checkpoints).find("heart").manifest
    now = then.model_copy(
        update={
            "packages": then.packages | {"torch": "9.9"},
            "environment": then.environment | {"threads": 64, "hardware": "an abacus"},
            "parent": then.parent.model_copy(update={"sha256": "e" * 64}),
        }
    )
    found = reasons_between(then, now)
    assert found == [
        f"other weights to start from: {then.parent.name} was {then.parent.sha256[:12]}…, is eeeeeeeeeeee…",
        f"torch: was {then.packages['torch']}, is 9.9",
        "threads: was 1, is 64",
        f"hardware: was {then.environment['hardware']}, is an abacus",
    ]
    assert reasons_between(then, then) == ["unknown: nothing that the manifest records differs"]
