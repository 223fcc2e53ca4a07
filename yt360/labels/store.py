"""Sets of labels beside the clips of a dataset, and reading them.

A dataset may have several sets of labels, told apart by name. A set is described by
``labels-NAME.json`` and lies in ``{train,test}/NAME-000000.tar``: the shard of clips of the same
number, the same keys in the same order, each with one member ``NAME.npz``. Clips that could not be
labelled are absent, and so are whole shards that nobody has labelled yet.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from yt360.errors import BadItem, UserError, did_you_mean
from yt360.files import write_json
from yt360.labels.maps import LabelMaps, decode_labels
from yt360.shards.index import read_index, scan_shard
from yt360.shards.options import first_difference
from yt360.shards.schema import CLIPS, DatasetInfo, parse_shard_name, shard_name

FORMAT = "yt360-labels"
FORMAT_VERSION = 1
DEFAULT_NAME = "panoptic"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,23}")


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
    fps: float
    height: int
    width: int
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
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            known = label_sets(dataset)
            hint = did_you_mean(name, known) if known else "; `yt360 pseudolabel` makes them"
            raise UserError(f"{dataset} has no labels named {name!r}{hint}") from None
        except ValueError as error:
            raise UserError(f"{path} is damaged: {error}") from None
        try:
            if (content.pop("format"), content.pop("format_version")) != (FORMAT, FORMAT_VERSION):
                raise UserError(f"{path} is of another format or version")
            return cls(**content)
        except (AttributeError, KeyError, TypeError) as error:
            raise UserError(f"{path} is damaged: {error}") from None

    def create(self, dataset: Path) -> None:
        """Describe a new set, or make sure that the one that is there was made the same way.

        Raises:
            UserError: The name cannot be used, or its labels were made otherwise.
        """
        check_name(self.name)
        path = self.path(dataset, self.name)
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        if not path.exists():
            aside = path.with_name(f".{path.name}.{os.getpid()}.new")
            write_json(aside, content)
            try:
                os.link(aside, path)  # unlike a rename it never replaces what another worker wrote
            except FileExistsError:
                pass
            finally:
                aside.unlink()
        present = self.load(dataset, self.name)
        difference = first_difference(asdict(self), asdict(present))
        if difference is not None:
            raise UserError(
                f"the labels {self.name!r} of {dataset} were made otherwise ({difference}); "
                "go on with the same options, or choose another --name"
            )


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
        table = read_index(self.folder)
        shards = table.column("shard").to_pylist()
        self._shard_of = dict(zip(table.column("key").to_pylist(), shards, strict=True))
        self._ranges: dict[str, dict[str, tuple[int, int]]] = {}
        self._lock = threading.Lock()

    @cached_property
    def keys(self) -> list[str]:
        """Keys of the clips that have labels, in the order of the index."""
        return [key for key in self._shard_of if key in self]

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: object) -> bool:
        clips = self._shard_of.get(key) if isinstance(key, str) else None
        return clips is not None and key in self._members(clips)

    def read_bytes(self, key: str) -> bytes:
        """Return the ``.npz`` of a clip.

        Raises:
            BadItem: The clip has no labels.
        """
        if key not in self:
            raise BadItem("no-labels", f"clip {key} has no labels {self.info.name!r}")
        clips = self._shard_of[key]
        offset, size = self._members(clips)[key]
        with self._path(clips).open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def read(self, key: str) -> LabelMaps:
        """Return the labels of a clip.

        Raises:
            BadItem: The clip has no labels, or they are damaged.
        """
        return decode_labels(self.read_bytes(key))

    def _members(self, clips: str) -> dict[str, tuple[int, int]]:
        with self._lock:
            if clips not in self._ranges:
                self._ranges[clips] = member_ranges(self._path(clips), self.info.name)
            return self._ranges[clips]

    def _path(self, clips: str) -> Path:
        return label_shard(self.folder / clips, self.info.name)


def label_shard(clip_shard: Path, name: str) -> Path:
    """Return the shard of labels beside a shard of clips."""
    parsed = parse_shard_name(clip_shard.name)
    if parsed is None:
        raise UserError(f"{clip_shard.name!r} is no name of a shard")
    return clip_shard.with_name(shard_name(parsed[1], name))


def member_ranges(path: Path, name: str) -> dict[str, tuple[int, int]]:
    """Return key -> (offset, length) of the maps in a shard of labels; nothing where there is none.

    Raises:
        UserError: The shard cannot be read.
    """
    if not path.exists():
        return {}
    suffix = f"{name}.npz"
    return {s.key: s.members[suffix] for s in scan_shard(path) if suffix in s.members}
