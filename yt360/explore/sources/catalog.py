"""The videos of a catalog: the clips that it keeps, and everything that it left out, and why."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from yt360.catalog.build_inputs import media_parts
from yt360.catalog.catalog import Catalog
from yt360.catalog.records import STATES as VIDEO_STATES
from yt360.clips import DEFAULT_CLIP_S, clip_key
from yt360.errors import BadItem, UserError
from yt360.explore.parts import Decoder
from yt360.explore.sources.catalog_columns import (
    measurements,
    number_or_none,
    numbers_of,
    outcomes,
    reasons,
    text_or_none,
    verdict_rows,
)
from yt360.explore.sources.dataset import unit_of
from yt360.explore.sources.excerpts import Excerpts, Recording, page_format
from yt360.explore.sources.source import (
    IN,
    LEFT_OUT,
    STATES,
    Column,
    Member,
    Rows,
    pick,
)
from yt360.splits import SPLITS

_KEPT = """SELECT clips.video, start_s FROM clips JOIN videos ON videos.number = clips.video
    WHERE kept AND state = 'accepted' ORDER BY clips.video, start_s"""
_DROPPED = """SELECT clips.video, start_s FROM clips JOIN videos ON videos.number = clips.video
    WHERE NOT kept AND state = 'accepted' ORDER BY clips.video, start_s"""
# A row that is a video and not a clip starts at -1.
_OTHERS = "SELECT number, -1 FROM videos WHERE state != 'accepted' ORDER BY number"
_VIDEOS = """SELECT number, video_id, title, channel, channel_id, license, state, reason, detail,
    duration_s, split FROM videos LEFT JOIN splits ON splits.video = number
    WHERE number BETWEEN ? AND ?"""


class CatalogSource:
    """The clips of a catalog's accepted videos; dropped clips and all other videos come after them.

    Which rows there are is read at once: 16 bytes a row. The rest is read with the chunk of the
    list that shows it. Rows stay the same while videos are added to the catalog.

    Args:
        path: The catalog.
        decoder: Where media is decoded.

    Raises:
        UserError: It is not a catalog, or is damaged.
    """

    kind: Any = "catalog"

    def __init__(self, path: Path, decoder: Decoder) -> None:
        self.path = path
        self.folder: Path | None = None
        self.title = path.name
        self._excerpts = Excerpts(decoder)
        self._videos, self._starts = array("q"), array("q")
        with Catalog(path) as catalog:
            try:
                self._add_rows(catalog, _KEPT)
                self.num_clips = len(self._videos)
                self._add_rows(catalog, _DROPPED)
                self._add_rows(catalog, _OTHERS)
            except (TypeError, OverflowError) as error:
                raise UserError(f"{path} is damaged: {error}", "invalid", path) from None
            self.num_rejected = len(self._videos) - self.num_clips
            self._reasons = reasons(catalog)
            self._outcomes = outcomes(catalog)
            self._numbers = measurements(catalog, self._outcomes)
        self.columns: Sequence[Column] = (
            Column(name="key", title="Clip", type="text"),
            Column(name="video", title="Video", type="text"),
            Column(name="title", title="Title", type="text"),
            Column(name="channel", title="Channel", type="category"),
            Column(name="license", title="License", type="category"),
            Column(name="split", title="Split", type="category", values=SPLITS),
            Column(name="start_s", title="Start", type="number", unit="s"),
            Column(name="duration_s", title="Duration", type="number", unit="s"),
            Column(name="state", title="State", type="category", values=STATES),
            Column(name="video_state", title="Video state", type="category", values=VIDEO_STATES),
            Column(name="reason", title="Reason", type="category", values=self._reasons),
            Column(name="detail", title="Detail", type="text"),
            *(
                Column(name=f"check {kind}", title=kind, type="category", values=outcomes)
                for kind, outcomes in self._outcomes.items()
            ),
            *(
                Column(
                    name=f"{kind}: {name}",
                    title=f"{kind}: {name}",
                    type="number",
                    unit=unit_of(name),
                )
                for kind, name in self._numbers
            ),
        )

    def rows(self, start: int, stop: int) -> Rows:
        """Return the values of the rows [start, stop) in all columns."""
        numbers = self._videos[start:stop]
        rows: Rows = {column.name: [None] * len(numbers) for column in self.columns}
        with Catalog(self.path) as catalog:
            for first, end in _rising_parts(numbers):
                self._fill(rows, catalog, start, first, end)
        return rows

    def key(self, row: int) -> str:
        """Return the key of a clip; that of a video is the key of the clip at its start."""
        with Catalog(self.path) as catalog:
            return clip_key(self._video_id(catalog, row), self._start_s(row))

    def split(self, row: int) -> str | None:
        """Return the split of the video of a row, if it has one."""
        with Catalog(self.path) as catalog:
            return catalog.splits.of(self._video_id(catalog, row))

    def is_local(self, row: int) -> bool:  # noqa: ARG002
        """Return True: media files are on this machine."""
        return True

    def facts(self, row: int) -> Mapping[str, Any]:
        """Return what the catalog has about the video of a row.

        Raises:
            BadItem: The catalog is damaged there.
        """
        with Catalog(self.path) as catalog:
            video = catalog.videos.get(self._video_id(catalog, row))
            clip = self._clip(catalog, video.video_id, row)
            verdicts = catalog.verdicts.of(video.video_id)
            split = catalog.splits.of(video.video_id)
            recording = self._recording(catalog, video.video_id, row)
            is_elsewhere = recording is None and bool(catalog.files.of(video.video_id))
            media_url = catalog.media_url if is_elsewhere else None
        reason = video.reason if clip is None else clip.reason
        state = IN if row < self.num_clips else LEFT_OUT
        return {
            "key": clip_key(video.video_id, self._start_s(row)),
            "video": video.video_id,
            "split": split,
            "state": state,
            "reason": None if state == IN else reason or video.state,
            "media": recording is not None,
            "media_url": media_url,
            "start_s": self._start_s(row),
            "duration_s": DEFAULT_CLIP_S if clip is None else clip.duration_s,
            **page_format(),
            "title": video.title,
            "url": video.url,
            "metadata": {
                "state": video.state,
                "reason": video.reason,
                "detail": video.detail,
                "channel": video.channel,
                "license": video.license,
                "upload_date": video.upload_date,
                "duration_s": video.duration_s,
                "projection": video.projection,
                "spatial_audio": video.spatial_audio,
                "facts": video.facts,
                "clip": {} if clip is None else clip.numbers,
            },
            "verdicts": list(chain.from_iterable(map(verdict_rows, verdicts.values()))),
        }

    def member(self, row: int, name: str) -> Member | None:
        """Return the video or the audio of a clip, converted; None without media."""
        found = self._media(row)
        return None if found is None else self._excerpts.member(*found, name)

    def thumbnail(self, row: int) -> bytes | None:
        """Return a small picture of a clip, without converting it."""
        found = self._media(row)
        if found is None:
            return None
        recording, start_s, duration_s = found
        return self._excerpts.thumbnail(recording, start_s + duration_s / 2)

    def close(self) -> None:
        """Do nothing; the catalog is opened for each request."""

    def _add_rows(self, catalog: Catalog, query: str) -> None:
        for number, start_s in catalog.execute(query):
            self._videos.append(number)
            self._starts.append(start_s)

    def _start_s(self, row: int) -> int:
        return max(0, self._starts[row])

    def _video_id(self, catalog: Catalog, row: int) -> str:
        found = catalog.execute(
            "SELECT video_id FROM videos WHERE number = ?", (self._videos[row],)
        ).fetchone()
        if found is None:
            raise BadItem("missing", "the video is not in the catalog any more")
        return str(found["video_id"])

    def _clip(self, catalog: Catalog, video_id: str, row: int) -> Any:
        clips = catalog.clips.of(video_id)
        return next((clip for clip in clips if clip.start_s == self._starts[row]), None)

    def _recording(
        self, catalog: Catalog, video_id: str, row: int
    ) -> tuple[Recording, float] | None:
        """Return the recording of a row, and the second of the video at which it starts."""
        start_s = self._start_s(row)
        try:
            parts = media_parts(catalog, video_id)
        except UserError:  # the media folder is not to be trusted
            return None
        inside = [part for part in parts if part.start_s <= start_s < part.end_s] or parts
        if not inside or not inside[0].video.is_file():
            return None
        part, video = inside[0], catalog.videos.get(video_id)
        recording = Recording(
            part.video,
            () if part.audio is None else (part.audio,),
            video.stated_projection or "auto",
            video.stated_sound_layout,
        )
        return recording, float(part.start_s)

    def _media(self, row: int) -> tuple[Recording, float, float] | None:
        with Catalog(self.path) as catalog:
            video_id = self._video_id(catalog, row)
            found = self._recording(catalog, video_id, row)
            clip = self._clip(catalog, video_id, row)
            length_s = catalog.videos.get(video_id).duration_s
        if found is None:
            return None
        recording, file_start_s = found
        duration_s = float(DEFAULT_CLIP_S) if clip is None else clip.duration_s
        if clip is None and length_s:
            duration_s = float(max(1, min(duration_s, math.floor(length_s))))
        return recording, max(0.0, self._start_s(row) - file_start_s), duration_s

    def _fill(self, rows: Rows, catalog: Catalog, start: int, first: int, end: int) -> None:
        """Fill the rows [first, end) of a chunk, whose videos have rising numbers."""
        numbers = self._videos[start + first : start + end]
        between = numbers[0], numbers[-1]
        videos = {row["number"]: row for row in catalog.execute(_VIDEOS, between)}
        clips = {
            (row["video"], row["start_s"]): row
            for row in catalog.execute(
                "SELECT video, start_s, duration_s, reason FROM clips WHERE video BETWEEN ? AND ?",
                between,
            )
        }
        verdicts: dict[int, dict[str, Any]] = {}
        for row in catalog.execute(
            "SELECT video, kind, verdict, numbers FROM verdicts WHERE video BETWEEN ? AND ?",
            between,
        ):
            verdicts.setdefault(row["video"], {}).update(self._verdict_columns(row))
        for place, number in enumerate(numbers, start=first):
            video = videos.get(number)
            if video is None:
                continue
            clip = clips.get((number, self._starts[start + place]))
            values = self._values(start + place, video, clip) | verdicts.get(number, {})
            for name, value in values.items():
                rows[name][place] = value

    def _values(self, row: int, video: Any, clip: Any) -> dict[str, Any]:
        is_in = row < self.num_clips
        reason = video["reason"] if clip is None else clip["reason"]
        return {
            "key": clip_key(str(video["video_id"]), self._start_s(row)),
            "video": text_or_none(video["video_id"]),
            "title": text_or_none(video["title"]),
            "channel": text_or_none(video["channel"]) or text_or_none(video["channel_id"]),
            "license": text_or_none(video["license"]),
            "split": pick(SPLITS, video["split"]),
            "start_s": self._start_s(row),
            "duration_s": number_or_none((video if clip is None else clip)["duration_s"]),
            "state": pick(STATES, IN if is_in else LEFT_OUT),
            "video_state": pick(VIDEO_STATES, video["state"]),
            "reason": None
            if is_in
            else pick(self._reasons, text_or_none(reason) or video["state"]),
            "detail": None if is_in else text_or_none(video["detail"]),
        }

    def _verdict_columns(self, row: Any) -> dict[str, Any]:
        kind = row["kind"]
        values: dict[str, Any] = {}
        if kind in self._outcomes:
            values[f"check {kind}"] = pick(self._outcomes[kind], row["verdict"])
        numbers = numbers_of(row["numbers"])
        for each, name in self._numbers:
            if each == kind and name in numbers:
                values[f"{kind}: {name}"] = numbers[name]
        return values


def _rising_parts(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (first, end) of the parts of a chunk in which the numbers of videos do not fall."""
    first = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] < numbers[place - 1]:
            yield first, place
            first = place
