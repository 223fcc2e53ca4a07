"""Count the content of a dataset: videos, clips, hours, and what the clips' ``.json`` say."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import repeat
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yt360.errors import UserError
from yt360.media.layout.field_correction import FieldCorrection
from yt360.shards.format.arrow_values import numbers_of
from yt360.shards.format.clip_facts import MAX_FACTS_BYTES, parse_facts_as_dicts
from yt360.shards.format.dataset_info import DatasetInfo
from yt360.shards.format.reader import ShardReader
from yt360.splits import SPLITS
from yt360.stats.counts import DatasetCounts, TableRow, categories_of, histograms_of, total

_LEVEL = re.compile(
    rb'"height": \d{1,5}, "quality": \{"level_dbfs": (-?\d{1,3}(?:\.\d{1,9})?)\}, "sample_rate_hz"'
)
_LEVEL_STARTS = b'"height": '
_COLUMNS = ("video_id", "start_s", "shard", "json_offset", "json_bytes")


def count_dataset(dataset: Path) -> DatasetCounts:
    """Count the content of a dataset, from its index and the ``.json`` of its clips.

    The last clip of each video tells the facts of the video. Of other clips only the level is read;
    `yt360 check` validates the rest.

    Raises:
        UserError: The folder is not a dataset, or a ``.json`` that is needed is damaged.
    """
    info = DatasetInfo.load(dataset)
    rows = {
        name: TableRow(split.videos, split.clips, split.duration_s / 3600)
        for name, split in info.splits.items()
    }
    counted = [split for split in SPLITS if info.splits[split].clips]
    readers = [ShardReader(dataset, split, columns=_COLUMNS) for split in counted]
    for reader in readers:
        _check_sizes(reader)
    video_of = _number_videos(readers)
    levels_dbfs, videos = _read_facts(readers, _is_last(video_of))
    count = partial(_count, videos)
    starts_s = [numbers_of(reader.table.column("start_s")) for reader in readers]
    return DatasetCounts(
        rows={**rows, "total": total(rows.values())},
        histograms=histograms_of(
            {
                "clips of a video": np.bincount(video_of),
                "level of a clip (dBFS)": levels_dbfs,
                "start of a clip (s)": np.concatenate([*starts_s, []]),
                "rows of the source video": [*count(lambda video: [video.rows]).elements()],
            }
        ),
        categories=categories_of(
            {
                "upload year": count(lambda video: [video.upload_year]),
                "licence": count(lambda video: [video.license]),
                "projection": count(lambda video: [video.projection]),
                "source audio": count(lambda video: [video.audio]),
                "field gain": count(lambda video: [video.field_gain]),
                "audio layout warning": count(lambda video: video.layout_warnings or ["none"]),
            }
        ),
    )


class _VideoFacts(NamedTuple):
    """The counted facts of a video; None if unknown."""

    upload_year: str
    license: str | None
    projection: str | None
    audio: str | None
    rows: int | None
    field_gain: str
    layout_warnings: tuple[str, ...]


def _count(
    videos: Counter[_VideoFacts], values: Callable[[_VideoFacts], Iterable[Any]]
) -> Counter[Any]:
    """Count the values of all videos."""
    counts: Counter[Any] = Counter()
    for video, number in videos.items():
        for value in values(video):
            counts[value] += number
    return counts


def _number_videos(readers: Sequence[ShardReader]) -> NDArray[np.int32]:
    """Return the number of the video of each clip of all readers, in the order of the index."""
    columns = [reader.table.column("video_id").chunks for reader in readers]
    column = pa.chunked_array([chunk for chunks in columns for chunk in chunks], pa.string())
    encoded = column.dictionary_encode().combine_chunks()
    return numbers_of(encoded.indices)


def _is_last(video_of: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which clips are the last ones of their videos."""
    last = np.zeros(video_of.max(initial=-1) + 1, np.int64)
    np.maximum.at(last, video_of, np.arange(len(video_of)))
    is_last = np.zeros(len(video_of), bool)
    is_last[last] = True
    return is_last


def _read_facts(
    readers: Sequence[ShardReader], is_last: NDArray[np.bool_]
) -> tuple[array[float], Counter[_VideoFacts]]:
    """Return the levels of all clips that have one, and the number of videos with the same facts.

    A search for the level, between the fields that `build-shards` writes around it, takes a tenth
    of the time of parsing. Text cannot be mistaken for it, because quotes in a text are escaped.
    Records without a match are parsed.
    """
    levels_dbfs, videos = array("d"), Counter[_VideoFacts]()
    done = 0
    for reader in readers:
        first = 0
        for block in reader.blocks("json"):
            parse = partial(_parse, reader, first, block)
            found = _find_levels(block)
            levels_dbfs.extend(map(float, map(itemgetter(1), filter(None, found))))
            others = [parse(number) for number, each in enumerate(found) if each is None]
            levels = (record.get("quality", {}).get("level_dbfs") for record in others)
            levels_dbfs.extend(level for level in levels if level is not None)
            last = np.flatnonzero(is_last[done : done + len(block)]).tolist()
            videos.update([_facts(parse(number)) for number in last])
            first, done = first + len(block), done + len(block)
    return levels_dbfs, videos


def _find_levels(block: Sequence[bytes]) -> list[re.Match[bytes] | None]:
    """Return a match of `_LEVEL` in each record, sought first where `build-shards` writes it."""
    starts = map(bytes.rfind, block, repeat(_LEVEL_STARTS))
    found = [*map(_LEVEL.match, block, starts)]
    for number in [number for number, each in enumerate(found) if each is None]:
        found[number] = _LEVEL.search(block[number])
    return found


def _check_sizes(reader: ShardReader) -> None:
    """Check the sizes of the records before many are read at once."""
    sizes = numbers_of(reader.table.column("json_bytes"))
    if sizes.max(initial=0) > MAX_FACTS_BYTES:
        clip = int(sizes.argmax())
        problem = f"it has {sizes[clip]} bytes; at most {MAX_FACTS_BYTES} are allowed"
        raise _unusable(reader, clip, problem)


def _parse(reader: ShardReader, first: int, block: Sequence[bytes], number: int) -> dict[str, Any]:
    """Return the record of a clip in a block of clips that begins with the clip `first`."""
    try:
        return parse_facts_as_dicts(block[number])
    except ValueError as error:
        raise _unusable(reader, first + number, error) from None


def _unusable(reader: ShardReader, clip: int, problem: object) -> UserError:
    return UserError(
        f"the .json of {reader.keys[clip]} cannot be used: {problem}; "
        f"`yt360 check {reader.dataset}` lists all faults"
    )


def _facts(record: Mapping[str, Any]) -> _VideoFacts:
    source, conversion = record["source"], record.get("conversion", {})
    video, audio = conversion.get("video", {}), conversion.get("sound", {})
    correction = conversion.get("clip", {}).get("sound", {}).get("field_correction")
    layout, codec = audio.get("layout"), audio.get("codec")
    warnings = audio.get("doubts")
    return _VideoFacts(
        (source.get("upload_date") or "")[:4],
        source.get("license"),
        video.get("projection"),
        f"{layout} {codec}" if layout and codec else layout or codec or None,
        video.get("height"),
        f"corrected ({FieldCorrection(**correction).mode})" if correction else "as recorded",
        tuple([each["code"] for each in warnings if isinstance(each, dict)]) if warnings else (),
    )
