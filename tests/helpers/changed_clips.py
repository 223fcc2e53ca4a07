"""A dataset in which some clips have changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from yt360.shards.format.reader import ShardReader


class ChangedClips(ShardReader):
    """The split of a dataset in which some clips are in shards of their own, in its folder."""

    def __init__(self, dataset: Path, split: str) -> None:
        super().__init__(dataset, split)
        self._elsewhere: dict[int, object] = {}

    def change(self, clip: int, member: str, change: Callable[[bytes], bytes | None]) -> None:
        """Change a member; None removes its shard, fewer bytes cut it short."""
        (location,) = self.locate([clip])
        begin, size = (getattr(location, f"{member}_{each}") for each in ("offset", "bytes"))
        content = Path(location.shard).read_bytes()
        changed = change(content[begin : begin + size])
        own = self.dataset / self.split / f"clip-{clip}.tar"
        if changed is not None:
            rest = content[begin + size :] if len(changed) == size else b""
            own.write_bytes(content[:begin] + changed + rest)
        self._elsewhere[clip] = location._replace(shard=str(own))

    def locate(self, clips):
        located = zip(clips, super().locate(clips), strict=True)
        return [self._elsewhere.get(clip, location) for clip, location in located]
