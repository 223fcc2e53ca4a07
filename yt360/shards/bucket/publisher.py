"""Where a build publishes its dataset."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from yt360.shards.format.dataset_info import DatasetInfo, ShardInfo
from yt360.splits import Split


class Publisher(Protocol):
    """Copies the parts of a dataset folder to their destination, in the order of a build."""

    def writing(self) -> AbstractContextManager[None]:
        """Hold the right to write during the block; entered before the build changes anything."""

    def shard(self, split: Split, shard: ShardInfo) -> None:
        """Publish a complete shard, which ``dataset.json`` does not list yet."""

    def index(self, split: Split) -> None:
        """Publish the index of a split."""

    def lists(self, info: DatasetInfo) -> None:
        """Publish ``dataset.json``, which lists published shards only."""


class InPlace:
    """The dataset folder is the destination."""

    def writing(self) -> AbstractContextManager[None]:
        """See `Publisher`."""
        return nullcontext()

    def shard(self, split: Split, shard: ShardInfo) -> None:
        """See `Publisher`."""

    def index(self, split: Split) -> None:
        """See `Publisher`."""

    def lists(self, info: DatasetInfo) -> None:
        """See `Publisher`."""
