"""Read the sets of labels of a dataset.

A dataset may have several sets of labels, distinguished by name. ``labels-NAME.json`` describes a
set, and its shards are ``{train,test}/NAME-000000.tar``: a shard has the number of its shard of
clips and the same keys in the same order, each with one member ``NAME.npz``. Clips and whole shards
without labels are left out.
"""

from __future__ import annotations

import errno
import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from yt360.errors import BadItem
from yt360.labels.format.label_set import DEFAULT_NAME, LabelSet
from yt360.labels.format.maps import LabelMaps, decode_labels
from yt360.labels.format.shard_file import Contents, LabelShardFile, label_shard
from yt360.shards.format.columns import TextLookup
from yt360.shards.format.reader import ShardReader

MAX_OPEN_SHARDS = 64
MAX_KNOWN_SHARDS = 1024
"""Shards that need not be searched when they are opened again: 0.3 kB for each clip."""
_NOTHING = Contents((), {})


class LabelReader:
    """The labels of a split, by key. All methods may be called from many threads.

    Clips that are labelled while a reader is open may or may not appear in it; the labels that it
    returns always belong to the clip.

    Args:
        dataset: The dataset folder.
        split: ``"train"`` or ``"test"``.
        name: Which set of labels.

    Raises:
        UserError: `dataset` is not a dataset or has no such labels.
    """

    def __init__(self, dataset: Path, split: str, name: str = DEFAULT_NAME) -> None:
        self.info = LabelSet.load(dataset, name)
        self.folder = dataset / split
        self._clips = ShardReader(dataset, split)
        self._lookup = TextLookup(self._clips.keys)
        self._known: OrderedDict[str, Contents] = OrderedDict()
        self._open: OrderedDict[str, LabelShardFile] = OrderedDict()
        self._lock = threading.Lock()

    @cached_property
    def keys(self) -> list[str]:
        """Keys of the clips that have labels, in the order of the index."""
        found = []
        for shard, clips in self._clips.clips_of_shards():
            labelled = self._ranges(shard)
            found += [(clip, key) for clip in clips if (key := self._clips.keys[clip]) in labelled]
        return [key for _, key in sorted(found)]

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: object) -> bool:
        clips = self._shard_of(key) if isinstance(key, str) else None
        return clips is not None and key in self._ranges(clips)

    def read_bytes(self, key: str) -> bytes:
        """Return the ``.npz`` of a clip.

        Raises:
            BadItem: The clip has no labels, or their shard is truncated.
        """
        try:
            return self._read_bytes(key)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
            # A network file system invalidates a file that another machine replaces.
            with self._lock:
                self._open.pop(self._shard_of(key) or "", None)
            return self._read_bytes(key)

    def read(self, key: str) -> LabelMaps:
        """Return the labels of a clip.

        Raises:
            BadItem: The clip has no labels, or they are damaged.
        """
        return decode_labels(self.read_bytes(key))

    def _read_bytes(self, key: str) -> bytes:
        clips = self._shard_of(key)
        shard = None if clips is None else self._shard(clips)
        if shard is None or key not in shard.contents.ranges:
            raise BadItem("no-labels", f"clip {key} has no labels {self.info.name!r}")
        return shard.read(key)

    def _shard_of(self, key: str) -> str | None:
        """Return the file name of the shard of a clip; None if there is no such clip."""
        clip = self._lookup.find(key)
        return None if clip is None else self._clips.shard_name(clip)

    def _ranges(self, clips: str) -> Mapping[str, tuple[int, int]]:
        """Return key -> (offset, length) of the labels of a shard of clips."""
        shard = self._shard(clips)
        return {} if shard is None else shard.contents.ranges

    def _shard(self, clips: str) -> LabelShardFile | None:
        """Return the open labels of a shard of clips; None if there are none."""
        with self._lock:
            shard = self._open.pop(clips, None)
            known = self._known.pop(clips, None)
            if shard is None and known is not _NOTHING:
                path = label_shard(self.folder / clips, self.info.name)
                with suppress(FileNotFoundError):
                    shard = LabelShardFile(path, self.info.name, known)
            self._known[clips] = _NOTHING if shard is None else shard.contents
            if len(self._known) > MAX_KNOWN_SHARDS:
                self._known.popitem(last=False)
            if shard is not None:
                self._open[clips] = shard
                if len(self._open) > MAX_OPEN_SHARDS:
                    self._open.popitem(last=False)
            return shard
