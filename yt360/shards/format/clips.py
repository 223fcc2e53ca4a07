"""Read clips of a dataset as arrays."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yt360.errors import BadItem, UserError, did_you_mean
from yt360.shards.check.clip import ClipShape, clip_audio, clip_video
from yt360.shards.format.clip_facts import parse_facts
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.scan import scan_shard
from yt360.shards.format.schema import CLIP_MEMBERS, DATASET_FILE
from yt360.splits import SPLITS, Split
from yt360.untrusted.files import open_regular
from yt360.untrusted.parsing import parse_json


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip as arrays.

    Attributes:
        key: Its name, ``{video_id}-{start_s:05d}``.
        frames: uint8 (T, H, W, 3) RGB: mono equirectangular, the front in the middle column.
        ambix: float32 (4, S), full scale 1: ambiX W, Y, Z, X, starting with the first frame.
        facts: The content of its ``.json``, as shards/README.md specifies it.
    """

    key: str
    frames: NDArray[np.uint8]
    ambix: NDArray[np.float32]
    facts: Mapping[str, Any]

    def __repr__(self) -> str:
        """Return the key, and the types and shapes of the arrays."""
        return (
            f"Clip({self.key!r}, frames: {self.frames.dtype} {self.frames.shape}, "
            f"ambix: {self.ambix.dtype} {self.ambix.shape})"
        )

    @property
    def video_id(self) -> str:
        """Id of the video that it was cut from."""
        return str(self.facts["video_id"])

    @property
    def start_s(self) -> int:
        """Second of the video at which it starts."""
        return int(self.facts["start_s"])

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return float(self.facts["duration_s"])

    @property
    def fps(self) -> float:
        """Frames per second of `frames`."""
        return float(self.facts["fps"])

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of `ambix`."""
        return int(self.facts["sample_rate_hz"])


def open_dataset(dataset: str | Path, split: Split = "train") -> ShardReader:
    """Open a split of a dataset for random access; only its index is read.

    Args:
        dataset: The dataset folder.
        split: ``"train"`` or ``"test"``.

    Returns:
        A reader: ``len(reader)``, ``reader.keys``, ``reader.rows``, ``reader.read(clip, "mp4")``.
        Give it to `read_clip` instead of the folder, to read the index only once.

    Raises:
        UserError: The folder is not a dataset, has no such split, or its index is damaged.
    """
    return ShardReader(Path(dataset), split)


def read_clip(source: str | Path | ShardReader, key: str) -> Clip:
    """Decode a clip.

    Args:
        source: A dataset folder, a shard of clips (``.tar``), or a reader from `open_dataset`.
        key: The clip's name.

    Raises:
        UserError: `source` is none of these, or has no such clip.
        BadItem: The clip does not decode to what its ``.json`` says.
    """
    read = _member_reader(source, key)
    content = read("json")
    try:
        checked = parse_facts(content)
        facts = parse_json(content, dict[str, Any])
    except ValueError as error:
        raise BadItem("bad-json", f"{key}: its .json is damaged: {error}") from None
    try:
        shape = ClipShape.of(checked)
        ambix = np.divide(clip_audio(read("flac"), shape), 32768, dtype=np.float32)
        video = clip_video(read("mp4"), shape)
        frames: NDArray[np.uint8] = np.stack([frame.to_ndarray(format="rgb24") for frame in video])
    except BadItem as error:
        raise BadItem(error.reason, f"{key}: {error.detail}") from None
    return Clip(key, frames, ambix, facts)


def undo_field_correction(
    ambix: NDArray[np.floating], facts: Mapping[str, Any]
) -> NDArray[np.floating]:
    """Return the audio of a clip with the gain between W and X, Y, Z of its source.

    It inverts the correction that ``build-shards`` recorded in the facts, apart from the rounding
    of the stored audio to 16 bits. Audio without a correction is returned as it is.

    Args:
        ambix: Audio (4, S) of a whole clip in the order W, Y, Z, X, such as `Clip.ambix`.
        facts: Its facts, such as `Clip.facts`.

    Raises:
        ValueError: The facts are damaged.
    """
    checked = parse_facts(json.dumps(facts).encode())
    correction = checked.conversion.clip.sound.field_correction
    if correction is None or checked.sample_rate_hz is None:
        return ambix
    return correction.undo(ambix, checked.sample_rate_hz)


def _member_reader(source: str | Path | ShardReader, key: str) -> Callable[[str], bytes]:
    """Return a function that reads a member of the clip."""
    if isinstance(source, ShardReader):
        if key in source.keys:
            clip = source.keys.index(key)
            return lambda member: bytes(source.read(clip, member))
        raise _no_clip(key, source.dataset / source.split, source.keys)
    path = Path(source)
    if path.is_file():
        return _member_reader_of_shard(path, key)
    keys: list[str] = []
    for split in SPLITS:
        if (path / split).is_dir() or not (path / DATASET_FILE).exists():
            reader = ShardReader(path, split)  # raises if the folder is not a dataset
            if key in reader.keys:
                return _member_reader(reader, key)
            keys += reader.keys
    raise _no_clip(key, path, keys)


def _member_reader_of_shard(path: Path, key: str) -> Callable[[str], bytes]:
    keys = []
    for sample in scan_shard(path):
        keys.append(sample.key)
        if sample.key == key and set(sample.members) >= set(CLIP_MEMBERS):
            members = sample.members
            return lambda member: _part_of(path, *members[member])
    raise _no_clip(key, path, keys)


def _part_of(path: Path, offset: int, size: int) -> bytes:
    with open_regular(path) as file:
        return os.pread(file.fileno(), size, offset)


def _no_clip(key: str, where: Path, keys: Sequence[str]) -> UserError:
    return UserError(
        f"no clip {key!r} in {where}{did_you_mean(key, keys)}", code="missing", key=key
    )
