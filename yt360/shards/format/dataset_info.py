"""The content of ``dataset.json``: splits, shards, and what was left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from yt360.buckets.address import require_local
from yt360.errors import UserError
from yt360.files import write_json
from yt360.shards.format.schema import (
    DATASET_FILE,
    FORMAT,
    FORMAT_VERSION,
    ClipCount,
    ClipShardName,
    Second,
)
from yt360.splits import SPLITS
from yt360.untrusted.files import MAX_JSON_BYTES, read_limited
from yt360.untrusted.parsing import Count, Seconds, Sha256, parse_json


@dataclass(frozen=True, kw_only=True)
class ShardInfo:
    """A finished shard."""

    name: ClipShardName
    clips: ClipCount
    bytes: Count
    sha256: Sha256


def _require_unique_shards(shards: tuple[ShardInfo, ...]) -> tuple[ShardInfo, ...]:
    name, count = Counter(shard.name for shard in shards).most_common(1)[0] if shards else ("", 0)
    if count > 1:
        raise ValueError(f"{name} is listed {count} times")
    return shards


@dataclass(frozen=True, kw_only=True)
class SplitInfo:
    """Content of a split."""

    clips: ClipCount = 0
    videos: ClipCount = 0
    duration_s: Seconds = 0.0
    shards: Annotated[tuple[ShardInfo, ...], AfterValidator(_require_unique_shards)] = ()


def _require_all_splits(splits: Mapping[str, SplitInfo]) -> Mapping[str, SplitInfo]:
    missing = [split for split in SPLITS if split not in splits]
    if missing:
        raise ValueError(f"the split {missing[0]!r} is missing")
    return {split: splits[split] for split in SPLITS}


REMAINDER, UNLISTED = "remainder", "unlisted"
REST_REASONS = frozenset({REMAINDER, UNLISTED})
"""Reasons for leftover time, which is not a defect."""

_Lost = Second | Seconds
"""Seconds; a whole number stays an int, so that ``dataset.json`` keeps its bytes."""
FileId = tuple[str, int, str]
"""Video id, second of the uploaded video at which a file starts, name of the file."""


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """An input, or a part of one, that is not in the dataset, and the reason.

    Attributes:
        video_id: The uploaded video that it belongs to.
        file_start_s: Second of the uploaded video at which the file starts.
        start_s: Second of the uploaded video at which the part starts; None for the whole file.
        file: Name of the file, relative to the input that held it.
        reason: Short slug to count by.
        detail: One sentence with the numbers behind the reason.
        fingerprint: Fingerprint of the file, which changes if the file is replaced.
        lost_s: Seconds that are in no clip because of this; None for a file of unknown length.
        measurements: Numbers of all quality checks on the file, by check; empty unless one of them
            rejected it.
    """

    video_id: str
    file_start_s: Second
    start_s: Second | None
    file: str
    reason: str
    detail: str
    fingerprint: str
    lost_s: _Lost | None = None
    measurements: Mapping[str, Mapping[str, float]] = field(default_factory=dict, hash=False)

    @property
    def is_rest(self) -> bool:
        """Whether this is leftover time rather than a defect."""
        return self.reason in REST_REASONS

    @property
    def file_id(self) -> FileId:
        """Identity of the file."""
        return self.video_id, self.file_start_s, self.file

    @property
    def order(self) -> tuple[FileId, int]:
        """Sort key of rejections: file, then time."""
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
        options: Build options; extending the dataset needs the same ones.
        splits: Content of each split.
        rejected: Rejected inputs and parts, in order of video and time.
        complete: False while a build is running, or if it was killed.
        unfinished: Keys of inputs of which only a part is in shards.
        built_with: Version of the program that created it.
    """

    options: Mapping[str, Any]
    splits: Annotated[Mapping[str, SplitInfo], AfterValidator(_require_all_splits)] = field(
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
        """Seconds that are in no clip, without files of unknown length."""
        return sum(item.lost_s or 0.0 for item in self.rejected)

    @property
    def covered_s(self) -> float:
        """Seconds that both the video and the audio of all inputs cover."""
        return self.clips_s + self.lost_s

    def save(self, dataset: Path) -> None:
        """Write ``dataset.json`` atomically; the bytes depend on the content alone."""
        write_json(dataset / DATASET_FILE, self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return the content as plain JSON values."""
        content = {key: value for key, value in asdict(self).items() if key != "options"}
        for item in content["rejected"]:
            if not item["measurements"]:
                del item["measurements"]
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
            UserError: It does not exist, is of another format or version, or is damaged; or the
                folder of a split is a link that leads out of the dataset.
        """
        path = dataset / DATASET_FILE
        try:
            content = read_limited(path, MAX_JSON_BYTES, inside=dataset)
            head = parse_json(content, _Head)
            if head.format != FORMAT:
                raise UserError(
                    f"{path} does not describe a dataset of the format {FORMAT!r}", key=path
                )
            if head.format_version != FORMAT_VERSION:
                raise UserError(
                    f"{path} has format version {head.format_version!r}; "
                    f"this program reads version {FORMAT_VERSION}",
                    code="unsupported",
                    key=path,
                )
            info = parse_json(content, cls)
        except (FileNotFoundError, NotADirectoryError):
            require_local(dataset, "the dataset")
            raise UserError(
                f"{dataset} is not a dataset: it has no {DATASET_FILE}; make one with "
                "`yt360 build-shards INPUT --out DATASET`",
                code="missing",
                key=dataset,
            ) from None
        except ValueError as error:
            raise UserError(f"{path} is damaged: {error}", key=path) from None
        for split in SPLITS:
            _require_inside(dataset / split, dataset)
        return info


@dataclass(frozen=True, kw_only=True)
class _Head:
    """The fields that decide whether the rest of ``dataset.json`` can be read."""

    format: Annotated[str, Field(max_length=100)] | None = None
    format_version: Count | None = None


def _require_inside(folder: Path, dataset: Path) -> None:
    """Check that a folder, which may be written to, does not lead out of the dataset."""
    if not Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(dataset)):
        raise UserError(
            f"{folder} is a link that leads out of {dataset}; move its files there",
            code="forbidden",
            key=folder,
        )
