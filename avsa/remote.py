"""Datasets elsewhere: a local mirror whose shards appear as training needs them.

`mirror` copies what is small (``dataset.json``, the indices, statistics) into a folder, which from
then on is a dataset like any other, except that its shards are fetched whole, ahead of use and in
the order of the plan, and removed again when the cache is full. `open_clips` opens both kinds.

With such a dataset the plan must keep to few shards at a time: ``plan.window_shards``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from avsa.shard_cache import ShardCache
from yt360.errors import BadItem, UserError
from yt360.files import atomic_write, write_json
from yt360.shards.reader import ShardReader
from yt360.shards.schema import (
    AUDIO_STATS_FILE,
    DATASET_FILE,
    INDEX_FILE,
    ShardInfo,
)
from yt360.splits import SPLITS

REMOTE_FILE = "remote.json"
DEFAULT_CACHE_GB = 20.0
ATTEMPTS = 4
TIMEOUT_S = 60.0
# Before the second attempt; each further pause is four times as long.
PAUSE_S = 0.25
_CHUNK_BYTES = 1 << 20
# One slash or two: `Path` and shells may have made one of two.
_URL = re.compile(r"([a-z][a-z0-9+.-]+):/{1,2}(?=[^/])", re.IGNORECASE)


def as_url(dataset: str | Path) -> str | None:
    """Return the address that a dataset argument stands for, or None for a folder."""
    match = _URL.match(str(dataset))
    return f"{match[1].lower()}://{str(dataset)[match.end() :]}".rstrip("/") if match else None


def dataset_folder(dataset: str | Path, cache_gb: float = DEFAULT_CACHE_GB) -> Path:
    """Return the folder of a dataset; for an address, that of its mirror.

    Mirrors live in ``$AVSA_CACHE``, by default ``~/.cache/avsa``.

    Raises:
        UserError: There is no dataset at the address.
    """
    url = as_url(dataset)
    if url is None:
        return Path(dataset)
    cache = Path(os.environ.get("AVSA_CACHE") or Path.home() / ".cache" / "avsa")
    return mirror(url, cache, round(cache_gb * 1e9))


def mirror(url: str, cache: Path, limit_bytes: int) -> Path:
    """Copy what is small of a remote dataset; return the folder, with no shards yet.

    Args:
        url: Address of the dataset's folder: http(s), or what fsspec knows (``s3://`` and so on).
        cache: Folder of all mirrors.
        limit_bytes: Most bytes of shards to keep.

    Raises:
        UserError: There is no dataset at the address.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", url.rsplit("/", 1)[-1])
    folder = cache / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:10]}"
    for split in SPLITS:
        (folder / split).mkdir(parents=True, exist_ok=True)
    for file in (DATASET_FILE, *(f"{split}/{INDEX_FILE}" for split in SPLITS)):
        try:
            fetch(f"{url}/{file}", folder / file)
        except (OSError, BadItem) as error:
            raise UserError(f"no dataset can be read at {url}: {error}") from None
    # Not every use needs statistics; training says so where they are missing.
    with suppress(OSError, BadItem):
        fetch(f"{url}/{AUDIO_STATS_FILE}", folder / AUDIO_STATS_FILE)
    write_json(folder / REMOTE_FILE, {"url": url, "cache_bytes": limit_bytes})
    return folder


def is_mirror(dataset: Path) -> bool:
    """Tell whether a dataset folder is a mirror."""
    return (dataset / REMOTE_FILE).is_file()


def open_clips(dataset: Path, split: str) -> ShardReader | RemoteClips:
    """Open a split of a dataset folder or of a mirror.

    Raises:
        UserError: As `ShardReader`.
    """
    if is_mirror(dataset):
        return RemoteClips(dataset, split)
    return ShardReader(dataset, split)


class RemoteClips(ShardReader):
    """The clips of a split whose shards are fetched when they are needed.

    Args:
        dataset: A mirror.
        split: ``"train"`` or ``"test"``.
    """

    def __init__(self, dataset: Path, split: str) -> None:
        super().__init__(dataset, split)
        remote = json.loads((dataset / REMOTE_FILE).read_text(encoding="utf-8"))
        self._url = f"{remote['url']}/{split}"
        self._cache = ShardCache(
            dataset / split,
            {shard.name: shard for shard in self.info.splits[split].shards},
            remote["cache_bytes"],
            self._fetch,
            super().close,
        )

    def read(self, clip: int, member: str) -> memoryview:
        """Return a member of a clip, read-only; waits until its shard is there.

        Raises:
            BadItem: The shard cannot be fetched, or is shorter than the index says.
        """
        with self._cache.reading(self._shard_name(clip)) as path:
            try:
                return super().read(clip, member)
            except BadItem:
                if path.exists():
                    raise
        # Another process that shares the mirror made room in this very moment.
        return self.read(clip, member)

    def will_read(self, clip: int, member: str) -> None:
        """Do nothing: `follow` tells more, and earlier."""

    def follow(self, clips_of_step: Callable[[int], Iterable[int]], first_step: int) -> None:
        """Fetch shards in the order in which steps will read their clips.

        Args:
            clips_of_step: Clips that a step reads; none past the end.
            first_step: The first step.

        Raises:
            UserError: One step alone reads more shards than the cache holds.
        """
        self._cache.follow(
            lambda step: {self._shard_name(clip) for clip in clips_of_step(step)}, first_step
        )

    def at_step(self, step: int) -> None:
        """Hear that all steps before this one are done with."""
        self._cache.at_step(step)

    def close(self) -> None:
        """Stop fetching and close the shards; the mirror stays."""
        self._cache.close()
        super().close()

    def __getstate__(self) -> dict[str, Any]:
        return {"dataset": self.dataset, "split": self.split}

    def _shard_name(self, clip: int) -> str:
        return self._shard_names[int(self.shard_numbers[clip])]

    def _fetch(self, name: str, shard: ShardInfo, path: Path) -> None:
        fetch(f"{self._url}/{name}", path, shard.sha256)


def fetch(url: str, path: Path, sha256: str | None = None) -> None:
    """Copy a remote file to `path`, which appears only when whole; try again a few times.

    Raises:
        BadItem: ``"not-found"``, or ``"checksum"`` when the content is not as announced.
        OSError: The last attempt failed, or the disk is full.
    """
    for attempt in range(ATTEMPTS):
        try:
            digest = hashlib.sha256()
            with _open(url) as source, atomic_write(path) as target:
                for chunk in _chunks(source):
                    digest.update(chunk)
                    target.write(chunk)
                if sha256 is not None and digest.hexdigest() != sha256:
                    raise BadItem("checksum", f"{url} is not what dataset.json announces")
            return
        except (OSError, BadItem) as error:
            final = isinstance(error, BadItem) and error.reason == "not-found"
            if final or attempt == ATTEMPTS - 1:
                raise
            time.sleep(PAUSE_S * 4**attempt)


def _open(url: str) -> IO[bytes]:
    scheme = url.partition(":")[0]
    if scheme in ("http", "https", "file"):
        try:
            answer: IO[bytes] = urllib.request.urlopen(url, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            if 400 <= error.code < 500 and error.code not in (408, 425, 429):
                raise BadItem("not-found", f"{url}: {error.code} {error.reason}") from None
            raise OSError(f"{url}: {error.code} {error.reason}") from None
        return answer
    import fsspec  # type: ignore[import-untyped]

    try:
        return fsspec.open(url, "rb").open()
    except FileNotFoundError:
        raise BadItem("not-found", f"{url} does not exist") from None
    except (ImportError, ValueError) as error:
        raise BadItem("not-found", f"{url}: {error}") from None


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK_BYTES):
        yield chunk
