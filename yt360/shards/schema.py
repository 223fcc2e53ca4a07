"""The dataset folder: names, versions and the typed content of ``dataset.json``.

The folder's specification is ``shards/README.md`` at the top of the repository.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from yt360.errors import UserError
from yt360.files import write_json
from yt360.shards.cuts import REST_REASONS
from yt360.splits import SPLITS

FORMAT = "yt360-shards"
FORMAT_VERSION = 1
DATASET_FILE = "dataset.json"
INDEX_FILE = "index.parquet"
AUDIO_STATS_FILE = "audio_stats.json"
CLIPS = "clips"
CLIP_MEMBERS = ("flac", "json", "mp4")

_SHARD_NAME = re.compile(r"([a-z][a-z0-9_]*(?:-[a-z0-9_]+)*)-([0-9]{6,})\.tar")


def shard_name(number: int, kind: str = CLIPS) -> str:
    """Return the file name of a shard, such as ``clips-000003.tar``."""
    return f"{kind}-{number:06d}.tar"


def parse_shard_name(name: str) -> tuple[str, int] | None:
    """Return (kind, number) of a shard's file name, or None where it is none."""
    match = _SHARD_NAME.fullmatch(name)
    return (match[1], int(match[2])) if match else None


@dataclass(frozen=True, kw_only=True)
class ClipRow:
    """One clip of the index: where it is from, and the byte range of each of its members.

    Attributes:
        key: Name of the clip, ``{video_id}-{start_s:05d}``.
        video_id: Whole upload that it was cut from.
        start_s: Second of the upload at which it starts.
        duration_s: Its length.
        file_start_s: Second of the upload at which the file starts that it was cut from.
        shard: File name of its shard, in the folder of its split.
    """

    key: str
    video_id: str
    start_s: int
    duration_s: float
    file_start_s: int
    shard: str
    flac_offset: int
    flac_bytes: int
    json_offset: int
    json_bytes: int
    mp4_offset: int
    mp4_bytes: int

    def byte_range(self, member: str) -> tuple[int, int]:
        """Return (offset, length) of a member inside the shard."""
        return getattr(self, f"{member}_offset"), getattr(self, f"{member}_bytes")


@dataclass(frozen=True, kw_only=True)
class ShardInfo:
    """A finished shard, which never changes again."""

    name: str
    clips: int
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class SplitInfo:
    """What a split holds."""

    clips: int = 0
    videos: int = 0
    duration_s: float = 0.0
    shards: tuple[ShardInfo, ...] = ()


FileId = tuple[str, int, str]
"""Video id, second of the upload at which a file starts, name of the file."""


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """An input, or a stretch of one, that is not in the dataset, and why.

    Attributes:
        video_id: Video that it belongs to.
        file_start_s: Second of the video at which the file starts.
        start_s: Second of the video at which the stretch starts; None means the whole file.
        file: Name of the file, relative to the input that held it.
        reason: Short slug to count by.
        detail: One sentence with the numbers behind the reason.
        fingerprint: Of the file; another one on a later run means that the file was mended.
        lost_s: Seconds that are in no clip because of this; None for a file of unknown length.
    """

    video_id: str
    file_start_s: int
    start_s: int | None
    file: str
    reason: str
    detail: str
    fingerprint: str
    lost_s: float | None = None

    @property
    def is_rest(self) -> bool:
        """Whether nothing is wrong: it is what was left over beside the clips."""
        return self.reason in REST_REASONS

    @property
    def file_id(self) -> FileId:
        """Which file this is about."""
        return self.video_id, self.file_start_s, self.file

    @property
    def order(self) -> tuple[FileId, int]:
        """What rejections are sorted by: file, then time."""
        return self.file_id, -1 if self.start_s is None else self.start_s


def losses_by_reason(rejected: Iterable[Rejection]) -> dict[str, tuple[int, float]]:
    """Return the number of rejections of each reason and their seconds, most frequent first.

    Seconds of files of unknown length are not counted.
    """
    counts: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for item in rejected:
        counts[item.reason] += 1
        seconds[item.reason] += item.lost_s or 0.0  # type: ignore[assignment]
    return {reason: (count, float(seconds[reason])) for reason, count in counts.most_common()}


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """The content of ``dataset.json``.

    Attributes:
        options: How the dataset was built; adding to it needs the same.
        splits: What each split holds.
        rejected: What is not in it, in order of video and time.
        complete: False while a build is under way (or was killed).
        unfinished: Inputs (as keys) of which a part is packed and a part is not.
        built_with: Version of the program that began it.
    """

    options: Mapping[str, Any]
    splits: Mapping[str, SplitInfo] = field(
        default_factory=lambda: {split: SplitInfo() for split in SPLITS}
    )
    rejected: tuple[Rejection, ...] = ()
    complete: bool = False
    unfinished: tuple[str, ...] = ()
    built_with: str = ""

    @property
    def num_clips(self) -> int:
        """Number of clips in all splits."""
        return sum(split.clips for split in self.splits.values())

    def rejected_by_reason(self) -> dict[str, int]:
        """Count the rejections by reason, most frequent first."""
        return {reason: count for reason, (count, _) in losses_by_reason(self.rejected).items()}

    @property
    def clips_s(self) -> float:
        """Seconds in clips."""
        return sum(split.duration_s for split in self.splits.values())

    @property
    def lost_s(self) -> float:
        """Seconds that are in no clip, each for one reason; files of unknown length not counted."""
        return sum(item.lost_s or 0.0 for item in self.rejected)

    @property
    def covered_s(self) -> float:
        """Seconds that picture and sound of all inputs cover together."""
        return self.clips_s + self.lost_s

    def save(self, dataset: Path) -> None:
        """Write ``dataset.json`` atomically; the bytes depend on the content alone."""
        write_json(dataset / DATASET_FILE, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return the content as plain JSON values."""
        content = {key: value for key, value in asdict(self).items() if key != "options"}
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "options": dict(self.options),
            "rejected_by_reason": self.rejected_by_reason(),
            "lost_s_by_reason": {
                reason: round(lost_s, 3)
                for reason, (_, lost_s) in losses_by_reason(self.rejected).items()
            },
            **content,
        }

    @classmethod
    def load(cls, dataset: Path) -> DatasetInfo:
        """Read ``dataset.json``.

        Raises:
            UserError: There is none, or it is of another format or version, or damaged.
        """
        path = dataset / DATASET_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(
                f"{dataset} is no dataset: it has no {DATASET_FILE}; make one with "
                "`yt360 build-shards INPUT --out DATASET`"
            ) from None
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise UserError(f"{path} is damaged: {error}") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise UserError(f"{path} does not describe a dataset of the format {FORMAT!r}")
        if content.get("format_version") != FORMAT_VERSION:
            raise UserError(
                f"{path} has format version {content.get('format_version')!r}; "
                f"this program reads version {FORMAT_VERSION}"
            )
        try:
            return cls(
                options=dict(content["options"]),
                splits={name: _split_from(content["splits"][name]) for name in SPLITS},
                rejected=tuple(Rejection(**item) for item in content["rejected"]),
                complete=bool(content["complete"]),
                unfinished=tuple(content["unfinished"]),
                built_with=str(content["built_with"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is damaged: {type(error).__name__} {error}") from None


def _split_from(content: Mapping[str, Any]) -> SplitInfo:
    shards = tuple(ShardInfo(**shard) for shard in content["shards"])
    return SplitInfo(**{**content, "shards": shards})
