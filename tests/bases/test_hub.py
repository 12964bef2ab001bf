"""The way to the Hub, against a server on this machine that speaks the calls used."""

from __future__ import annotations

import hashlib
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain_adapt.bases import load_masked_lm, load_tokenizer, resolve_base
from domain_adapt.errors import DomainAdaptError
from domain_adapt.workspace import Workspace
from tests.loopback_hub import Reply, Request, point_at, serve

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ID = "someone/tiny"


class Hub:
    """Serves one folder as the model ``someone/tiny`` and notes what was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.card: dict[str, Any] = {"license": "mit"}
        self.status = 200
        self.error_code = ""
        self.asked: list[str] = []

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    def answer(self, request: Request) -> Reply:
        path = request.path
        self.asked.append(path)
        if self.status != 200:
            return Reply.error(self.status, self.error_code)
        if path in (f"/api/models/{ID}", f"/api/models/{ID}/revision/main", f"/api/models/{ID}/revision/{COMMIT}"):
            names = [{"rfilename": file.relative_to(self.folder).as_posix()} for file in self.files()]
            return Reply.of({"id": ID, "sha": COMMIT, "siblings": names, "cardData": self.card})
        if path.startswith(f"/api/models/{ID}/revision/"):
            return Reply.error(404, "RevisionNotFound")
        if path == f"/api/models/{ID}/tree/{COMMIT}":
            entries = [
                {
                    "type": "file",
                    "path": file.relative_to(self.folder).as_posix(),
                    "size": file.stat().st_size,
                    "oid": hashlib.sha1(file.read_bytes()).hexdigest(),
                }
                for file in self.files()
            ]
            return Reply.of(entries)
        prefix = f"/{ID}/resolve/{COMMIT}/"
        if path.startswith(prefix) and (self.folder / path.removeprefix(prefix)).is_file():
            content = (self.folder / path.removeprefix(prefix)).read_bytes()
            etag = hashlib.sha1(content).hexdigest()
            return Reply(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"})
        return Reply.error(404, "RepoNotFound")


@pytest.fixture
def hub(tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub(Path(shutil.copytree(tiny_model_folder, tmp_path / "served")))
    with serve(hub.answer) as url:
        point_at(url, tmp_path / "hub-cache", monkeypatch)
        yield hub


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Resolve = Callable[..., Any]


@pytest.fixture
def resolve(tmp_path: Path) -> Resolve:
    def run(name: str = ID, revision: str | None = None) -> Any:
        return resolve_base(name, workspace=Workspace(tmp_path), revision=revision)

    return run


def test_a_hub_base_is_what_the_commit_holds(hub: Hub, resolve: Resolve, tiny_model_folder: Path) -> None:
    (hub.folder / "pytorch_model.bin").write_bytes(b"pickle")
    (hub.folder / "onnx").mkdir()
    (hub.folder / "onnx" / "config.json").write_text("{}")
    (hub.folder / "modeling.py").write_text("raise SystemExit")
    base = resolve()
    assert (base.name, base.revision, base.licence) == (ID, COMMIT, "mit")
    assert base.url == f"https://huggingface.co/{ID}"
    assert base.has_lm_head
    assert base.sha256 == resolve(str(tiny_model_folder)).sha256
    names = {path.relative_to(base.folder).as_posix() for path in base.folder.rglob("*") if path.is_file()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert load_masked_lm(base).config.num_hidden_layers == 2
    assert load_tokenizer(base.folder).mask_token == "[MASK]"


def test_a_revision_can_be_named(hub: Hub, resolve: Resolve) -> None:
    assert resolve(revision="main").revision == COMMIT
    assert resolve(revision=COMMIT).revision == COMMIT
    with pytest.raises(DomainAdaptError, match=r"'someone/tiny': the Hub has no revision 'v9'"):
        resolve(revision="v9")


def test_a_repository_of_pickles_is_refused_before_anything_is_downloaded(hub: Hub, resolve: Resolve) -> None:
    (hub.folder / "model.safetensors").rename(hub.folder / "pytorch_model.bin")
    with pytest.raises(DomainAdaptError, match=r"base 'someone/tiny' has only pickled weights \(pytorch_model\.bin\)"):
        resolve()
    assert not any("/resolve/" in path for path in hub.asked)


def test_an_unknown_model_is_said_to_be_unknown(hub: Hub, resolve: Resolve) -> None:
    with pytest.raises(DomainAdaptError, match="'someone/else': neither a folder, nor a checkpoint here, nor a model"):
        resolve("someone/else")


def test_a_gated_model_says_where_to_ask(hub: Hub, resolve: Resolve) -> None:
    hub.status, hub.error_code = 403, "GatedRepo"
    with pytest.raises(DomainAdaptError, match="asked for access") as caught:
        resolve()
    assert f"https://huggingface.co/{ID}" in (caught.value.hint or "")


def test_a_hub_that_is_down_gives_the_cached_copy(hub: Hub, resolve: Resolve) -> None:
    online = resolve()
    hub.status = 503
    offline = resolve()
    assert (offline.folder, offline.sha256, offline.revision) == (online.folder, online.sha256, COMMIT)


def test_an_unreachable_hub_fails_fast_and_names_the_way_out(
    closed_port: int, resolve: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at(f"http://127.0.0.1:{closed_port}", tmp_path / "cache", monkeypatch)
    began = time.monotonic()
    with pytest.raises(DomainAdaptError, match="'FacebookAI/roberta-base': the Hub cannot be reached") as caught:
        resolve("FacebookAI/roberta-base")
    assert time.monotonic() - began < 10
    assert caught.value.hint == "BASE=mini needs no network"
    assert "\n" not in caught.value.message
