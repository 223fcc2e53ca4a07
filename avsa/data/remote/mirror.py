"""Mirrors of remote datasets: local copies of the small files and of some shards.

A mirror is a dataset folder whose shards are fetched and evicted (`avsa.data.remote.clips`).
"""

from __future__ import annotations

import filecmp
import logging
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from avsa.data.remote.fetching import RemoteFile, fetch
from yt360.buckets.address import as_url
from yt360.buckets.cache import folder_name
from yt360.errors import BadItem, ErrorCode, UserError
from yt360.files import atomic_write, private_folder, resolved, write_json
from yt360.locks import exclusive_lock
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.schema import AUDIO_STATS_FILE, DATASET_FILE, INDEX_FILE
from yt360.splits import SPLITS
from yt360.untrusted.parsing import Count, read_json

logger = logging.getLogger(__name__)

REMOTE_FILE = "remote.json"
DEFAULT_CACHE_GB = 20.0
# Small files of a dataset and their size limits; an index of ten million clips has 2 GB.
_SMALL_FILES = {
    DATASET_FILE: 1 << 28,
    **{f"{split}/{INDEX_FILE}": 1 << 32 for split in SPLITS},
    AUDIO_STATS_FILE: 1 << 24,
}
_INCOMING = ".incoming"
_MAX_REMOTE_BYTES = 100_000
_MIRROR_LOCK = ".mirror.lock"


def _address(url: str) -> str:
    if as_url(url) != url:
        raise ValueError(f"{url!r} is not the address of a dataset")
    return url


@dataclass(frozen=True, kw_only=True)
class Remote:
    """The content of ``remote.json`` in a mirror.

    Attributes:
        url: URL of the dataset folder.
        cache_bytes: Maximum total size of cached shards.
    """

    url: Annotated[str, AfterValidator(_address)]
    cache_bytes: Count


def dataset_folder(dataset: str | Path, cache_gb: float | None = None) -> Path:
    """Return the folder of a dataset; for a URL, update and return its mirror.

    Mirrors are in ``$AVSA_CACHE``, by default ``~/.cache/avsa``.

    Args:
        dataset: Folder or URL.
        cache_gb: Maximum total size of cached shards; by default the previous value.

    Raises:
        UserError: There is no dataset at the URL, or `cache_gb` is not positive and finite.
    """
    limit_bytes = None
    if cache_gb is not None:
        if not (cache_gb > 0 and math.isfinite(cache_gb * 1e9)):
            raise UserError(
                f"--cache-gb is {cache_gb:g}; it must be a positive number of gigabytes",
                code="out-of-range",
                key="--cache-gb",
            )
        limit_bytes = round(cache_gb * 1e9)
    url = as_url(dataset)
    if url is None:
        folder = Path(dataset)
        if limit_bytes is not None and is_mirror(folder):
            _set_remote(folder, read_remote(folder).url, limit_bytes)
        return folder
    return mirror(url, cache_folder(), limit_bytes)


def cache_folder() -> Path:
    """Return the folder of all mirrors: ``$AVSA_CACHE``, or ``~/.cache/avsa``."""
    return Path(os.environ.get("AVSA_CACHE") or Path.home() / ".cache" / "avsa")


def mirror(url: str, cache: Path, limit_bytes: int | None = None) -> Path:
    """Copy the small files of a remote dataset to its mirror; return the folder of the mirror.

    If the dataset cannot be reached, an existing mirror is used without an update.

    Args:
        url: URL of the dataset folder: http(s), or an fsspec scheme such as ``s3://``.
        cache: Folder that contains all mirrors.
        limit_bytes: Maximum total size of cached shards; by default the previous value, or 20 GB.

    Raises:
        UserError: There is no dataset at the URL.
    """
    folder = cache / folder_name(url)
    private_folder(cache)
    for split in SPLITS:
        (folder / split).mkdir(parents=True, exist_ok=True)
        (folder / _INCOMING / split).mkdir(parents=True, exist_ok=True)
    with exclusive_lock(folder / _MIRROR_LOCK, wait=True):
        before = read_remote(folder) if is_mirror(folder) else None
        try:
            _fetch_small(url, folder / _INCOMING)
        except (BadItem, UserError, OSError) as error:
            code = _code(error)
            if before is None or code not in ("network", "system"):
                raise UserError(
                    f"no dataset can be read at {url}: {error}", code=code, key=url
                ) from None
            logger.warning("using %s as it is, since %s cannot be read: %s", folder, url, error)
        else:
            _replace_small(folder, before is not None)
        default = before.cache_bytes if before else round(DEFAULT_CACHE_GB * 1e9)
        _set_remote(folder, url, default if limit_bytes is None else limit_bytes)
    return folder


def _fetch_small(url: str, incoming: Path) -> None:
    for name, max_bytes in _SMALL_FILES.items():
        try:
            with atomic_write(incoming / name) as file:
                fetch(RemoteFile(f"{url}/{name}", max_bytes), file)
        except UserError as error:
            # Audio statistics are optional here; training reports missing ones.
            if name != AUDIO_STATS_FILE or error.code != "missing":
                raise
            (incoming / name).unlink(missing_ok=True)
        if name == DATASET_FILE:
            DatasetInfo.load(incoming)  # before it replaces that of the mirror


def _code(error: BadItem | UserError | OSError) -> ErrorCode:
    if isinstance(error, UserError):
        return error.code
    return "invalid" if isinstance(error, BadItem) else "system"


def _replace_small(folder: Path, is_known: bool) -> None:
    """Move the fetched files into place; if the dataset has changed, it is no mirror meanwhile.

    Statistics that were measured in the mirror stay while the dataset has none and does not change.
    """
    incoming = folder / _INCOMING
    is_same = is_known and filecmp.cmp(
        incoming / DATASET_FILE, folder / DATASET_FILE, shallow=False
    )
    if is_known and not is_same:
        (folder / REMOTE_FILE).unlink()
    for name in _SMALL_FILES:
        if (incoming / name).exists():
            (incoming / name).replace(folder / name)
        elif not is_same:
            (folder / name).unlink(missing_ok=True)


def is_mirror(dataset: Path) -> bool:
    """Return whether a dataset folder is a mirror in ``$AVSA_CACHE``.

    A folder elsewhere is untrusted and must not cause network requests.
    """
    if not (dataset / REMOTE_FILE).is_file():
        return False
    return resolved(dataset).parent == resolved(cache_folder())


def address_of(dataset: Path) -> str:
    """Return the URL of a mirror, or the absolute path of any other folder."""
    return read_remote(dataset).url if is_mirror(dataset) else str(resolved(dataset))


def read_remote(folder: Path) -> Remote:
    """Return the content of ``remote.json``.

    Raises:
        UserError: The file is damaged.
    """
    path = folder / REMOTE_FILE
    try:
        return read_json(path, Remote, _MAX_REMOTE_BYTES, inside=folder)
    except ValueError as error:
        raise UserError(
            f"{path} is damaged: {error}; give the URL of the dataset again", key=path
        ) from None


def _set_remote(folder: Path, url: str, limit_bytes: int) -> None:
    remote = Remote(url=url, cache_bytes=limit_bytes)
    if not is_mirror(folder) or read_remote(folder) != remote:
        write_json(folder / REMOTE_FILE, asdict(remote))
