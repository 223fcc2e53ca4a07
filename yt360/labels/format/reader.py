"""Sets of labels beside the clips of a dataset, and reading them.

A dataset may have several sets of labels, told apart by name. A set is described by
``labels-NAME.json`` and lies in ``{train,test}/NAME-000000.tar``: the shard of clips of the same
number, the same keys in the same order, each with one member ``NAME.npz``. Clips that could not be
labelled are absent, and so are whole shards that nobody has labelled yet.
"""

from __future__ import annotations

import errno
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from yt360.errors import BadItem, UserError, did_you_mean
from yt360.files import write_json
from yt360.labels.format.maps import LabelMaps, decode_labels
from yt360.labels.format.shard_file import Contents, LabelShardFile
from yt360.shards.builder.options import first_difference
from yt360.shards.format.index_file import read_index
from yt360.shards.format.schema import CLIPS, DatasetInfo, parse_shard_name, shard_name
from yt360.untrusted.files import read_limited
from yt360.untrusted.parsing import parse_json

FORMAT = "yt360-labels"
FORMAT_VERSION = 1
DEFAULT_NAME = "panoptic"
MAX_OPEN_SHARDS = 64
_NOTHING = Contents((), {})
MIN_FPS, MAX_FPS = 1e-3, 60
MAX_ROWS = 1 << 14
_NAME = re.compile(r"[a-z][a-z0-9_]{0,23}")
_MAX_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class LabelSet:
    """How a set of labels was made.

    Attributes:
        name: Its name.
        fps: Maps per second; map i shows second i / fps of its clip.
        height: Rows of the maps.
        width: Columns of the maps.
        made_by: What decided the labels: segmenter, checkpoint, views.
    """

    name: str
    fps: Annotated[float, Field(ge=MIN_FPS, le=MAX_FPS)]
    height: Annotated[int, Field(ge=1, le=MAX_ROWS)]
    width: Annotated[int, Field(ge=1, le=2 * MAX_ROWS)]
    made_by: Mapping[str, Any]

    @staticmethod
    def path(dataset: Path, name: str) -> Path:
        """Return where a set is described."""
        return dataset / f"labels-{name}.json"

    @classmethod
    def load(cls, dataset: Path, name: str) -> LabelSet:
        """Read the description of a set.

        Raises:
            UserError: `dataset` is none, or has no such set, or its description is damaged.
        """
        DatasetInfo.load(dataset)
        path = cls.path(dataset, name)
        known = label_sets(dataset)
        if name not in known:
            hint = did_you_mean(name, known) if known else "; `yt360 pseudolabel` makes them"
            raise UserError(f"{dataset} has no labels named {name!r}{hint}")
        try:
            content = read_limited(path, _MAX_BYTES, inside=dataset)
            if parse_json(content, _Head) != _Head(format=FORMAT, format_version=FORMAT_VERSION):
                raise UserError(f"{path} is of another format or version")
            labels = parse_json(content, cls)
            if labels.name != name:
                raise ValueError(f"it describes the labels {labels.name!r}")
        except ValueError as error:
            raise UserError(f"{path} is damaged: {error}") from None
        return labels

    def create(self, dataset: Path) -> None:
        """Describe a new set, or make sure that the one that is there was made the same way.

        It is called when there is a shard of labels to write, so that a run that fails before
        leaves no set without labels.

        Raises:
            UserError: The name cannot be used, or its labels were made otherwise.
        """
        check_name(self.name)
        path = self.path(dataset, self.name)
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        if not path.exists():
            write_json(path, content, replace=False)  # what another worker wrote meanwhile stays
        self.check(dataset)

    def check(self, dataset: Path) -> None:
        """Make sure that the set of this name, if there is one, was made the same way.

        Raises:
            UserError: It was made otherwise.
        """
        if not self.path(dataset, self.name).exists():
            return
        present = self.load(dataset, self.name)
        difference = first_difference(asdict(self), asdict(present))
        if difference is not None:
            raise UserError(
                f"the labels {self.name!r} of {dataset} were made otherwise ({difference}); "
                "go on with the same options, or choose another --name"
            )


@dataclass(frozen=True, kw_only=True)
class _Head:
    """What says whether the rest of a description can be read."""

    format: str
    format_version: int


def check_name(name: str) -> None:
    """Refuse names that no set of labels can have.

    Raises:
        UserError: The name is taken by the format or holds other characters.
    """
    if not _NAME.fullmatch(name) or name == CLIPS:
        raise UserError(
            f"labels cannot be named {name!r}: use up to 24 lower-case letters, digits and '_', "
            f"beginning with a letter, and not {CLIPS!r}"
        )


def label_sets(dataset: Path) -> list[str]:
    """Return the names of a dataset's sets of labels."""
    names = (path.stem.removeprefix("labels-") for path in dataset.glob("labels-*.json"))
    return sorted(name for name in names if _NAME.fullmatch(name))


class LabelReader:
    """The labels of a split, by key; may be used from many threads.

    Clips that are labelled while a reader is open need not appear in it; whatever it returns is the
    clip's own.

    Args:
        dataset: The dataset folder.
        split: ``"train"`` or ``"test"``.
        name: Which set of labels.

    Raises:
        UserError: `dataset` is none or has no such labels.
    """

    def __init__(self, dataset: Path, split: str, name: str = DEFAULT_NAME) -> None:
        self.info = LabelSet.load(dataset, name)
        self.folder = dataset / split
        table = read_index(self.folder, DatasetInfo.load(dataset).splits[split])
        shards = table.column("shard").to_pylist()
        self._shard_of = dict(zip(table.column("key").to_pylist(), shards, strict=True))
        self._contents: dict[str, Contents] = {}
        self._open: OrderedDict[str, LabelShardFile] = OrderedDict()
        self._lock = threading.Lock()

    @cached_property
    def keys(self) -> list[str]:
        """Keys of the clips that have labels, in the order of the index."""
        return [key for key in self._shard_of if key in self]

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: object) -> bool:
        clips = self._shard_of.get(key) if isinstance(key, str) else None
        if clips is None:
            return False
        if clips not in self._contents:
            self._shard(clips)
        return key in self._contents[clips].ranges

    def read_bytes(self, key: str) -> bytes:
        """Return the ``.npz`` of a clip.

        Raises:
            BadItem: The clip has no labels, or their shard was cut short.
        """
        try:
            return self._read_bytes(key)
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
            # The file server forgot a file that another machine replaced.
            with self._lock:
                self._open.pop(self._shard_of[key], None)
            return self._read_bytes(key)

    def read(self, key: str) -> LabelMaps:
        """Return the labels of a clip.

        Raises:
            BadItem: The clip has no labels, or they are damaged.
        """
        return decode_labels(self.read_bytes(key))

    def _read_bytes(self, key: str) -> bytes:
        clips = self._shard_of.get(key)
        shard = None if clips is None else self._shard(clips)
        if shard is None or key not in shard.contents.ranges:
            raise BadItem("no-labels", f"clip {key} has no labels {self.info.name!r}")
        return shard.read(key)

    def _shard(self, clips: str) -> LabelShardFile | None:
        """Return the labels of a shard of clips, opened; None where there are none."""
        with self._lock:
            shard = self._open.pop(clips, None)
            known = self._contents.get(clips)
            if shard is None and known is not _NOTHING:
                path = label_shard(self.folder / clips, self.info.name)
                with suppress(FileNotFoundError):
                    shard = LabelShardFile(path, self.info.name, known)
            self._contents[clips] = _NOTHING if shard is None else shard.contents
            if shard is not None:
                self._open[clips] = shard
                if len(self._open) > MAX_OPEN_SHARDS:
                    self._open.popitem(last=False)
            return shard


def label_shard(clip_shard: Path, name: str) -> Path:
    """Return the shard of labels beside a shard of clips."""
    parsed = parse_shard_name(clip_shard.name)
    if parsed is None:
        raise UserError(f"{clip_shard.name!r} is no name of a shard")
    return clip_shard.with_name(shard_name(parsed[1], name))
