"""Count the content of a dataset: videos, clips, hours, and what the clips' ``.json`` say."""

from __future__ import annotations

import re
from array import array
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from yt360.errors import UserError
from yt360.media.layout.field_correction import FieldCorrection
from yt360.shards.format.clip_facts import MAX_FACTS_BYTES, parse_facts_as_dicts
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import DatasetInfo
from yt360.splits import SPLITS
from yt360.stats.counts import DatasetCounts, TableRow, categories_of, histograms_of, total

_LEVEL = re.compile(
    rb'"height": \d{1,5}, "quality": \{"level_dbfs": (-?\d{1,3}(?:\.\d{1,9})?)\}, "sample_rate_hz"'
)
_BEFORE_LEVEL = b'"quality": {"level_dbfs": '
_LONGEST_HEIGHT = len(b'"height": 12345, ')


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
    readers = [ShardReader(dataset, split) for split in SPLITS if info.splits[split].clips]
    for reader in readers:
        _check_sizes(reader)
    video_of = _number_videos(readers)
    levels_dbfs, videos = _read_facts(readers, _is_last(video_of))
    starts_s = [reader.table.column("start_s").to_numpy() for reader in readers]
    return DatasetCounts(
        rows={**rows, "total": total(rows.values())},
        histograms=histograms_of(
            {
                "clips of a video": np.bincount(video_of),
                "level of a clip (dBFS)": levels_dbfs,
                "start of a clip (s)": np.concatenate([*starts_s, []]),
                "rows of the source picture": [video.rows for video in videos],
            }
        ),
        categories=categories_of(
            {
                "upload year": [video.upload_year for video in videos],
                "licence": [video.license for video in videos],
                "projection": [video.projection for video in videos],
                "sound": [video.audio for video in videos],
                "field gain": [video.field_gain for video in videos],
                "audio layout warning": [
                    code for video in videos for code in video.layout_warnings or ("none",)
                ],
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


def _number_videos(readers: Sequence[ShardReader]) -> NDArray[np.int32]:
    """Return the number of the video of each clip of all readers, in the order of the index."""
    columns = [reader.table.column("video_id").chunks for reader in readers]
    column = pa.chunked_array([chunk for chunks in columns for chunk in chunks], pa.string())
    encoded = column.dictionary_encode().combine_chunks()
    return encoded.indices.to_numpy()


def _is_last(video_of: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return which clips are the last ones of their videos."""
    _, from_end = np.unique(video_of[::-1], return_index=True)
    is_last = np.zeros(len(video_of), bool)
    is_last[len(video_of) - 1 - from_end] = True
    return is_last


def _read_facts(
    readers: Sequence[ShardReader], is_last: NDArray[np.bool_]
) -> tuple[array[float], list[_VideoFacts]]:
    """Return the levels of all clips that have one, and the facts of their videos.

    A search for the level, between the fields that `build-shards` writes around it, takes a
    twentieth of the time of parsing. Text cannot be mistaken for it, because quotes in a text are
    escaped. Records without a match are parsed.
    """
    levels_dbfs, videos = array("d"), list[_VideoFacts]()
    done = 0
    for reader in readers:
        first = 0
        for block in reader.blocks("json"):
            parse = partial(_parse, reader, first, block)
            found = [*map(_find_level, block)]
            levels_dbfs.extend([float(each[1]) for each in found if each])
            others = [parse(number) for number, each in enumerate(found) if each is None]
            levels = (record.get("quality", {}).get("level_dbfs") for record in others)
            levels_dbfs.extend(level for level in levels if level is not None)
            last = np.flatnonzero(is_last[done : done + len(block)]).tolist()
            videos += [_facts(parse(number)) for number in last]
            first, done = first + len(block), done + len(block)
    return levels_dbfs, videos


def _find_level(content: bytes) -> re.Match[bytes] | None:
    """Return a match of `_LEVEL`, sought first near the end, where `build-shards` writes it."""
    near = content.rfind(_BEFORE_LEVEL) - _LONGEST_HEIGHT
    return _LEVEL.search(content, max(0, near)) or _LEVEL.search(content)


def _check_sizes(reader: ShardReader) -> None:
    """Check the sizes of the records before many are read at once."""
    sizes = reader.table.column("json_bytes").to_numpy()
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
    mode = FieldCorrection(**correction).mode if correction else None
    warnings = audio.get("doubts", ())
    return _VideoFacts(
        upload_year=(source.get("upload_date") or "")[:4],
        license=source.get("license"),
        projection=video.get("projection"),
        audio=" ".join(filter(None, (audio.get("layout"), audio.get("codec")))) or None,
        rows=video.get("height"),
        field_gain=f"corrected ({mode})" if mode else "as recorded",
        layout_warnings=tuple(each["code"] for each in warnings if isinstance(each, Mapping)),
    )
