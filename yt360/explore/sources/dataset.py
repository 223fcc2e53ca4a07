"""The clips of a dataset, local or a mirror of a remote one, and what its build left out."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from yt360.clips import clip_key
from yt360.errors import BadItem
from yt360.explore.parts import Decoder
from yt360.explore.sources.present_classes import BUDGET_S, PresentClasses
from yt360.explore.sources.source import (
    AUDIO,
    IN,
    LEFT_OUT,
    STATES,
    VIDEO,
    Column,
    Member,
    Rows,
    pick,
    read_member,
)
from yt360.explore.thumbnails import MAX_VIDEO_BYTES, thumbnail_of_video
from yt360.files import resolved
from yt360.labels.classes import NAMES
from yt360.shards.format.clip_facts import MAX_FACTS_BYTES, parse_facts, parse_facts_as_dicts
from yt360.shards.format.dataset_info import DatasetInfo, Rejection
from yt360.shards.format.reader import ShardReader
from yt360.splits import SPLITS
from yt360.untrusted.parsing import parse_json

_MEMBERS = {VIDEO: "mp4", AUDIO: "flac"}
OpenSplit = Callable[[Path, str], ShardReader]


class DatasetSource:
    """The clips of a dataset, those of train first, then what was left out.

    Only the index is read at once. The facts of clips (title, channel, level) are read with the
    chunk of the list that shows them, if that needs no transfer from elsewhere.

    Args:
        folder: The dataset folder, or the mirror of a remote dataset.
        decoder: Where media is decoded.
        open_split: Opens a split.
        title: Name of the dataset for people; by default that of the folder.
        classes_s: Longest time that a part of the list spends on the classes of clips. Asking for
            the part again finds out more.

    Raises:
        UserError: The folder is not a dataset, or an index is damaged.
    """

    kind: Any = "dataset"

    def __init__(
        self,
        folder: Path,
        decoder: Decoder,
        open_split: OpenSplit = ShardReader,
        title: str | None = None,
        classes_s: float = BUDGET_S,
    ) -> None:
        self._decoder = decoder
        self._classes, self._classes_s = PresentClasses(folder), classes_s
        self.folder: Path | None = folder
        self.title = title or resolved(folder).name
        info = DatasetInfo.load(folder)
        self._rejected = info.rejected
        self._splits = [split for split in SPLITS if info.splits[split].clips]
        self._readers = [open_split(folder, split) for split in self._splits]
        self._ends = list(accumulate(map(len, self._readers)))
        self._checksums = [
            {shard.name: shard.sha256[:16] for shard in info.splits[split].shards}
            for split in self._splits
        ]
        self.num_clips = self._ends[-1] if self._ends else 0
        self.num_rejected = len(self._rejected)
        self._reasons = tuple(info.rejected_by_reason())
        self.columns: Sequence[Column] = (
            Column(name="key", title="Clip", type="text"),
            Column(name="video", title="Video", type="text"),
            Column(name="title", title="Title", type="text"),
            Column(name="channel", title="Channel", type="category"),
            Column(name="split", title="Split", type="category", values=SPLITS),
            Column(name="start_s", title="Start", type="number", unit="s"),
            Column(name="duration_s", title="Duration", type="number", unit="s"),
            Column(name="level_db", title="Level", type="number", unit="dBFS"),
            Column(name="state", title="State", type="category", values=STATES),
            Column(name="reason", title="Reason", type="category", values=self._reasons),
            Column(name="detail", title="Detail", type="text"),
            *(
                ()
                if self._classes.names is None
                else (Column(name="classes", title="Classes", type="set", values=NAMES),)
            ),
        )

    def rows(self, start: int, stop: int) -> Rows:
        """Return the values of the rows [start, stop) in all columns."""
        rows: Rows = {column.name: [] for column in self.columns}
        for number, reader in enumerate(self._readers):
            before = self._ends[number] - len(reader)
            first, end = max(0, start - before), min(len(reader), stop - before)
            if first < end:
                self._add_clips(rows, number, first, end)
        first, end = max(0, start - self.num_clips), max(0, stop - self.num_clips)
        for item in self._rejected[first:end]:
            self._add(rows, self._rejected_row(item))
        return rows

    def key(self, row: int) -> str:
        """Return the key of a clip."""
        if row >= self.num_clips:
            return _key_of(self._rejection(row))
        number, clip = self._locate(row)
        return self._readers[number].keys[clip]

    def split(self, row: int) -> str | None:
        """Return the split of a clip."""
        return self._splits[self._locate(row)[0]] if 0 <= row < self.num_clips else None

    def is_local(self, row: int) -> bool:
        """Return whether reading a clip transfers nothing from elsewhere."""
        number, clip = self._locate(row)
        return self._readers[number].is_present(clip)

    def facts(self, row: int) -> Mapping[str, Any]:
        """Return the facts of a clip.

        Raises:
            BadItem: Its shard is not readable, or its ``.json`` is damaged.
        """
        if row >= self.num_clips:
            return _rejected_facts(self._rejection(row))
        number, clip = self._locate(row)
        reader = self._readers[number]
        key = reader.keys[clip]
        if reader.size_of(clip, "json") > MAX_FACTS_BYTES:
            raise BadItem("bad-json", f"{key}: its .json has more than {MAX_FACTS_BYTES} bytes")
        content = bytes(reader.read(clip, "json"))
        try:
            checked, metadata = parse_facts(content), parse_json(content, dict[str, Any])
        except ValueError as error:
            raise BadItem("bad-json", f"{key}: its .json is damaged: {error}") from None
        source = checked.source
        return {
            "key": key,
            "video": checked.video_id,
            "split": self._splits[number],
            "state": IN,
            "media": True,
            "start_s": checked.start_s,
            "duration_s": checked.duration_s,
            "width": checked.width,
            "height": checked.height,
            "fps": checked.fps,
            "sample_rate": checked.sample_rate_hz,
            "title": source.title or source.file,
            "url": source.url,
            "metadata": metadata,
            "verdicts": verdicts_of_facts(metadata),
        }

    def member(self, row: int, name: str) -> Member | None:
        """Return the video or the audio of a clip; None for what was left out."""
        if row >= self.num_clips:
            self._rejection(row)
            return None
        number, clip = self._locate(row)
        reader, member = self._readers[number], _MEMBERS[name]
        shard = reader.table.column("shard")[clip].as_py()
        return Member(
            reader.size_of(clip, member),
            f"{self._checksums[number].get(shard, shard)}-{clip}-{member}",
            lambda start, stop: reader.read_part(clip, member, start, stop),
        )

    def thumbnail(self, row: int) -> bytes | None:
        """Return a small picture of a clip; None if it has no video, or a very long one."""
        video = read_member(self, row, VIDEO, MAX_VIDEO_BYTES)
        if video is None:
            return None
        return self._decoder.call(self.key(row), thumbnail_of_video, video)

    def close(self) -> None:
        """Close the shards."""
        for reader in self._readers:
            reader.close()

    def _locate(self, row: int) -> tuple[int, int]:
        """Return the number of the split of a clip, and its number there."""
        if not 0 <= row < self.num_clips:
            raise IndexError(row)
        number = bisect_right(self._ends, row)
        return number, row - (self._ends[number] - len(self._readers[number]))

    def _rejection(self, row: int) -> Rejection:
        if not 0 <= row - self.num_clips < self.num_rejected:
            raise IndexError(row)
        return self._rejected[row - self.num_clips]

    def _add_clips(self, rows: Rows, number: int, first: int, end: int) -> None:
        reader, split = self._readers[number], self._splits[number]
        deadline = self._classes.deadline(self._classes_s)
        for clip, row in enumerate(reader.rows[first:end], start=first):
            known = {
                "key": row.key,
                "video": row.video_id,
                "split": pick(SPLITS, split),
                "start_s": row.start_s,
                "duration_s": row.duration_s,
                "state": pick(STATES, IN),
                "classes": self._classes.of(split, row.key, deadline),
            }
            self._add(rows, {**known, **_columns_of_facts(reader, clip)})

    def _rejected_row(self, item: Rejection) -> dict[str, Any]:
        return {
            "key": _key_of(item),
            "video": item.video_id,
            "title": item.file,
            "start_s": _start_s(item),
            "duration_s": item.lost_s,
            "state": pick(STATES, LEFT_OUT),
            "reason": pick(self._reasons, item.reason),
            "detail": item.detail,
        }

    def _add(self, rows: Rows, row: Mapping[str, Any]) -> None:
        for name, column in rows.items():
            column.append(row.get(name))


def verdicts_of_facts(metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the measurements and warnings in a clip's ``.json``, as ``clip.json`` lists them.

    The level is left out: it is a column of the list.
    """
    quality = metadata.get("quality")
    verdicts = [
        {"name": name, "value": value, "unit": unit_of(name), "text": ""}
        for name, value in (quality.items() if isinstance(quality, dict) else ())
        if _is_number(value) and name != "level_dbfs"
    ]
    doubts: Any = metadata
    for part in ("conversion", "sound", "doubts"):
        doubts = doubts.get(part) if isinstance(doubts, dict) else None
    for doubt in doubts if isinstance(doubts, list) else ():
        named = isinstance(doubt, dict)
        name = str(doubt.get("code", "doubt")) if named else "doubt"
        text = str(doubt.get("detail", "")) if named else str(doubt)
        verdicts.append({"name": name, "value": None, "unit": "", "text": text})
    return verdicts


def _columns_of_facts(reader: ShardReader, clip: int) -> dict[str, Any]:
    """Return the columns that a clip's ``.json`` has; none if it is elsewhere or damaged."""
    if not reader.is_present(clip) or reader.size_of(clip, "json") > MAX_FACTS_BYTES:
        return {}
    try:
        facts = parse_facts_as_dicts(bytes(reader.read(clip, "json")))
    except (BadItem, ValueError) as error:
        return {"detail": f"its .json cannot be read: {error}"}
    source = facts["source"]
    return {
        "title": source.get("title") or source.get("file"),
        "channel": source.get("channel") or source.get("channel_id"),
        "level_db": facts.get("quality", {}).get("level_dbfs"),
    }


def _rejected_facts(item: Rejection) -> dict[str, Any]:
    return {
        "key": _key_of(item),
        "video": item.video_id,
        "split": None,
        "state": LEFT_OUT,
        "reason": item.reason,
        "media": False,
        "start_s": _start_s(item),
        "duration_s": item.lost_s,
        "title": item.file,
        "url": None,
        "metadata": {"file": item.file, "reason": item.reason, "detail": item.detail},
        "verdicts": [
            {"name": item.reason, "value": None, "unit": "", "text": item.detail},
            *(
                {"name": f"{check}: {name}", "value": value, "unit": unit_of(name), "text": ""}
                for check, numbers in item.measurements.items()
                for name, value in numbers.items()
            ),
        ],
    }


def _key_of(item: Rejection) -> str:
    return clip_key(item.video_id, _start_s(item))


def _start_s(item: Rejection) -> int:
    return item.file_start_s if item.start_s is None else item.start_s


def _is_number(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)  # type: ignore[arg-type]


def unit_of(name: str) -> str:
    """Return the unit that the name of a measurement ends with."""
    ending = name.rpartition("_")[2]
    return {"dbfs": "dBFS", "db": "dB", "deg": "°", "s": "s", "hz": "Hz"}.get(ending, "")
