"""The files of a dataset that a hub may hold, and the list of its clips."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from yt360.errors import UserError
from yt360.hub.local_file import LocalFile
from yt360.labels.format.label_set import label_sets
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.index_file import read_index
from yt360.shards.format.schema import AUDIO_STATS_FILE, DATASET_FILE, INDEX_FILE, parse_shard_name
from yt360.splits import SPLITS
from yt360.untrusted.names import file_name

CARD_FILE, CROISSANT_FILE = "README.md", "croissant.json"
CLIP_LIST_FILE, PICTURE_FILE = "clips.csv", "picture.png"
FEATURES_FOLDER = "features"
_SUFFIX = ".parquet"
_LABEL_FILE = re.compile(r"labels-[a-z][a-z0-9_]{0,23}\.json")
_TOP = frozenset(
    {CARD_FILE, CROISSANT_FILE, CLIP_LIST_FILE, PICTURE_FILE, DATASET_FILE, AUDIO_STATS_FILE}
)


@dataclass(frozen=True)
class DatasetFiles:
    """Files of a dataset, by what they hold.

    Attributes:
        media: Shards of clips.
        labels: Shards of labels.
        features: Files of features.
        lists: Descriptions, statistics and indexes.
    """

    media: tuple[LocalFile, ...]
    labels: tuple[LocalFile, ...]
    features: tuple[LocalFile, ...]
    lists: tuple[LocalFile, ...]


def dataset_files(dataset: Path, info: DatasetInfo, features: tuple[Path, ...]) -> DatasetFiles:
    """Return the files of a complete dataset.

    Args:
        dataset: Its folder.
        info: Its description.
        features: Files of `avsa embed`.

    Raises:
        UserError: ``"missing"``: A shard that is listed does not exist. ``"invalid"``: A file of
            features is not Parquet by its name, or two have the same name.
    """
    media, labels, lists = [], [], []
    names = label_sets(dataset)
    for split in SPLITS:
        for shard in info.splits[split].shards:
            path = dataset / split / shard.name
            if not path.is_file():
                raise UserError(
                    f"{path} is missing; dataset.json lists it, see `yt360 check`", "missing", path
                )
            media.append(LocalFile(f"{split}/{shard.name}", path, shard.sha256))
        if info.splits[split].clips:
            lists.append(_last(f"{split}/{INDEX_FILE}", dataset))
        for path in sorted((dataset / split).glob("*.tar")):
            parsed = parse_shard_name(path.name)
            if parsed is not None and parsed[0] in names:
                labels.append(LocalFile(f"{split}/{path.name}", path))
    if (dataset / AUDIO_STATS_FILE).is_file():
        lists.append(_last(AUDIO_STATS_FILE, dataset))
    lists += [_last(f"labels-{name}.json", dataset) for name in names]
    lists.append(_last(DATASET_FILE, dataset))
    return DatasetFiles(tuple(media), tuple(labels), _features(features), tuple(lists))


def clip_list(dataset: Path, info: DatasetInfo) -> bytes:
    """Return a CSV list of clips, with starts, ends and splits, for ``yt360 import --list``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["video_id", "start_s", "end_s", "split"])
    for split in SPLITS:
        if not info.splits[split].clips:
            continue
        table = read_index(dataset / split, info.splits[split])
        columns = (table.column(name) for name in ("video_id", "start_s", "duration_s"))
        for video_id, start_s, duration_s in zip(*(c.to_pylist() for c in columns), strict=True):
            writer.writerow([video_id, start_s, f"{start_s + duration_s:g}", split])
    return text.getvalue().encode()


def is_earlier(earlier: DatasetInfo, later: DatasetInfo) -> bool:
    """Return whether a dataset is another one before shards were appended, or the same."""
    return dict(earlier.options) == dict(later.options) and all(
        later.splits[split].shards[: len(earlier.splits[split].shards)]
        == earlier.splits[split].shards
        for split in SPLITS
    )


def is_dataset_path(path: str) -> bool:
    """Return whether a path on a hub can be that of a file of a dataset, and is safe to write."""
    folder, _, name = path.rpartition("/")
    try:
        file_name(name)
    except ValueError:
        return False
    if not folder:
        return name in _TOP or _LABEL_FILE.fullmatch(name) is not None
    if folder == FEATURES_FOLDER:
        return name.endswith(_SUFFIX)
    return folder in SPLITS and (name == INDEX_FILE or parse_shard_name(name) is not None)


def is_media_path(path: str) -> bool:
    """Return whether a path on a hub is that of a shard of clips."""
    parsed = parse_shard_name(path.rpartition("/")[2])
    return parsed is not None and parsed[0] == "clips"


def _last(path: str, dataset: Path) -> LocalFile:
    return LocalFile(path, dataset / path, is_last=True)


def _features(paths: tuple[Path, ...]) -> tuple[LocalFile, ...]:
    return tuple(sorted(_checked_features(paths), key=lambda file: file.path))


def _checked_features(paths: tuple[Path, ...]) -> Iterator[LocalFile]:
    seen = set()
    for path in paths:
        if not path.is_file():
            raise UserError(
                f"there is no file {path}; `avsa embed` writes features", "missing", path
            )
        remote = f"{FEATURES_FOLDER}/{path.name}"
        if not is_dataset_path(remote) or remote in seen:
            raise UserError(
                f"{path} cannot be pushed as {remote}; give files of different names that end with "
                f"{_SUFFIX}",
                key="--features",
            )
        seen.add(remote)
        yield LocalFile(remote, path)
