"""Media files of one's own, as the clips that `build-shards` would cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from yt360.clips import DEFAULT_CLIP_S, clip_key, clip_starts
from yt360.errors import BadItem
from yt360.explore.parts import Decoder
from yt360.explore.sources.dataset import verdicts_of_facts
from yt360.explore.sources.excerpts import (
    Excerpts,
    Recording,
    RecordingFacts,
    page_format,
    recording_facts,
)
from yt360.explore.sources.source import (
    IN,
    LEFT_OUT,
    STATES,
    Column,
    Member,
    Rows,
    pick,
)
from yt360.files import resolved
from yt360.shards.builder.inputs.input_video import InputVideo
from yt360.shards.builder.inputs.search import find_inputs

_SLACK_S = 0.25
"""How far a clip may extend beyond the recording, as in builds."""
_FILES_AT_ONCE = 2
TOO_SHORT = "too-short"


@dataclass(frozen=True)
class _Row:
    """A clip, or a file that was left out."""

    item: InputVideo
    start_s: int
    duration_s: float | None = None
    reason: str | None = None
    detail: str | None = None
    opened: RecordingFacts | None = None

    @property
    def key(self) -> str:
        return clip_key(self.item.video_id, self.item.start_s + self.start_s)

    @property
    def recording(self) -> Recording:
        return Recording(
            self.item.video,
            self.item.companions,
            self.item.projection or "auto",
            self.item.audio_layout,
        )


@dataclass
class _Sorted:
    clips: list[_Row] = field(default_factory=list)
    left_out: list[_Row] = field(default_factory=list)


class FolderSource:
    """The media files of a folder; every file is opened at once, and converted when it is seen.

    Args:
        path: A folder, or one file.
        decoder: Where media is decoded.
        opened: Called with the number of opened files and of all.

    Raises:
        UserError: There is no media.
    """

    kind: Any = "folder"

    def __init__(
        self, path: Path, decoder: Decoder, opened: Callable[[int, int], None] = lambda *_: None
    ) -> None:
        self.folder: Path | None = None
        self.title = resolved(path).name
        self._excerpts = Excerpts(decoder)
        found = find_inputs([path])
        rows = _Sorted()
        with ThreadPoolExecutor(_FILES_AT_ONCE) as threads:
            results = threads.map(partial(_open, decoder), found.videos)
            for number, (item, result) in enumerate(zip(found.videos, results, strict=True), 1):
                _add_rows(rows, item, result)
                opened(number, len(found.videos))
        for each in found.rejected:
            item = InputVideo(video_id=each.video_id, video=path / each.file, name=each.file)
            rows.left_out.append(_Row(item, 0, None, each.reason, each.detail))
        self._rows: Sequence[_Row] = [*rows.clips, *rows.left_out]
        self.num_clips, self.num_rejected = len(rows.clips), len(rows.left_out)
        self._reasons = tuple(dict.fromkeys(str(row.reason) for row in rows.left_out))
        self.columns: Sequence[Column] = (
            Column(name="key", title="Clip", type="text"),
            Column(name="video", title="Video", type="text"),
            Column(name="title", title="File", type="text"),
            Column(name="channel", title="Channel", type="category"),
            Column(name="start_s", title="Start", type="number", unit="s"),
            Column(name="duration_s", title="Duration", type="number", unit="s"),
            Column(name="state", title="State", type="category", values=STATES),
            Column(name="reason", title="Reason", type="category", values=self._reasons),
            Column(name="detail", title="Detail", type="text"),
        )

    def rows(self, start: int, stop: int) -> Rows:
        """Return the values of the rows [start, stop) in all columns."""
        rows = self._rows[start:stop]
        return {
            "key": [row.key for row in rows],
            "video": [row.item.video_id for row in rows],
            "title": [row.item.name for row in rows],
            "channel": [row.item.channel for row in rows],
            "start_s": [row.item.start_s + row.start_s for row in rows],
            "duration_s": [row.duration_s for row in rows],
            "state": [pick(STATES, LEFT_OUT if row.reason else IN) for row in rows],
            "reason": [pick(self._reasons, row.reason) for row in rows],
            "detail": [row.detail for row in rows],
        }

    def key(self, row: int) -> str:
        """Return the key of a clip."""
        return self._rows[row].key

    def split(self, row: int) -> str | None:  # noqa: ARG002
        """Return None: files have no split."""
        return None

    def is_local(self, row: int) -> bool:  # noqa: ARG002
        """Return True: media files are on this machine."""
        return True

    def facts(self, row: int) -> Mapping[str, Any]:
        """Return what opening the file of a clip found."""
        found = self._rows[row]
        item, opened = found.item, found.opened
        verdicts = [] if opened is None else verdicts_of_facts({"conversion": opened.facts})
        if found.reason:
            left_out = {"name": found.reason, "value": None, "unit": "", "text": found.detail}
            verdicts.insert(0, left_out)
        return {
            "key": found.key,
            "video": item.video_id,
            "split": None,
            "state": LEFT_OUT if found.reason else IN,
            "reason": found.reason,
            "media": opened is not None,
            "start_s": item.start_s + found.start_s,
            "duration_s": found.duration_s,
            **page_format(),
            "title": item.facts.get("title") or item.name,
            "url": item.facts.get("url"),
            "metadata": {"file": item.name, **item.facts, **(opened.facts if opened else {})},
            "verdicts": verdicts,
        }

    def member(self, row: int, name: str) -> Member | None:
        """Return the video or the audio of a clip, converted; None for a file that is none."""
        found = self._rows[row]
        if found.opened is None or found.duration_s is None:
            return None
        return self._excerpts.member(found.recording, found.start_s, found.duration_s, name)

    def thumbnail(self, row: int) -> bytes | None:
        """Return a small picture of a clip, without converting it."""
        found = self._rows[row]
        if found.opened is None or found.duration_s is None:
            return None
        return self._excerpts.thumbnail(found.recording, found.start_s + found.duration_s / 2)

    def close(self) -> None:
        """Do nothing; no file is open."""


def _open(decoder: Decoder, item: InputVideo) -> RecordingFacts | BadItem:
    """Return what opening a file finds, or why it cannot be used."""
    try:
        return decoder.call(item.name, recording_facts, _Row(item, 0).recording)
    except BadItem as error:
        return error


def _add_rows(rows: _Sorted, item: InputVideo, opened: RecordingFacts | BadItem) -> None:
    """Add the clips of a file, or the reason why it has none."""
    if isinstance(opened, BadItem):
        rows.left_out.append(_Row(item, 0, None, opened.reason, opened.detail))
        return
    starts = clip_starts(opened.start_s, opened.end_s, DEFAULT_CLIP_S, _SLACK_S)
    rows.clips += [_Row(item, start, DEFAULT_CLIP_S, opened=opened) for start in starts]
    if not starts:
        first_s = max(0, -int(-opened.start_s // 1))
        detail = (
            f"video and audio overlap from {opened.start_s:.1f} to {opened.end_s:.1f} s, which is "
            f"too short for a clip of {DEFAULT_CLIP_S} s"
        )
        whole_s = float(int(opened.end_s - first_s))
        rows.left_out.append(
            _Row(item, first_s, whole_s or None, TOO_SHORT, detail, opened if whole_s else None)
        )
