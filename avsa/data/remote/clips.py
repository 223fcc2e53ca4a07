"""Clips of remote datasets.

Whole shards are prefetched into a mirror (`avsa.data.remote.mirror`) in the training order, and
evicted when the cache is full. Set ``sampling.window_shards`` so that the order uses few shards at
a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from avsa.data.remote.fetching import RemoteFile, fetch
from avsa.data.remote.mirror import read_remote
from avsa.data.remote.shard_cache import ShardCache
from avsa.data.remote.shard_order import Schedule
from yt360.files import resolved
from yt360.shards.format.dataset_info import ShardInfo
from yt360.shards.format.index_file import INDEX_SCHEMA
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.shard_file import ShardFile
from yt360.splits import SPLITS


class RemoteClips(ShardReader):
    """The clips of a split of a mirror.

    Args:
        dataset: Folder of the mirror.
        split: ``"train"`` or ``"test"``.
        columns: See `ShardReader`.

    Raises:
        UserError: See `ShardReader`; or the cache is too small for two shards.
    """

    shards_stay = False

    def __init__(
        self, dataset: Path, split: str, *, columns: Sequence[str] = tuple(INDEX_SCHEMA.names)
    ) -> None:
        super().__init__(dataset, split, columns=columns)
        announced = {shard.name: shard for shard in self.info.splits[split].shards}
        # A rebuilt dataset has other shards with the same names.
        self._shard_names = [local_name(announced[name]) for name in self._shard_names]
        self._sizes = {f"{split}/{local_name(shard)}": shard.bytes for shard in announced.values()}
        self._cache = _join_cache(self)

    @property
    def _advice(self) -> str:
        return "the dataset may have changed while it was copied: try again"

    def _shard(self, clip: int) -> ShardFile:
        """Open the shard of a clip, after it was fetched.

        It is closed after the read: open shards would stay on disk after their eviction.

        Raises:
            BadItem: The shard cannot be fetched.
            UserError: The clips were closed while waiting.
        """
        with self._cache.reading(self.cache_name(clip)):
            return ShardFile(self._shard_path(clip), self._folder)

    def is_present(self, clip: int) -> bool:
        """Return whether the shard of a clip has been fetched."""
        return self._shard_path(clip).exists()

    def read_in_order(
        self, clips_of_step: Callable[[int], Iterable[int]], first_step: int
    ) -> RemoteClipsInOrder:
        """Fetch shards in the order in which steps will read their clips.

        Args:
            clips_of_step: Returns the clips that a step reads on all ranks; empty past the end.
            first_step: The first step.

        Returns:
            The clips in this order, which the caller must close.

        Raises:
            UserError: One step reads more shards than fit into the cache.
        """

        def shards_of_step(step: int) -> set[str]:
            return {self.cache_name(clip) for clip in clips_of_step(step)}

        schedule = Schedule(self._sizes, shards_of_step, first_step)
        self._cache.add_schedule(schedule, shards_of_step(first_step))
        return RemoteClipsInOrder(self, self._cache, schedule)

    def close(self) -> None:
        """Stop fetching; the mirror remains."""
        _leave_cache(self)

    def __getstate__(self) -> dict[str, Any]:
        return {"dataset": self.dataset, "split": self.split, "columns": self.columns}

    def cache_name(self, clip: int) -> str:
        """Return the name of a clip's shard in the cache."""
        return f"{self.split}/{self.shard_name(clip)}"

    def _shard_path(self, clip: int) -> Path:
        return self._folder / self.cache_name(clip)


class RemoteClipsInOrder:
    """Remote clips in a known order, for readers in other processes."""

    def __init__(self, clips: RemoteClips, cache: ShardCache, schedule: Schedule) -> None:
        self._clips, self._cache, self._schedule = clips, cache, schedule

    def by_shard(self, clips: Sequence[int]) -> list[list[int]]:
        """Return the numbers, in the list, of the clips of each shard."""
        groups: dict[int, list[int]] = {}
        for number, clip in enumerate(clips):
            groups.setdefault(int(self._clips.shard_numbers[clip]), []).append(number)
        return list(groups.values())

    def present(self, clip: int) -> AbstractContextManager[None]:
        """Wait until the shard of a clip has been fetched, and keep it while the block runs.

        Raises:
            BadItem: ``"shard-unreadable"``: the shard cannot be fetched.
            OSError: An error of this machine, such as a full disk.
            UserError: The order or the clips were closed while waiting.
        """
        return self._cache.reading(self._clips.cache_name(clip), self._schedule)

    def advance_to(self, step: int) -> None:
        """Mark all steps before this one as finished."""
        self._cache.advance_to(self._schedule, step)

    def close(self) -> None:
        """Stop prefetching for this order; waiting raises `UserError`."""
        self._cache.remove_schedule(self._schedule)


def local_name(shard: ShardInfo) -> str:
    """Return the name of a shard in a mirror, which contains a part of its checksum."""
    stem, dot, ending = shard.name.rpartition(".")
    return f"{stem}-{shard.sha256[:12]}{dot}{ending}"


_caches: dict[Path, ShardCache] = {}
_caches_lock = threading.Lock()


def _join_cache(clips: RemoteClips) -> ShardCache:
    """Return the cache of a mirror, which all its splits in this process share."""
    remote, folder = read_remote(clips.dataset), resolved(clips.dataset)
    shards = {
        f"{split}/{local_name(shard)}": RemoteFile(
            f"{remote.url}/{split}/{shard.name}", shard.bytes, shard.sha256
        )
        for split in SPLITS
        for shard in clips.info.splits[split].shards
    }
    with _caches_lock:
        cache = _caches.get(folder) or ShardCache(folder, fetch)
        cache.register(clips, shards, remote.cache_bytes)
        _caches[folder] = cache
    return cache


def _leave_cache(clips: RemoteClips) -> None:
    with _caches_lock:
        if clips._cache.unregister(clips) and _caches.get(clips._cache.root) is clips._cache:
            del _caches[clips._cache.root]
