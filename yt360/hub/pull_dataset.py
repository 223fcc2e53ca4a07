"""Pulling a dataset from a hub: every file has the sum that the hub states, or is not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yt360.errors import UserError
from yt360.files import sync_folder
from yt360.hub.address import HubAddress
from yt360.hub.dataset_files import (
    CARD_FILE,
    CLIP_LIST_FILE,
    CROISSANT_FILE,
    PICTURE_FILE,
    is_dataset_path,
    is_earlier,
    is_media_path,
)
from yt360.hub.local_file import LocalFile, RemoteFile
from yt360.hub.repository import Access, HubRepository
from yt360.locks import exclusive_lock
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.schema import AUDIO_STATS_FILE, DATASET_FILE, INDEX_FILE
from yt360.splits import SPLITS
from yt360.terminal.progress import Progress

INCOMING = ".incoming"
"""Folder inside of the dataset in which files are before their sums are verified."""
_LOCK = ".pull.lock"
_REPLACED = frozenset(
    {
        DATASET_FILE,
        INDEX_FILE,
        AUDIO_STATS_FILE,
        CARD_FILE,
        CROISSANT_FILE,
        CLIP_LIST_FILE,
        PICTURE_FILE,
    }
)


@dataclass(frozen=True)
class PulledDataset:
    """What was done.

    Attributes:
        commit: The commit that was pulled.
        fetched: Number of files that were downloaded.
        fetched_bytes: Their size.
        kept: Number of files that were there already.
        ignored: Paths in the repository that are no files of a dataset, except hidden ones.
        missing_shards: Number of shards of clips that `dataset.json` lists and the hub has not.
    """

    commit: str
    fetched: int
    fetched_bytes: int
    kept: int
    ignored: tuple[str, ...]
    missing_shards: int


def pull_dataset(address: HubAddress, out: Path, access: Access | None = None) -> PulledDataset:
    """Download a dataset; an interrupted download goes on, and one that grew is completed.

    Files get their names when their size and sum are those that the hub states; `dataset.json`
    comes last. Shards of clips must also have the checksums in `dataset.json`. Only files that a
    dataset can have are downloaded, whatever else the repository holds.

    Args:
        address: The repository.
        out: A folder that is new, empty, or holds the same dataset.
        access: How the hub is reached.

    Raises:
        UserError: ``"missing"``: There is no such repository, or no dataset in it. ``"exists"``:
            `out` holds something else. ``"invalid"``: A file does not have its sum, or
            `dataset.json` cannot be read. ``"in-use"``: Another process pulls into `out`.
            ``"network"``.
        OSError: The disk is full or the folder cannot be written.
    """
    repository = HubRepository(address, access)
    head = repository.head()
    wanted = {path: file for path, file in head.files.items() if is_dataset_path(path)}
    if DATASET_FILE not in wanted:
        raise UserError(
            f"{address} has no {DATASET_FILE}, so it is no dataset that `yt360 push` wrote",
            "missing",
            address,
        )
    out.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(out / _LOCK, out):
        try:
            incoming = out / INCOMING
            description = repository.download(DATASET_FILE, incoming, head.commit)
            _require_sum(address, DATASET_FILE, description, wanted[DATASET_FILE])
            info = DatasetInfo.load(incoming)
            _require_free(out, info)
            sums = _check_listed(address, info, wanted)
            order = sorted(wanted, key=lambda path: (path == DATASET_FILE, path))
            todo = [path for path in order if not _local(out, path).is_at(wanted[path])]
            _require_no_other(out, todo)
            with Progress("pulling", len(order), "files", len(order) - len(todo)) as progress:
                for path in todo:
                    file = repository.download(path, incoming, head.commit)
                    _require_sum(address, path, file, wanted[path], sums.get(path))
                    _move(file, out / path)
                    progress.advance()
            shutil.rmtree(incoming)
        finally:
            (out / _LOCK).unlink(missing_ok=True)
    return PulledDataset(
        commit=head.commit,
        fetched=len(todo),
        fetched_bytes=sum(wanted[path].size for path in todo),
        kept=len(order) - len(todo),
        ignored=tuple(sorted(p for p in head.files.keys() - wanted.keys() if p[0] != ".")),
        missing_shards=sum(path not in wanted for path in sums),
    )


def _local(out: Path, path: str) -> LocalFile:
    """Return a file of the folder; an empty one if it does not exist."""
    return LocalFile(path, out / path if (out / path).is_file() else b"")


def _require_no_other(out: Path, todo: Sequence[str]) -> None:
    """Check that files to download replace none but lists, which change when a dataset grows."""
    for path in todo:
        name = path.rpartition("/")[2]
        if (out / path).exists() and name not in _REPLACED:
            raise UserError(
                f"{out / path} differs from the one of the hub; choose another --out, or move it",
                "exists",
                out / path,
            )


def _require_free(out: Path, info: DatasetInfo) -> None:
    """Check that a folder is empty but for what a pull leaves, or holds the same dataset."""
    if (out / DATASET_FILE).exists():
        if is_earlier(DatasetInfo.load(out), info):
            return
        what = "another dataset"
    else:
        parts = {DATASET_FILE, INCOMING, _LOCK}
        others = [
            path.name
            for path in out.iterdir()
            if path.name not in {*parts, *SPLITS, "features"} and not is_dataset_path(path.name)
        ]
        if not others:
            return
        what = f"something else, such as {others[0]}"
    raise UserError(f"{out} holds {what}; choose another --out", "exists", "--out")


def _check_listed(
    address: HubAddress, info: DatasetInfo, wanted: dict[str, RemoteFile]
) -> dict[str, str]:
    """Return the SHA-256 of every listed shard of clips; those of the hub must be equal."""
    sums = {
        f"{split}/{shard.name}": shard.sha256
        for split in SPLITS
        for shard in info.splits[split].shards
    }
    for path, file in wanted.items():
        if is_media_path(path) and (path not in sums or file.sha256 not in (None, sums[path])):
            raise UserError(
                f"{path} of {address} is not the shard that its {DATASET_FILE} lists; tell its "
                "owner",
                key=path,
            )
    return sums


def _require_sum(
    address: HubAddress, path: str, file: Path, remote: RemoteFile, listed: str | None = None
) -> None:
    """Check a downloaded file; a wrong one is removed, so that it is downloaded again."""
    here = LocalFile(path, file)
    if here.is_at(remote) and listed in (None, here.sha256):
        return
    file.unlink()
    raise UserError(
        f"{path} of {address} arrived with another size or sum than the hub states; run the same "
        "command again",
        key=path,
    )


def _move(file: Path, path: Path) -> None:
    """Give a verified file its name."""
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
    path.parent.mkdir(exist_ok=True)
    file.replace(path)
    sync_folder(path.parent)
