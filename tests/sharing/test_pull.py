"""What is taken from a Hub, and what never gets into the store."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForMaskedLM, AutoTokenizer

from domain_adapt.checkpoints import Checkpoint, CheckpointStore, Manifest, read_manifest, verify, write_manifest
from domain_adapt.errors import DomainAdaptError
from domain_adapt.sharing import pull, push
from domain_adapt.workspace import Workspace
from tests.conftest import Project
from tests.loopback_hub import LoopbackHub, Reply, Request, point_at

REPO = "hospital/heart"


@pytest.fixture
def here(tmp_path: Path) -> Workspace:
    """Where things are pulled to: another machine, so to say."""
    return Workspace(tmp_path / "here")


@pytest.fixture
def pushed(hub: LoopbackHub, adapted: Project) -> dict[str, bytes]:
    """The files of the version on the Hub, to be changed in place."""
    commit = push("heart", REPO, workspace=adapted.workspace).commit
    hub.asked.clear()
    return hub.repos[REPO].commits[commit]


def nothing_is_left(here: Workspace) -> bool:
    """Tells whether a refused pull left the store as if it had not been."""
    return not CheckpointStore(here.checkpoints).names() and not [
        path for path in here.checkpoints.glob("*") if path.is_dir()
    ]


def signed(files: dict[str, bytes], **changes: Any) -> None:
    """Makes the manifest agree with the files, as somebody who wants us to believe them would."""
    manifest = json.loads(files["manifest.json"]) | changes
    manifest["files"] = {
        path: hashlib.sha256(content).hexdigest()
        for path, content in files.items()
        if path not in ("manifest.json", ".gitattributes")
    }
    manifest.pop("sha256", None)  # of itself, which writing it anew puts in again
    try:
        valid = Manifest.model_validate(manifest)
    except ValidationError:  # nobody could write that
        files["manifest.json"] = json.dumps(manifest).encode()
        return
    with tempfile.TemporaryDirectory() as folder:
        write_manifest(Path(folder), valid)
        files["manifest.json"] = (Path(folder) / "manifest.json").read_bytes()


def test_what_was_pushed_comes_back_byte_for_byte(
    pushed: dict[str, bytes], here: Workspace, medical: Checkpoint, contents: Any
) -> None:
    pulled = pull(REPO, workspace=here)
    assert pulled.is_new and pulled.checkpoint.ref == "heart@v1"
    assert contents(pulled.checkpoint.folder) == contents(medical.folder)
    assert verify(pulled.checkpoint) == []
    assert all(path.stat().st_mode & 0o222 == 0 for path in pulled.checkpoint.folder.iterdir())
    assert [path.name for path in here.checkpoints.iterdir() if path.is_dir()] == ["heart"]


def test_a_pulled_checkpoint_is_a_model_of_transformers(
    pushed: dict[str, bytes], here: Workspace, medical: Checkpoint
) -> None:
    folder = pull(REPO, workspace=here).checkpoint.folder
    inputs = AutoTokenizer.from_pretrained(folder)("The heart [MASK] blood.", return_tensors="pt")
    logits = []
    for place in (folder, medical.folder):
        model, report = AutoModelForMaskedLM.from_pretrained(place, output_loading_info=True)
        assert not report["missing_keys"] and not report["unexpected_keys"]
        with torch.inference_mode():
            logits.append(model.eval()(**inputs).logits)
    assert torch.equal(*logits)


def test_the_same_again_is_up_to_date_after_one_small_file(
    pushed: dict[str, bytes], hub: LoopbackHub, here: Workspace
) -> None:
    first = pull(REPO, workspace=here)
    hub.asked.clear()
    second = pull(f"{REPO}@v1", workspace=here)
    assert (second.is_new, second.checkpoint) == (False, first.checkpoint)
    assert {line.split("/")[-1] for line in hub.asked if "/resolve/" in line} == {"manifest.json"}


def test_without_a_version_the_highest_is_taken_and_without_tags_main(
    pushed: dict[str, bytes], hub: LoopbackHub, here: Workspace
) -> None:
    repo = hub.repos[REPO]
    newer = dict(pushed)
    for version in (2, 10):
        signed(newer, version=version)
        repo.tags[f"v{version}"] = repo.commit("main", newer)
    assert pull(f"{REPO}@v2", workspace=here).checkpoint.ref == "heart@v2"
    assert pull(REPO, workspace=here).checkpoint.ref == "heart@v10"
    repo.tags.clear()
    assert pull(REPO, workspace=Workspace(here.root / "other")).checkpoint.ref == "heart@v10"


def test_a_number_that_is_taken_is_refused_and_another_name_is_the_way_out(
    pushed: dict[str, bytes], here: Workspace, contents: Any
) -> None:
    original = pull(REPO, workspace=here).checkpoint
    before = contents(here.checkpoints)
    pushed["notes.txt"] = b"other"
    signed(pushed)
    with pytest.raises(DomainAdaptError, match="heart@v1 is here already with other content") as caught:
        pull(REPO, workspace=here)
    assert caught.value.hint == "take it in under another name: --name heart-2"
    assert {path: data for path, data in contents(here.checkpoints).items() if not path.endswith(".lock")} == {
        path: data for path, data in before.items() if not path.endswith(".lock")
    }
    renamed = pull(REPO, name="heart-2", workspace=here)
    assert (renamed.checkpoint.ref, renamed.checkpoint.manifest.name) == ("heart-2@v1", "heart-2")
    assert verify(renamed.checkpoint) == [] and verify(original) == []
    assert not pull(REPO, name="heart-2", workspace=here).is_new


def test_a_plain_model_is_a_base_and_the_hint_says_so(hub: LoopbackHub, here: Workspace) -> None:
    hub.make("someone/tiny", {"config.json": b"{}", "model.safetensors": b"x"})
    with pytest.raises(
        DomainAdaptError, match=r"is not a checkpoint of domain-adapt: it has no manifest.json"
    ) as caught:
        pull("someone/tiny", workspace=here)
    assert "--base someone/tiny" in str(caught.value.hint)
    assert nothing_is_left(here)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("model.py", "only .json, .md, .png, .safetensors, .txt are pulled"),
        ("pytorch_model.bin", "only .json, .md"),
        ("weights.pkl", "only .json, .md"),
        ("../../evil.json", "a checkpoint has no file of such a name"),
        ("/etc/passwd.txt", "a checkpoint has no file of such a name"),
        ("a//b.json", "a checkpoint has no file of such a name"),
        ("..\\evil.json", "a checkpoint has no file of such a name"),
        (".hidden.json", "a checkpoint has no file of such a name"),
        ("a\nb.json", "a checkpoint has no file of such a name"),
        ("more.json", "more.json: not in the manifest"),
    ],
)
def test_files_of_other_kinds_or_names_are_refused_before_a_byte_of_them(
    pushed: dict[str, bytes], hub: LoopbackHub, here: Workspace, path: str, message: str
) -> None:
    pushed[path] = b"evil"
    if "not in the manifest" not in message:
        signed(pushed)
    with pytest.raises(DomainAdaptError, match=message):
        pull(REPO, workspace=here)
    assert not [line for line in hub.asked if "/resolve/" in line and not line.endswith("manifest.json")]
    assert nothing_is_left(here)
    assert not list(here.root.parent.glob("evil*"))


@pytest.mark.parametrize("path", ["model.safetensors", "tokenizer.json", "README.md", "config.json"])
def test_one_flipped_bit_is_found(pushed: dict[str, bytes], here: Workspace, path: str) -> None:
    data = bytearray(pushed[path])
    data[len(data) // 2] ^= 1
    pushed[path] = bytes(data)
    with pytest.raises(DomainAdaptError, match=rf"hospital/heart@v1: .*{path}"):
        pull(REPO, workspace=here)
    assert nothing_is_left(here)


def test_a_file_that_is_missing_is_found_from_the_listing(pushed: dict[str, bytes], here: Workspace) -> None:
    del pushed["tokenizer.json"]
    with pytest.raises(DomainAdaptError, match=r"tokenizer.json: missing, though the manifest names it"):
        pull(REPO, workspace=here)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"name": "../evil"}, "manifest.json: damaged: name"), ({"version": 0}, "manifest.json: damaged: version")],
)
def test_a_manifest_that_names_another_place_is_refused(
    pushed: dict[str, bytes], here: Workspace, changes: dict[str, Any], message: str
) -> None:
    signed(pushed, **changes)
    with pytest.raises(DomainAdaptError, match=message):
        pull(REPO, workspace=here)
    assert nothing_is_left(here)


def test_code_of_its_own_is_refused_though_the_hashes_agree(pushed: dict[str, bytes], here: Workspace) -> None:
    pushed["config.json"] = json.dumps(json.loads(pushed["config.json"]) | {"auto_map": {"AutoModel": "x.Y"}}).encode()
    signed(pushed)
    with pytest.raises(DomainAdaptError, match="auto_map: it would run Python code of its own"):
        pull(REPO, workspace=here)
    assert nothing_is_left(here)


def test_a_download_goes_on_where_the_connection_broke(
    pushed: dict[str, bytes], hub: LoopbackHub, here: Workspace, medical: Checkpoint, contents: Any
) -> None:
    broken: list[str] = []

    def once(request: Request) -> Reply | None:
        if request.method == "GET" and request.path.endswith("model.safetensors") and not broken:
            broken.append(request.path)
            content = pushed["model.safetensors"]
            return Reply(200, content, {"ETag": '"x"'}, cut=len(content) // 3)
        return None

    hub.disturb = once
    assert contents(pull(REPO, workspace=here).checkpoint.folder) == contents(medical.folder)
    assert broken


def test_a_connection_that_stays_broken_leaves_nothing(
    pushed: dict[str, bytes], hub: LoopbackHub, here: Workspace
) -> None:
    content = pushed["model.safetensors"]
    hub.disturb = lambda request: (
        Reply(200, content, cut=0) if request.method == "GET" and request.path.endswith("model.safetensors") else None
    )
    with pytest.raises(DomainAdaptError, match=r"the connection to http://127.0.0.1:\d+ failed .*nothing was pulled"):
        pull(REPO, workspace=here)
    assert nothing_is_left(here)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Reply.error(401, "RepoNotFound"), "no such repository, or it is private"),
        (Reply.error(403), r"does not let you do that \(403\)"),
        (Reply.error(403, "GatedRepo"), "its owner lets only people in who asked for access"),
        (Reply.error(404, "RepoNotFound"), "no such repository, or it is private"),
        (Reply.error(503), r"the Hub has trouble of its own \(503\)"),
        (Reply(200, b"[]", cut=0), "the connection to .* failed"),
    ],
)
def test_a_refusal_is_one_line(hub: LoopbackHub, here: Workspace, answer: Reply, message: str) -> None:
    hub.disturb = lambda request: answer
    with pytest.raises(DomainAdaptError, match=message) as caught:
        pull(REPO, workspace=here)
    assert "\n" not in caught.value.message and caught.value.message.endswith("nothing was pulled")
    assert caught.value.hint


def test_a_version_that_is_not_there_is_named(pushed: dict[str, bytes], here: Workspace) -> None:
    with pytest.raises(DomainAdaptError, match="hospital/heart@v7: the Hub has no such version of it"):
        pull(f"{REPO}@v7", workspace=here)


def test_a_hub_that_is_not_there(hub: LoopbackHub, here: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at("http://127.0.0.1:9", here.root, monkeypatch)  # the discard port: nobody listens
    with pytest.raises(DomainAdaptError, match=r"the connection to http://127.0.0.1:9 failed \(ConnectError") as caught:
        pull(REPO, workspace=here)
    assert "HF_ENDPOINT" in str(caught.value.hint)


def test_a_disk_without_room_is_told_before_the_download(
    pushed: dict[str, bytes], hub: LoopbackHub, here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(here.root.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(DomainAdaptError, match="no space left on device: hospital/heart@v1 has"):
        pull(REPO, workspace=here)
    assert not [line for line in hub.asked if line.endswith("model.safetensors")]
    assert nothing_is_left(here)


def test_a_disk_that_fills_up_in_the_middle(
    pushed: dict[str, bytes], here: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from huggingface_hub import HfApi

    download = HfApi.hf_hub_download

    def full(self: HfApi, repo: str, path: str, **options: Any) -> str:
        if path == "model.safetensors":
            raise OSError(errno.ENOSPC, "No space left on device")
        return download(self, repo, path, **options)

    monkeypatch.setattr(HfApi, "hf_hub_download", full)
    with pytest.raises(DomainAdaptError, match=r"no space left on device: .* nothing was"):
        pull(REPO, workspace=here)
    assert nothing_is_left(here)


def test_a_kept_manifest_is_not_rewritten(pushed: dict[str, bytes], here: Workspace) -> None:
    folder = pull(REPO, workspace=here).checkpoint.folder
    assert (folder / "manifest.json").read_bytes() == pushed["manifest.json"]
    assert read_manifest(folder).name == "heart"
