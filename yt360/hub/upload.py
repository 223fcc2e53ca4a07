"""Uploading files in commits that can be repeated until all of them are there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from yt360.errors import UserError
from yt360.hub.local_file import LocalFile
from yt360.hub.repository import Head, HubRepository
from yt360.terminal.progress import Progress

MAX_COMMIT_FILES, MAX_COMMIT_BYTES = 16, 8 << 30
"""Limits of a commit before the last: what it holds is not sent again after an interruption."""
OWN_FILES = frozenset({".gitattributes"})
"""Files that a hub puts into a new repository."""


@dataclass(frozen=True)
class Pushed:
    """What was done.

    Attributes:
        address: Where the files are now.
        url: Its page.
        sent: Number of files that were sent.
        sent_bytes: Their size.
        kept: Number of files that were there already.
        removed: Number of files that were removed.
        commit: The newest commit.
    """

    address: str
    url: str
    sent: int
    sent_bytes: int
    kept: int
    removed: int
    commit: str

    def lines(self) -> list[str]:
        """Return what was done as lines for people."""
        removed = f", {self.removed} removed" if self.removed else ""
        return [
            f"{self.address}: {self.sent} files pushed ({self.sent_bytes / 1e6:.1f} MB), "
            f"{self.kept} were there already{removed}; sums verified",
            f"{self.url} at commit {self.commit[:12]}",
        ]


def upload(
    repository: HubRepository,
    make_files: Callable[[], Sequence[LocalFile]],
    check: Callable[[Head, Sequence[LocalFile]], Collection[str]],
    *,
    private: bool = True,
) -> Pushed:
    """Make the files of a repository those given; what is there already is not sent.

    Files with `LocalFile.is_last` come in one last commit, so lists never name files that are not
    there. Afterwards the sums that the hub states are compared with those here.

    Args:
        repository: It is created if it does not exist.
        make_files: Called once the owner is known; returns the files.
        check: Called with the repository's commit and the files; raises `UserError` if they must
            not go there, and returns the paths to remove.
        private: Whether a new repository is private.

    Raises:
        UserError: ``"missing"``, ``"invalid"`` or ``"forbidden"`` for the token and its rights,
            ``"network"``, ``"in-use"`` if someone else changes the repository, ``"conflict"`` if a
            file has not the sum of its list, or what `check` raises.
    """
    repository.sign_in()
    files = make_files()
    repository.create(private=private)
    head = repository.head()
    removed = sorted(check(head, files))
    missing = [file for file in files if not file.is_at(head.files.get(file.path))]
    commit = head.commit
    with Progress("pushing", len(files), "files", len(files) - len(missing)) as progress:
        for batch in _batches([file for file in missing if not file.is_last]):
            commit = repository.commit(batch, (), f"Add {_names(batch)}", commit)
            progress.advance(len(batch))
        last = [file for file in missing if file.is_last]
        if last or removed:
            commit = repository.commit(last, removed, "Update lists and cards", commit)
            progress.advance(len(last))
    if commit != head.commit:
        _verify(repository, files, removed)
    return Pushed(
        address=str(repository.address),
        url=repository.url,
        sent=len(missing),
        sent_bytes=sum(file.size for file in missing),
        kept=len(files) - len(missing),
        removed=len(removed),
        commit=commit,
    )


def _batches(files: Sequence[LocalFile]) -> Iterator[list[LocalFile]]:
    """Split files into commits; a file above the limit has one of its own."""
    batch: list[LocalFile] = []
    for file in files:
        size = sum(each.size for each in batch) + file.size
        if batch and (len(batch) >= MAX_COMMIT_FILES or size > MAX_COMMIT_BYTES):
            yield batch
            batch = []
        batch.append(file)
    if batch:
        yield batch


def _names(batch: Sequence[LocalFile]) -> str:
    return batch[0].path if len(batch) == 1 else f"{batch[0].path} to {batch[-1].path}"


def _verify(
    repository: HubRepository, files: Sequence[LocalFile], removed: Collection[str]
) -> None:
    there = repository.head().files
    wrong = [file.path for file in files if not file.is_at(there.get(file.path))]
    wrong += [path for path in removed if path in there]
    if wrong:
        raise UserError(
            f"{repository.address} does not have the same {wrong[0]} as here after the "
            "upload; run the same command again",
            "network",
            wrong[0],
        )
