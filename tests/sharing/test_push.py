"""What arrives on the Hub, and what is left alone there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from domain_adapt.checkpoints import Checkpoint, CheckpointStore, Manifest
from domain_adapt.errors import DomainAdaptError
from domain_adapt.sharing import push
from domain_adapt.workspace import Workspace
from tests.conftest import Project
from tests.loopback_hub import ATTRIBUTES, TOKEN, LoopbackHub, Reply, Request

REPO = "hospital/heart"


def again(store: CheckpointStore, one: Checkpoint, name: str = "heart", note: str = "again") -> Checkpoint:
    """Publishes the same weights as the next version, with another manifest and one more file."""

    def fill(folder: Path) -> None:
        for path in one.manifest.files:
            (folder / path).write_bytes((one.folder / path).read_bytes())
        (folder / "notes.txt").write_text(note)

    def make(version: int, files: dict[str, str]) -> Manifest:
        return one.manifest.model_copy(update={"name": name, "version": version, "files": files})

    return store.publish(name, fill, make)


def test_the_files_of_the_checkpoint_arrive_and_nothing_else(
    hub: LoopbackHub, adapted: Project, medical: Checkpoint, contents: Any
) -> None:
    pushed = push("heart@v1", REPO, workspace=adapted.workspace)
    repo = hub.repos[REPO]
    assert repo.private
    assert repo.tags == {"v1": pushed.commit} and repo.branches == {"main": pushed.commit}
    assert repo.commits[pushed.commit] == {".gitattributes": ATTRIBUTES, **contents(medical.folder)}
    assert (pushed.is_new, pushed.tag, pushed.url) == (True, "v1", f"{hub.url}/{REPO}/tree/v1")


def test_the_same_again_is_up_to_date_and_uploads_nothing(hub: LoopbackHub, adapted: Project) -> None:
    first = push("heart", REPO, workspace=adapted.workspace)
    hub.asked.clear()
    second = push("heart", REPO, workspace=adapted.workspace)
    assert (second.commit, second.is_new) == (first.commit, False)
    assert {line.split()[0] for line in hub.asked} == {"GET"}


def test_a_push_that_died_before_the_tag_goes_on_there(hub: LoopbackHub, adapted: Project) -> None:
    hub.disturb = lambda request: Reply.error(500) if "/tag/" in request.path else None
    with pytest.raises(DomainAdaptError, match=r"hospital/heart: the Hub has trouble of its own \(500\)"):
        push("heart", REPO, workspace=adapted.workspace)
    commits = len(hub.repos[REPO].commits)
    hub.disturb = lambda request: None
    assert push("heart", REPO, workspace=adapted.workspace).is_new
    assert len(hub.repos[REPO].commits) == commits
    assert list(hub.repos[REPO].tags) == ["v1"]


def test_a_tag_with_other_content_is_left_alone(hub: LoopbackHub, adapted: Project) -> None:
    push("heart", REPO, workspace=adapted.workspace)
    repo = hub.repos[REPO]
    repo.commits[repo.tags["v1"]]["README.md"] += b"x"
    before = json.dumps([repo.branches, repo.tags, len(repo.commits)])
    with pytest.raises(DomainAdaptError, match=r"tag v1 holds other content than heart@v1 here; nothing was pushed"):
        push("heart", REPO, workspace=adapted.workspace)
    assert json.dumps([repo.branches, repo.tags, len(repo.commits)]) == before


def test_the_next_version_takes_main_and_an_older_one_does_not(
    hub: LoopbackHub, adapted: Project, medical: Checkpoint, contents: Any
) -> None:
    second = again(CheckpointStore(adapted.workspace.checkpoints), medical)
    newer = push("heart@v2", REPO, workspace=adapted.workspace)
    older = push("heart@v1", REPO, workspace=adapted.workspace)
    repo = hub.repos[REPO]
    assert repo.branches == {"main": newer.commit}
    assert repo.tags == {"v2": newer.commit, "v1": older.commit}
    assert "notes.txt" not in repo.commits[older.commit]  # what v2 had and v1 has not
    assert repo.commits[older.commit] == {".gitattributes": ATTRIBUTES, **contents(medical.folder)}
    assert repo.commits[newer.commit] == {".gitattributes": ATTRIBUTES, **contents(second.folder)}


def test_a_public_repository_takes_nothing_unless_that_is_wanted(hub: LoopbackHub, adapted: Project) -> None:
    hub.make(REPO, private=False)
    with pytest.raises(DomainAdaptError, match="hospital/heart: is public: everybody could read") as caught:
        push("heart", REPO, workspace=adapted.workspace)
    assert caught.value.hint == "if they may: --public"
    assert push("heart", REPO, public=True, workspace=adapted.workspace).is_new
    assert push("heart", "hospital/open", public=True, workspace=adapted.workspace).is_new
    assert not hub.repos["hospital/open"].private


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"pytorch_model.bin": b"x", "config.json": b"{}"}, r"holds files of something else \(config.json, pytorch"),
        ({"manifest.json": b'{"name": "law"}'}, "holds versions of law, not of heart"),
    ],
)
def test_another_model_is_not_replaced(
    hub: LoopbackHub, adapted: Project, files: dict[str, bytes], message: str
) -> None:
    repo = hub.make(REPO, files)
    with pytest.raises(DomainAdaptError, match=message):
        push("heart", REPO, workspace=adapted.workspace)
    assert len(repo.commits) == 1 and not repo.tags


def test_a_readme_made_on_the_web_is_replaced(hub: LoopbackHub, adapted: Project) -> None:
    hub.make(REPO, {"README.md": b"---\nlicense: mit\n---\n"})
    assert push("heart", REPO, workspace=adapted.workspace).is_new


def test_a_damaged_checkpoint_stays_here(hub: LoopbackHub, adapted: Project, medical: Checkpoint) -> None:
    path = medical.folder / "tokenizer.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DomainAdaptError, match=r"tokenizer.json: changed"):
        push("heart", REPO, workspace=adapted.workspace)
    assert not hub.asked


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Reply.error(401), r"the Hub does not know who you are \(401\)"),
        (Reply.error(403), r"the Hub does not let you do that \(403\)"),
        (Reply.error(412), r"somebody changed it at the same moment \(412\)"),
        (Reply.error(404, "RepoNotFound"), "the Hub has no such repository, or it is private"),
        (Reply(200, b"{}", cut=0), "the connection to .* failed"),
    ],
)
def test_a_refusal_is_one_line_and_makes_no_tag(
    hub: LoopbackHub, adapted: Project, answer: Reply, message: str
) -> None:
    hub.disturb = lambda request: answer if "/commit/" in request.path else None
    with pytest.raises(DomainAdaptError, match=message) as caught:
        push("heart", REPO, workspace=adapted.workspace)
    assert "\n" not in caught.value.message and caught.value.message.endswith("the version was not pushed")
    assert not hub.repos[REPO].tags


def test_an_upload_that_breaks_in_the_middle_makes_no_commit(hub: LoopbackHub, adapted: Project) -> None:
    hub.disturb = lambda request: Reply(200, b"x" * 100, cut=0) if request.path.startswith("/lfs/") else None
    with pytest.raises(DomainAdaptError, match=r"hospital/heart: the connection to .* failed"):
        push("heart", REPO, workspace=adapted.workspace)
    assert len(hub.repos[REPO].commits) == 1


@pytest.mark.parametrize("repo", ["heart", "../heart", "a/b/c", "-a/b", "a/b..c", ""])
def test_a_name_that_the_hub_does_not_allow_is_refused_here(hub: LoopbackHub, adapted: Project, repo: str) -> None:
    with pytest.raises(DomainAdaptError, match="expected OWNER/NAME"):
        push("heart", repo, workspace=adapted.workspace)
    assert not hub.asked


def test_a_server_that_stores_something_else_is_noticed(hub: LoopbackHub, adapted: Project) -> None:
    def ignoring(request: Request) -> Reply | None:
        if "/preupload/" not in request.path:
            return None
        files = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": True} for one in request.json["files"]]
        return Reply.of({"files": files})

    hub.disturb = ignoring
    with pytest.raises(DomainAdaptError, match=r"the Hub holds other content in commit .* than was sent"):
        push("heart", REPO, workspace=adapted.workspace)
    assert not hub.repos[REPO].tags


def test_another_process_pushes_and_pulls_and_nobody_sees_the_token(
    hub: LoopbackHub, adapted: Project, medical: Checkpoint, tmp_path: Path, contents: Any
) -> None:
    def run(root: Path, code: str) -> str:
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": TOKEN}
        done = subprocess.run(
            [sys.executable, "-c", f"from domain_adapt.cli_hub import *\n{code}"],
            cwd=root,
            env=environment | {"DOMAIN_ADAPT_DEBUG": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    said = run(adapted.root, f"push_command('heart', '{REPO}')") + run(elsewhere, f"pull_command('{REPO}@v1')")
    assert contents(elsewhere / "checkpoints/heart/v1") == contents(medical.folder)
    assert "heart@v1 pushed" in said and "pulled heart@v1" in said
    assert TOKEN not in said
    assert CheckpointStore(Workspace(elsewhere).checkpoints).find("heart").sha256 == medical.sha256
