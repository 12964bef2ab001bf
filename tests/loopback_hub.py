"""A Hub on this machine: the calls of huggingface_hub that creating, pushing, tagging and pulling a model take."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import huggingface_hub.constants
import pytest
import yaml

TOKEN = "hf_loopbackTokenThatNobodyMaySee"
ATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"


@dataclass
class Request:
    """What was asked."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What is answered; ``cut`` is how many bytes of the body are sent before the connection breaks."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None

    @classmethod
    def of(cls, value: Any, status: int = 200) -> Reply:
        return cls(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    @classmethod
    def error(cls, status: int, code: str = "") -> Reply:
        return cls(status, b"{}", {"X-Error-Code": code} if code else {})


@contextmanager
def serve(answer: Callable[[Request], Reply]) -> Iterator[str]:
    """Yields the URL of a server that answers so."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = answer(Request(self.command, unquote(url.path), parse_qs(url.query), self.headers, body))
            self.send_response(reply.status)
            for key, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body if reply.cut is None else reply.body[: reply.cut])
            if reply.cut is not None:
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _handle

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def point_at(url: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes huggingface_hub speak to ``url`` in this process."""
    # Read from the environment at import; the names are looked up at each call.
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def git_oid(content: bytes) -> str:
    """Returns the name that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Repo:
    """Every commit is a whole folder."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        oid = hashlib.sha1(f"{len(self.commits)} {sorted(files)}".encode()).hexdigest()
        self.commits[oid], self.branches[branch] = dict(files), oid
        return oid

    def find(self, revision: str) -> str | None:
        for names in (self.branches, self.tags):
            if revision in names:
                return names[revision]
        return revision if revision in self.commits else None


class LoopbackHub:
    """Repositories in memory. Writing, and reading what is private, takes ``TOKEN``.

    Files that end in ``.safetensors`` go by LFS, the others with the commit; there is no Xet.

    Attributes:
        url: Where it is served.
        repos: Id -> repository.
        asked: Method and path of every request.
        disturb: Called with each request; what it returns is answered instead.
    """

    def __init__(self) -> None:
        self.url = ""
        self.repos: dict[str, Repo] = {}
        self.asked: list[str] = []
        self.disturb: Callable[[Request], Reply | None] = lambda request: None
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def make(self, name: str, files: dict[str, bytes] | None = None, *, private: bool = True) -> Repo:
        """Makes a repository, as on the web."""
        repo = self.repos[name] = Repo(private)
        repo.commit("main", {".gitattributes": ATTRIBUTES, **(files or {})})
        return repo

    def answer(self, request: Request) -> Reply:
        with self._lock:
            self.asked.append(f"{request.method} {request.path}")
            disturbed = self.disturb(request)
            return disturbed if disturbed is not None else self._answer(request)

    def _answer(self, request: Request) -> Reply:
        parts = request.path.strip("/").split("/")
        knows_me = request.headers.get("Authorization") == f"Bearer {TOKEN}"
        if request.method not in ("GET", "HEAD") and not knows_me and not request.path.startswith("/lfs/"):
            return Reply.error(401)
        if request.path == "/api/repos/create":
            name = f"{request.json['organization']}/{request.json['name']}"
            if name in self.repos:
                return Reply.of({"error": "You already created this model repo"}, 409)
            self.make(name, private=request.json.get("visibility") == "private")
            return Reply.of({"url": f"http://{request.headers['Host']}/{name}", "name": name})
        if request.path == "/api/validate-yaml":
            return self._validate(request)
        if parts[0] == "lfs":
            self._objects[parts[1]] = request.body
            return Reply()
        is_api = parts[:2] == ["api", "models"]
        name = "/".join(parts[2:4] if is_api else parts[:2]).removesuffix(".git")
        repo = self.repos.get(name)
        if repo is None or (repo.private and not knows_me):
            return Reply.error(404 if knows_me else 401, "RepoNotFound")
        if not is_api:
            return self._batch(request) if parts[2] == "info" else self._resolve(request, repo, parts[3], parts[4:])
        return self._api(request, name, repo, parts[4:])

    def _validate(self, request: Request) -> Reply:
        head = request.json["content"].split("---\n")[1]
        fields = yaml.safe_load(head)
        errors = [] if isinstance(fields, dict) and "model-index" in fields else [{"message": "no model-index"}]
        return Reply.of({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _batch(self, request: Request) -> Reply:
        host = f"http://{request.headers['Host']}"
        objects = [
            {"oid": one["oid"], "size": one["size"]}
            | ({} if one["oid"] in self._objects else {"actions": {"upload": {"href": f"{host}/lfs/{one['oid']}"}}})
            for one in request.json["objects"]
        ]
        return Reply.of({"transfer": "basic", "objects": objects})

    def _resolve(self, request: Request, repo: Repo, revision: str, path: list[str]) -> Reply:
        commit = repo.find(revision)
        if commit is None:
            return Reply.error(404, "RevisionNotFound")
        content = repo.commits[commit].get("/".join(path))
        if content is None:
            return Reply.error(404, "EntryNotFound")
        lfs = path[-1].endswith(".safetensors")
        etag = hashlib.sha256(content).hexdigest() if lfs else git_oid(content)
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        wanted = request.headers.get("Range")
        if not wanted:
            return Reply(200, content, headers)
        start = int(wanted.removeprefix("bytes=").split("-")[0])
        if start >= len(content):
            return Reply.error(416)
        return Reply(
            206, content[start:], headers | {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        )

    def _api(self, request: Request, name: str, repo: Repo, rest: list[str]) -> Reply:
        verb, argument = (rest + ["", ""])[:2]
        if verb == "refs":
            kinds = {"branches": ("heads", repo.branches), "tags": ("tags", repo.tags)}
            shown = {
                kind: [{"name": key, "ref": f"refs/{ref}/{key}", "targetCommit": oid} for key, oid in names.items()]
                for kind, (ref, names) in kinds.items()
            }
            return Reply.of({**shown, "converts": []})
        if verb == "branch":
            if request.method == "DELETE":
                del repo.branches[argument]
            else:
                repo.branches[argument] = str(request.json["startingPoint"])
            return Reply()
        commit = repo.find(argument or "main")
        if verb in ("", "revision", "tree", "preupload", "commit", "tag") and commit is None:
            return Reply.error(404, "RevisionNotFound")
        files = repo.commits[str(commit)] if commit else {}
        if verb in ("", "revision"):
            siblings = [{"rfilename": path} for path in files]
            return Reply.of({"id": name, "sha": commit, "private": repo.private, "siblings": siblings})
        if verb == "tree":
            return Reply.of([_entry(path, content) for path, content in files.items()])
        if verb == "preupload":
            return Reply.of({"files": [_mode(one["path"], files) for one in request.json["files"]]})
        if verb == "tag":
            if request.json["tag"] in repo.tags:
                return Reply.error(409)
            repo.tags[request.json["tag"]] = str(commit)
            return Reply()
        if verb == "commit":
            return self._commit(request, name, repo, argument, files)
        return Reply.error(404)  # Xet tokens among others

    def _commit(self, request: Request, name: str, repo: Repo, branch: str, files: dict[str, bytes]) -> Reply:
        new = dict(files)
        for line in request.body.splitlines():
            value, key = (json.loads(line)[part] for part in ("value", "key"))
            if key == "header" and value.get("parentCommit") not in (None, repo.branches[branch]):
                return Reply.error(412)
            if key == "file":
                new[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                if hashlib.sha256(self._objects[value["oid"]]).hexdigest() != value["oid"]:
                    return Reply.error(400)
                new[value["path"]] = self._objects[value["oid"]]
            elif key == "deletedFile":
                del new[value["path"]]
        oid = repo.commit(branch, new)
        return Reply.of(
            {"success": True, "commitOid": oid, "commitUrl": f"http://{request.headers['Host']}/{name}/commit/{oid}"}
        )


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry = {"type": "file", "path": path, "size": len(content), "oid": git_oid(content)}
    if path.endswith(".safetensors"):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry


def _mode(path: str, files: dict[str, bytes]) -> dict[str, Any]:
    mode = {"path": path, "uploadMode": "lfs" if path.endswith(".safetensors") else "regular", "shouldIgnore": False}
    return mode | ({"oid": git_oid(files[path])} if path in files and mode["uploadMode"] == "regular" else {})
