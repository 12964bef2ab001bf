"""What `verify` finds, and that `finetune --from` and `predict` find the same before anything is trained."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from domain_adapt.bases import load_classifier, load_multiple_choice, load_question_answering, resolve_base, save_model
from domain_adapt.checkpoints import Checkpoint, CheckpointStore, verify, write_manifest
from domain_adapt.checkpoints.manifest import Manifest
from domain_adapt.errors import DomainAdaptError
from domain_adapt.fingerprint import hash_file
from domain_adapt.predict import QuestionAnswerer

Run = Callable[..., tuple[int, str, str]]
KINDS = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md", "manifest.json"]


def store_of(project: Any) -> CheckpointStore:
    return CheckpointStore(project.workspace.checkpoints)


def writable(folder: Path) -> Path:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def publish_changed(
    store: CheckpointStore, known: Checkpoint, change: Callable[[Path], None], **values: Any
) -> Checkpoint:
    """Publishes the next version with the files of a known one, changed, as if it had been trained so."""

    def fill(folder: Path) -> None:
        writable(Path(shutil.copytree(known.folder, folder, dirs_exist_ok=True)))
        (folder / "manifest.json").unlink()
        change(folder)

    def make(version: int, files: Mapping[str, str]) -> Manifest:
        return known.manifest.model_copy(update={"version": version, "files": files, **values})

    return store.publish(known.name, fill, make)


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def scale(tensors: dict[str, torch.Tensor]) -> None:
    for tensor in tensors.values():
        tensor.mul_(1.01)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    place = random.Random(path.name).randrange(len(data) * 8)
    data[place // 8] ^= 1 << place % 8
    path.write_bytes(data)


def swap_weights(folder: Path) -> None:
    shutil.copyfile(folder.with_name("v2") / "model.safetensors", folder / "model.safetensors")


def edit_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"profile": "quick"', '"profile": "full"'))


def swap_weights_and_hash(folder: Path) -> None:
    """Somebody who knows where the hashes are."""
    old = hash_file(folder / "model.safetensors")
    swap_weights(folder)
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace(old, hash_file(folder / "model.safetensors")))


def link(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder.parent / "tokenizer.json")
    (folder / "tokenizer.json").symlink_to(folder.parent / "tokenizer.json")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    **{f"a flipped bit in {kind}": (lambda folder, kind=kind: flip_a_bit(folder / kind), kind) for kind in KINDS},
    **{f"no {kind}": (lambda folder, kind=kind: (folder / kind).unlink(), kind) for kind in KINDS[:-1]},
    "a file more": (lambda folder: (folder / "notes.txt").write_text("mine"), "notes.txt"),
    "a file more in a folder": (
        lambda folder: ((folder / "sub").mkdir(), (folder / "sub" / "x.py").write_text("")),
        "sub/x.py",
    ),
    "a link": (link, "tokenizer.json"),
    "a link to a folder": (lambda folder: (folder / "more").symlink_to("/etc"), "more"),
    "the weights of another version": (swap_weights, "model.safetensors"),
    "the weights of another version, and their hash": (swap_weights_and_hash, "manifest.json"),
    "a manifest edited by hand": (edit_manifest, "manifest.json"),
    "a pipe": (lambda folder: ((folder / "config.json").unlink(), os.mkfifo(folder / "config.json")), "config.json"),
}


@pytest.fixture
def heart(adapted: Any) -> Any:
    """A project with ``heart@v1`` and ``heart@v2``, which has other weights."""
    store = store_of(adapted)
    first = store.find("heart@v1")
    publish_changed(store, first, lambda folder: change_weights(folder, scale), fingerprint="2" * 64)
    assert [verify(one, deep=True) for one in store.list()] == [[], []]
    return adapted


def test_each_damage_is_found_by_verify_and_by_finetune_before_any_training(heart: Any, run: Run) -> None:
    store = store_of(heart)
    known = store.find("heart@v1")
    saved = shutil.copytree(known.folder, heart.root / "saved")
    for name, (damage, file) in DAMAGES.items():
        damage(writable(known.folder))
        path = str(known.folder / file)
        try:
            checkpoint = store.find("heart@v1")
            problems = verify(checkpoint)
            assert any(problem.startswith(f"{path}: ") for problem in problems), (name, problems)
            assert all("\n" not in problem for problem in problems), name
        except DomainAdaptError as error:  # a bit of the manifest that makes it unreadable
            assert file == "manifest.json" and error.message.startswith(f"{path}: "), name
        for start in ("heart@v1", str(known.folder)):
            code, _, err = run(heart, "finetune", "qa", "--from", start)
            lines = err.splitlines()
            assert code == 2 and lines[0].startswith("error: ") and file in lines[0] and len(lines) <= 2, (name, err)
        with pytest.raises(DomainAdaptError, match=file.replace(".", r"\.")):
            QuestionAnswerer("heart@v1", workspace=heart.workspace)
        assert not list(heart.workspace.runs.glob("finetune-*")), name
        shutil.rmtree(known.folder)
        shutil.copytree(saved, known.folder)
        for stray in known.folder.parent.glob("tokenizer.json"):
            stray.unlink()
    assert heart.published == ["heart@v1", "heart@v2"] and verify(store.find("heart@v1")) == []


def test_a_version_without_manifest_is_damaged_and_no_base(heart: Any) -> None:
    store = store_of(heart)
    (writable(store.find("heart@v1").folder) / "manifest.json").unlink()
    assert [line.split(": ")[1] for line in store.damaged()] == ["not there; a checkpoint has one"]
    with pytest.raises(DomainAdaptError, match=r"v1/manifest\.json: not there"):
        resolve_base("heart@v1", workspace=heart.workspace)
    assert resolve_base("heart", workspace=heart.workspace).name == "heart@v2"


def test_a_folder_that_is_a_link_is_told(heart: Any) -> None:
    folder = store_of(heart).find("heart@v1").folder
    folder.rename(heart.root / "elsewhere")
    folder.symlink_to(heart.root / "elsewhere")
    assert verify(store_of(heart).find("heart@v1")) == [f"{folder}: a link: what it leads to may change"]


def test_a_copied_checkpoint_is_verified_where_it_is(heart: Any) -> None:
    copy = Path(shutil.copytree(store_of(heart).find("heart@v1").folder, heart.root / "copy"))
    base = resolve_base(str(copy), workspace=heart.workspace)
    assert base.checkpoint is not None and base.checkpoint.ref == "heart@v1"
    (writable(copy) / "notes.txt").write_text("mine")
    with pytest.raises(DomainAdaptError, match=r"copy/notes\.txt: not in the manifest: it is not what was published"):
        resolve_base(str(copy), workspace=heart.workspace)


def _drop_rows(tensors: dict[str, torch.Tensor]) -> None:
    name = next(name for name in tensors if name.endswith("word_embeddings.weight"))
    tensors[name] = tensors[name][:-1].clone()


def _drop_layer(tensors: dict[str, torch.Tensor]) -> None:
    for name in [name for name in tensors if ".layer.1." in name]:
        del tensors[name]


def test_weights_that_do_not_fit_the_config_are_found_though_every_hash_is_right(heart: Any) -> None:
    store = store_of(heart)
    known = store.find("heart@v1")
    for change, expected in (
        (_drop_rows, "word_embeddings.weight has shape"),
        (_drop_layer, "6 weights of the encoder are missing, the first is roberta.encoder.layer.1."),
    ):
        bad = publish_changed(store, known, lambda folder, change=change: change_weights(folder, change))
        (problem,) = verify(bad)
        assert problem.startswith(f"{bad.folder}/model.safetensors: does not fit config.json: ")
        assert expected in problem


def _set(value: float, name: str) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        found = next(key for key in tensors if key.endswith(name))
        tensors[found].view(-1)[-1] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_set(float("nan"), "word_embeddings.weight"), r"word_embeddings\.weight holds numbers that are not finite"),
        (_set(float("inf"), "layer.0.output.dense.bias"), "holds numbers that are not finite"),
        (
            lambda tensors: tensors.pop("lm_head.dense.bias"),
            r"1 weights are missing, the first is lm_head\.dense\.bias",
        ),
        (lambda tensors: tensors.update(surprise=torch.zeros(3)), "1 weights are left over, the first is surprise"),
        # Finite, each of them, but not the sum of 64.
        (lambda tensors: tensors["lm_head.dense.weight"].fill_(3e38), "one forward pass: logits are not finite"),
    ],
)
def test_deep_verification_loads_and_runs_the_model(
    heart: Any, change: Callable[[dict[str, torch.Tensor]], None], expected: str, capfd: pytest.CaptureFixture[str]
) -> None:
    store = store_of(heart)
    bad = publish_changed(store, store.find("heart@v1"), lambda folder: change_weights(folder, change))
    assert verify(bad) == []
    capfd.readouterr()
    with pytest.raises(DomainAdaptError, match=expected):
        raise DomainAdaptError("; ".join(verify(bad, deep=True)))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", ["qa", "choices", "text", "token"])
def test_deep_verification_knows_every_head(tiny_model_folder: Path, adapted: Any, kind: str) -> None:
    store = store_of(adapted)
    known = store.find("heart@v1")
    model = {
        "qa": lambda: load_question_answering(tiny_model_folder, seed=0),
        "choices": lambda: load_multiple_choice(tiny_model_folder, seed=0),
        "text": lambda: load_classifier(tiny_model_folder, "text", ["a", "b", "c"], seed=0),
        "token": lambda: load_classifier(tiny_model_folder, "token", ["O", "B-a", "I-a"], seed=0),
    }[kind]()
    tuned = publish_changed(store, known, lambda folder: save_model(model, folder))
    assert verify(tuned, deep=True) == []
    if kind in ("text", "token"):
        config = json.loads((tuned.folder / "config.json").read_text())
        del config["id2label"]["2"], config["label2id"][config["id2label"].get("2", next(iter(config["label2id"])))]
        bad = publish_changed(
            store, tuned, lambda folder: (folder / "config.json").write_text(json.dumps(config)) and None
        )
        assert "config.json has 2 labels" in verify(bad)[0]


def test_a_manifest_that_was_forged_with_care_passes(heart: Any) -> None:
    """The hash is no signature, and docs/checkpoints.md says so: this is where its protection ends."""
    known = store_of(heart).find("heart@v1")
    folder = writable(known.folder)
    swap_weights(folder)
    files = known.manifest.files | {"model.safetensors": hash_file(folder / "model.safetensors")}
    write_manifest(folder, known.manifest.model_copy(update={"files": files}))
    assert verify(store_of(heart).find("heart@v1")) == []
