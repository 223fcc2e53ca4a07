"""A hub on loopback: what huggingface_hub 2.4 asks of one, without xet, and faults on request."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from ruamel.yaml import YAML, YAMLError

from yt360.hub.local_file import git_hash

OWNER, TOKEN, READER_TOKEN = "me", "hf_write", "hf_read"
_LARGE = (".tar", ".parquet", ".png", ".safetensors", ".flac")


@dataclass
class Repo:
    """A repository: its files now, by path, its commits, newest last, and the commits of tags."""

    private: bool = True
    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": b"*.tar\n"})
    commits: list[dict[str, bytes]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.commits.append(dict(self.files))

    @property
    def head(self) -> str:
        return f"{len(self.commits):040x}"

    def commit(self, revision: str) -> str:
        """Return the commit of a revision: the main branch, a tag or a commit."""
        return self.head if revision == "main" else self.tags.get(revision, revision)

    def at(self, revision: str) -> dict[str, bytes] | None:
        """Return the files of a revision."""
        commit = self.commit(revision)
        number = int(commit, 16) if re.fullmatch("[0-9a-f]{40}", commit) else 0
        return self.commits[number - 1] if 0 < number <= len(self.commits) else None


class FakeHub:
    """The hub.

    Attributes:
        url: Its address.
        repos: Repositories by ``datasets/OWNER/NAME`` or ``OWNER/NAME``.
        large: Contents of large files by SHA-256, before and after they are committed.
        requests: Methods and paths of all requests.
        fault: Called with method and path of each request; returns a status to answer instead, or
            None.
        damage: Changes the content of a file that is downloaded, given its path.
    """

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.large: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.fault: Callable[[str, str], int | None] = lambda _method, _path: None
        self.damage: Callable[[str, bytes], bytes] = lambda _path, content: content
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def count(self, method: str, part: str) -> int:
        """Return how many requests there were with this method and this part of the path."""
        return sum(m == method and part in path for m, path in self.requests)


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

    def _handle(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        hub.requests.append((self.command, path))
        status = hub.fault(self.command, path)
        if status is not None:
            self._error(status, "", "out of order")
            return
        for method, pattern, answer in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == self.command:
                answer(self, **match.groupdict())
                return
        self._error(404, "", f"the fake has no {self.command} {path}")

    do_GET = do_HEAD = do_POST = do_PUT = _handle

    def log_message(self, *args: Any) -> None:
        pass

    @property
    def role(self) -> str | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return {TOKEN: "write", READER_TOKEN: "read"}.get(token)

    def _send(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _json(self, value: Any, status: int = 200, **headers: str) -> None:
        self._send(status, json.dumps(value).encode(), Content_Type="application/json", **headers)

    def _error(self, status: int, code: str, message: str) -> None:
        headers = {"X_Error_Message": message} | ({"X_Error_Code": code} if code else {})
        self._json({"error": message}, status, **headers)

    def _repo(self, folder: str | None, name: str, *, write: bool = False) -> Repo | None:
        """Return a repository, or answer why it cannot be used."""
        repo = self.hub.repos.get(f"{'datasets/' if folder == 'datasets' else ''}{name}")
        if self.role is None and self.headers.get("Authorization"):
            self._error(401, "", "Invalid credentials in Authorization header")
        elif repo is None or (repo.private and self.role is None):
            known = self.role is not None
            self._error(404 if known else 401, "RepoNotFound", "Repository not found")
        elif write and (self.role != "write" or name.split("/")[0] != OWNER):
            self._error(403, "", "Forbidden: you must use a write token to upload to a repository.")
        else:
            return repo
        return None

    def _whoami(self) -> None:
        if self.role is None:
            self._error(401, "", "Invalid username or password.")
            return
        token = {"displayName": "t", "role": self.role}
        self._json({"type": "user", "name": OWNER, "auth": {"accessToken": token}, "orgs": []})

    def _create(self) -> None:
        asked = json.loads(self.body)
        owner = asked["organization"] or OWNER
        name = f"{owner}/{asked['name']}"
        key = f"{'datasets/' if asked.get('type') == 'dataset' else ''}{name}"
        if self.role != "write" or owner != OWNER:
            message = f'You don\'t have the rights to create it under the namespace "{owner}"'
            self._error(403, "", message)
        elif key in self.hub.repos:
            self._json(
                {"error": "You already created this repo", "url": f"{self.hub.url}/{key}"}, 409
            )
        else:
            self.hub.repos[key] = Repo(private=asked.get("visibility") == "private")
            self._json({"url": f"{self.hub.url}/{key}"})

    def _validate_yaml(self) -> None:
        text = json.loads(self.body)["content"]
        try:
            assert text.startswith("---\n")
            YAML(typ="safe").load(io.StringIO(text.split("---\n")[1]))
        except (AssertionError, YAMLError) as error:
            self._json({"errors": [{"message": str(error)}], "warnings": []}, 400)
            return
        self._json({"errors": [], "warnings": []})

    def _info(self, folder: str, name: str, revision: str = "main") -> None:
        repo = self._repo(folder, name)
        if repo is None:
            return
        if repo.at(revision) is None:
            self._error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        sha = repo.commit(revision)
        self._json({"id": name, "sha": sha, "private": repo.private, "tags": [], "siblings": []})

    def _tree(self, folder: str, name: str, revision: str) -> None:
        repo = self._repo(folder, name)
        if repo is None:
            return
        entries: list[dict[str, Any]] = []
        for path, content in sorted((repo.at(revision) or {}).items()):
            entry = {"type": "file", "path": path, "size": len(content), "oid": git_hash(content)}
            if path.endswith(_LARGE):
                oid = hashlib.sha256(content).hexdigest()
                entry |= {"oid": "1" * 40}
                entry |= {"lfs": {"oid": oid, "size": len(content), "pointerSize": 130}}
            entries.append(entry)
        folders = {path.rpartition("/")[0] for path in repo.at(revision) or {}} - {""}
        entries += [{"type": "directory", "path": each, "oid": "2" * 40} for each in folders]
        self._json(entries)

    def _preupload(self, folder: str, name: str) -> None:
        repo = self._repo(folder, name, write=True)
        if repo is None:
            return
        files = []
        for file in json.loads(self.body)["files"]:
            mode = "lfs" if file["path"].endswith(_LARGE) else "regular"
            answer = {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
            if (content := repo.files.get(file["path"])) is not None:
                oid = hashlib.sha256(content).hexdigest() if mode == "lfs" else git_hash(content)
                answer["oid"] = oid
            files.append(answer)
        self._json({"files": files})

    def _batch(self, folder: str | None, name: str) -> None:
        if self._repo(folder, name, write=True) is None:
            return
        objects = []
        for each in json.loads(self.body)["objects"]:
            answer = {"oid": each["oid"], "size": each["size"]}
            if each["oid"] not in self.hub.large:
                upload = {"href": f"{self.hub.url}/lfs/{each['oid']}"}
                answer["actions"] = {
                    "upload": upload,
                    "verify": {"href": f"{self.hub.url}/lfs-verify"},
                }
            objects.append(answer)
        self._json({"transfer": "basic", "objects": objects})

    def _put(self, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            self._error(400, "", "wrong sum")
            return
        self.hub.large[oid] = self.body
        self._send(200, b"")

    def _verify(self) -> None:
        asked = json.loads(self.body)
        if len(self.hub.large.get(asked["oid"], b"")) == asked["size"]:
            self._json({})
        else:
            self._error(404, "", "not uploaded")

    def _commit(self, folder: str, name: str) -> None:
        repo = self._repo(folder, name, write=True)
        if repo is None:
            return
        lines = [json.loads(line) for line in self.body.splitlines()]
        files = dict(repo.files)
        for line in lines:
            key, value = line["key"], line["value"]
            if key == "header" and value.get("parentCommit", repo.head) != repo.head:
                self._error(412, "", "A commit has happened since. Please refresh and try again.")
                return
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                if value["oid"] not in self.hub.large:
                    self._error(400, "", f"{value['path']} is a pointer to a file that is not here")
                    return
                files[value["path"]] = self.hub.large[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        repo.files = files
        repo.commits.append(dict(files))
        page = f"{self.hub.url}/{'datasets/' if folder == 'datasets' else ''}{name}"
        self._json({"commitUrl": f"{page}/commit/{repo.head}", "commitOid": repo.head})

    def _resolve(self, folder: str | None, name: str, revision: str, path: str) -> None:
        repo = self._repo(folder, name)
        if repo is None:
            return
        content = (repo.at(revision) or {}).get(path)
        if content is None:
            self._error(404, "EntryNotFound", "Entry not found")
            return
        is_large = path.endswith(_LARGE)
        etag = hashlib.sha256(content).hexdigest() if is_large else git_hash(content)
        commit = repo.commit(revision)
        self._send(200, self.hub.damage(path, content), ETag=f'"{etag}"', X_Repo_Commit=commit)


_NAME = r"(?P<name>[\w.-]+/[\w.-]+)"
_API = rf"/api/(?P<folder>datasets|models)/{_NAME}"
_PAGE = rf"/(?:(?P<folder>datasets)/)?{_NAME}"
_REVISION = r"(?P<revision>[\w.-]+)"
_ROUTES: tuple[tuple[str, str, Callable[..., None]], ...] = (
    ("GET", "/api/whoami-v2", _Handler._whoami),
    ("POST", "/api/repos/create", _Handler._create),
    ("POST", "/api/validate-yaml", _Handler._validate_yaml),
    ("GET", _API, _Handler._info),
    ("GET", rf"{_API}/revision/{_REVISION}", _Handler._info),
    ("GET", rf"{_API}/tree/{_REVISION}", _Handler._tree),
    ("POST", rf"{_API}/preupload/main", _Handler._preupload),
    ("POST", rf"{_PAGE}\.git/info/lfs/objects/batch", _Handler._batch),
    ("PUT", r"/lfs/(?P<oid>[0-9a-f]{64})", _Handler._put),
    ("POST", "/lfs-verify", _Handler._verify),
    ("POST", rf"{_API}/commit/main", _Handler._commit),
    ("HEAD", rf"{_PAGE}/resolve/{_REVISION}/(?P<path>.+)", _Handler._resolve),
    ("GET", rf"{_PAGE}/resolve/{_REVISION}/(?P<path>.+)", _Handler._resolve),
)


@pytest.fixture
def fake_hub() -> Iterator[FakeHub]:
    """A hub of one user, `OWNER`, whose tokens are `TOKEN` and, to read alone, `READER_TOKEN`."""
    hub = FakeHub()
    yield hub
    hub.close()
