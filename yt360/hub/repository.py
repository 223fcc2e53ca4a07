"""A repository on a hub, through huggingface_hub; its errors become one line each."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from yt360.errors import ErrorCode, UserError
from yt360.hub.address import HubAddress
from yt360.hub.local_file import LocalFile, RemoteFile
from yt360.terminal.text import printable, shortened

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAX_FILES = 200_000
"""Largest number of files of a repository that is read."""
UPLOADS_AT_ONCE = 4
_MESSAGE_LENGTH = 300


@dataclass(frozen=True)
class Access:
    """How a hub is reached; None for what huggingface_hub takes from the environment.

    Attributes:
        endpoint: URL of the hub (``HF_ENDPOINT``).
        token: Access token (``HF_TOKEN``, or the one of ``hf auth login``); False for none.
        cache: Folder of downloaded models (``HF_HUB_CACHE``).
    """

    endpoint: str | None = None
    token: str | bool | None = None
    cache: Path | None = None


@dataclass(frozen=True)
class Head:
    """The newest commit of a branch, or another commit.

    Attributes:
        commit: Its hash.
        files: Its files by path.
    """

    commit: str
    files: Mapping[str, RemoteFile]


class HubRepository:
    """A repository, by its address.

    Args:
        address: Its address.
        access: How the hub is reached.

    Raises:
        UserError: ``"dependency"``: huggingface_hub is not installed.
    """

    def __init__(self, address: HubAddress, access: Access | None = None) -> None:
        access = access or Access()
        self.address = address
        self._hub = _import_client(address)
        self._access = access
        endpoint = access.endpoint or os.environ.get("HF_ENDPOINT")
        self._api: HfApi = self._hub.HfApi(endpoint=endpoint, token=access.token)

    @property
    def url(self) -> str:
        """Its page."""
        folder = "datasets/" if self.address.kind == "dataset" else ""
        return f"{self._api.endpoint}/{folder}{self.address.name}"

    def sign_in(self) -> None:
        """Check the token, and complete a name without an owner.

        Raises:
            UserError: ``"missing"``: There is no token. ``"invalid"``: The hub does not accept it.
                ``"forbidden"``: It can only read.
        """
        if self._access.token is False:
            raise _no_token(self.address)
        with self._one_line():
            user = self._api.whoami()
        token = (user.get("auth") or {}).get("accessToken") or {}
        if token.get("role") == "read":
            raise UserError(
                f"the token can only read; {self.address} needs one that can write (create it at "
                f"{self._api.endpoint}/settings/tokens)",
                "forbidden",
                "HF_TOKEN",
            )
        if "/" not in self.address.name:
            self.address = replace(self.address, name=f"{user['name']}/{self.address.name}")

    def create(self, *, private: bool) -> None:
        """Create the repository unless it exists; then its visibility stays."""
        with self._one_line():
            self._api.create_repo(
                self.address.name, repo_type=self.address.kind, private=private, exist_ok=True
            )

    def head(self) -> Head:
        """Return the commit that the address names, with its files.

        Raises:
            UserError: ``"missing"``: There is no such repository or revision, or the token must not
                read it. ``"unsupported"``: It has more than `MAX_FILES` files.
        """
        files: dict[str, RemoteFile] = {}
        name, kind = self.address.name, self.address.kind
        from huggingface_hub.hf_api import RepoFile

        with self._one_line():
            info = self._api.repo_info(name, repo_type=kind, revision=self.address.revision)
            commit = str(info.sha)
            for entry in self._api.list_repo_tree(
                name, repo_type=kind, revision=commit, recursive=True
            ):
                if not isinstance(entry, RepoFile):
                    continue
                sha256 = entry.lfs.sha256 if entry.lfs else None
                files[entry.path] = RemoteFile(entry.size, entry.blob_id, sha256)
                if len(files) > MAX_FILES:
                    break
        if len(files) > MAX_FILES:
            raise UserError(f"{self.address} has more than {MAX_FILES} files", "unsupported")
        return Head(commit, files)

    def commit(
        self, files: Sequence[LocalFile], removed: Collection[str], message: str, parent: str
    ) -> str:
        """Upload files and commit them; content that the hub has already is not sent again.

        Args:
            files: Files to add or replace.
            removed: Paths of files to remove.
            message: Message of the commit.
            parent: The commit that must be the newest one.

        Returns:
            The new commit.

        Raises:
            UserError: ``"in-use"``: Another commit came first; ``"forbidden"``: no right to write;
                ``"network"``.
        """
        added = [_addition(self._hub, file) for file in files]
        deleted = [self._hub.CommitOperationDelete(path, is_folder=False) for path in removed]
        where: dict[str, Any] = {"repo_id": self.address.name, "repo_type": self.address.kind}
        with self._one_line():
            self._api.preupload_lfs_files(**where, additions=added, num_threads=UPLOADS_AT_ONCE)
            done = self._api.create_commit(
                **where, operations=[*added, *deleted], commit_message=message, parent_commit=parent
            )
        return str(done.oid)

    def download(self, path: str, folder: Path, commit: str) -> Path:
        """Download a file of a commit into a folder, and return its path there."""
        with self._one_line():
            return Path(
                self._api.hf_hub_download(
                    self.address.name,
                    path,
                    repo_type=self.address.kind,
                    revision=commit,
                    local_dir=folder,
                )
            )

    def download_to_cache(self, path: str) -> Path:
        """Download a file into the cache of huggingface_hub, unless it is there.

        While the hub cannot be reached, the newest one in the cache is returned.
        """
        with self._one_line():
            return Path(
                self._api.hf_hub_download(
                    self.address.name,
                    path,
                    repo_type=self.address.kind,
                    revision=self.address.revision,
                    cache_dir=self._access.cache,
                )
            )

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """Raise errors of the hub and of the network as `UserError`."""
        try:
            yield
        except Exception as error:
            told = _user_error(self.address, self._hub.errors, error)
            if told is None:
                raise
            raise told from None


def quiet_client() -> None:
    """Let huggingface_hub print through this program's log, without progress bars."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # read when it is imported
    logger = logging.getLogger("huggingface_hub")
    try:
        import huggingface_hub.utils  # noqa: F401 - adds its handler
    except ImportError:
        return
    logger.handlers.clear()
    logger.propagate = True


def _import_client(address: HubAddress) -> ModuleType:
    try:
        import huggingface_hub
        import huggingface_hub.errors
        import huggingface_hub.hf_api
    except ImportError:
        raise UserError(
            f"{address} needs huggingface_hub: `pip install huggingface_hub` (the extra [hub])",
            "dependency",
            "huggingface_hub",
        ) from None
    return huggingface_hub


def _addition(hub: ModuleType, file: LocalFile) -> Any:
    added = hub.CommitOperationAdd(file.path, file.source)
    added.upload_info.sha256 = bytes.fromhex(file.sha256)
    return added


def _user_error(address: HubAddress, errors: Any, error: Exception) -> UserError | None:
    """Return an error of huggingface_hub as one of ours; None if it is of the disk, or a bug."""
    cause = error.__cause__
    if isinstance(error, RuntimeError | errors.LocalEntryNotFoundError) and cause is not None:
        error = cause if isinstance(cause, Exception) else error  # what a thread, or HEAD, raised
    if isinstance(error, errors.LocalTokenNotFoundError):
        return _no_token(address)
    if isinstance(error, errors.HfHubHTTPError):
        return _answer_error(address, errors, error)
    if isinstance(error, OSError | errors.HTTPError):
        if isinstance(error, OSError) and error.errno and error.filename:
            return None
        return UserError(
            f"{address} cannot be reached ({_line(error)}); run the same command again, and it "
            "goes on",
            "network",
            address,
        )
    if isinstance(error, ValueError):
        return UserError(f"{address}: {_line(error)}", key=address)
    return None


def _no_token(address: HubAddress) -> UserError:
    return UserError(
        f"{address} needs an access token and there is none; run `hf auth login`, or set HF_TOKEN",
        "missing",
        "HF_TOKEN",
    )


def _answer_error(address: HubAddress, errors: Any, error: Any) -> UserError:
    """Return the error for a status that a hub answered."""
    status = error.response.status_code
    said = _line(error.server_message or error)
    if status == 401 and not isinstance(error, errors.RepositoryNotFoundError):
        message = "the hub does not accept the access token; run `hf auth login`, or set HF_TOKEN"
        return UserError(f"{address}: {message}", "invalid", "HF_TOKEN")
    if isinstance(error, errors.GatedRepoError) or status == 403:
        message = f"{address}: the token has no right to do this ({said}); use one that has"
        return UserError(message, "forbidden", "HF_TOKEN")
    if status in (401, 404):
        message = f"there is no {address}, or the token has no right to read it ({said})"
        return UserError(message, "missing", address)
    if status in (409, 412):
        message = f"{address} was changed by someone else meanwhile ({said}); run the command again"
        return UserError(message, "in-use", address)
    code: ErrorCode = "network"
    advice = "run the same command again, and it goes on"
    if status in (400, 413, 422):
        code, advice = "invalid", "the hub refuses it"
    return UserError(f"{address}: the hub answers {status} ({said}); {advice}", code, address)


def _line(error: object) -> str:
    """Return the text of an error as one printable line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return shortened(printable(text), _MESSAGE_LENGTH)
