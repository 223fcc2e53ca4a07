"""Media of a catalog and shards of a dataset, as inputs of the search for duplicates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from yt360.buckets.copies import checksums, copies
from yt360.catalog import Catalog, State
from yt360.catalog.build_inputs import media_parts
from yt360.duplicates import audio, picture
from yt360.duplicates.decoding import Media, clip_audio, clip_grids, clip_thumbnail
from yt360.duplicates.fingerprint import Fingerprint, RecordingFacts, Skipped
from yt360.errors import BadItem
from yt360.execution.limits import allow_time
from yt360.shards.format.reader import ShardReader
from yt360.shards.format.schema import ClipRow
from yt360.splits import SPLITS

MAX_RECORDING_S = 600.0
"""Longer videos are compared in parts of this length, so that memory does not grow with them."""
_STATES: tuple[State, ...] = ("downloaded", "accepted")


Made = tuple[list[Fingerprint], list[Skipped]]


class Source(Protocol):
    """A file of media whose fingerprints are made and stored together."""

    @property
    def identity(self) -> str:
        """A text that changes when the media do."""

    def fingerprints(self) -> Made:
        """Decode the media; return the fingerprints of their recordings, and what has none."""

    def thumbnails(self, moments: Sequence[tuple[str, float]]) -> Iterator[NDArray[np.uint8]]:
        """Yield the frame (H, W, 3) at each moment: id and second of a video.

        Raises:
            BadItem: There is none.
        """


@dataclass(frozen=True)
class MediaSource:
    """A downloaded video, or a section of one.

    Attributes:
        video_id: The video.
        start_s: Second of the video at time 0 of the files.
        video: File with the video stream.
        audio: Files that may hold its audio.
        projection: Projection that the user states; ``"auto"`` to detect it.
        audio_layout: Audio layout that the user states.
        checksums: SHA-256 of each file as the bucket lists it, None for one that it does not list;
            None for local files.
    """

    video_id: str
    start_s: float
    video: Path
    audio: tuple[Path, ...] = ()
    projection: str = "auto"
    audio_layout: str | None = None
    checksums: tuple[str | None, ...] | None = None

    @property
    def identity(self) -> str:
        """Names, sizes and times (in a bucket: checksums), and what is stated about the files."""
        files = self._local() if self.checksums is None else [*self.checksums]
        stated = self.projection, self.audio_layout
        return f"media {self.video_id} {self.start_s} {files} {stated}"

    def fingerprints(self) -> Made:
        """Decode the files; what cannot be decoded is skipped with the reason."""
        try:
            with copies((self.video, *self.audio)):
                media = self._open()
                grids, features = media.grids(), media.features()
        except BadItem as error:
            skipped = Skipped(name=self.video.name, reason=error.reason, detail=error.detail)
            return [], [skipped]
        return list(parts(self.video_id, self.start_s, grids, features)), []

    def thumbnails(self, moments: Sequence[tuple[str, float]]) -> Iterator[NDArray[np.uint8]]:
        """See `Source`."""
        with copies((self.video, *self.audio)):
            media = self._open()
            for _, time_s in moments:
                yield media.thumbnail(time_s - self.start_s)

    def _local(self) -> list[tuple[str, int, int]]:
        files = [(path.name, path.stat()) for path in (self.video, *self.audio) if path.exists()]
        return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in files]

    def _open(self) -> Media:
        return Media.open(self.video, self.audio, self.projection, self.audio_layout)


@dataclass(frozen=True)
class ShardSource:
    """A shard of clips.

    Attributes:
        dataset: The dataset folder.
        split: Its split.
        shard: File name of the shard.
        sha256: Its checksum.
    """

    dataset: Path
    split: str
    shard: str
    sha256: str

    @property
    def identity(self) -> str:
        """Split, name and checksum of the shard."""
        return f"shard {self.split} {self.shard} {self.sha256}"

    def fingerprints(self) -> Made:
        """Decode the clips; consecutive ones of a video become one recording."""
        path = self.dataset / self.split / self.shard
        allow_time(str(path), path.stat().st_size)
        reader = ShardReader(self.dataset, self.split)
        skipped: list[Skipped] = []
        made: list[_DecodedClip] = []
        for clip in self._clips(reader):
            row = reader.rows[clip]
            try:
                grids = clip_grids(reader.read(clip, "mp4"))
                samples = clip_audio(reader.read(clip, "flac"))
            except BadItem as error:
                skipped.append(Skipped(name=row.key, reason=error.reason, detail=error.detail))
                continue
            made.append(_DecodedClip(row, grids, samples))
        recordings: list[Fingerprint] = []
        for clips in _consecutive(made):
            grids = np.concatenate([clip.grids for clip in clips])
            features = audio.audio_features(clip.samples for clip in clips)
            first = clips[0].row
            recordings += parts(first.video_id, float(first.start_s), grids, features)
        return recordings, skipped

    def thumbnails(self, moments: Sequence[tuple[str, float]]) -> Iterator[NDArray[np.uint8]]:
        """See `Source`."""
        reader = ShardReader(self.dataset, self.split)
        clips = [(reader.rows[clip], clip) for clip in self._clips(reader)]
        for video_id, time_s in moments:
            for row, clip in clips:
                if row.video_id == video_id and 0 <= time_s - row.start_s < row.duration_s:
                    yield clip_thumbnail(reader.read(clip, "mp4"), time_s - row.start_s)
                    break
            else:
                raise BadItem("missing", f"{self.shard}: no clip of {video_id} at {time_s:g} s")

    def _clips(self, reader: ShardReader) -> list[int]:
        clips = dict(reader.clips_of_shards()).get(self.shard, [])
        return sorted(clips, key=lambda clip: (reader.rows[clip].video_id,
                                               reader.rows[clip].start_s))  # fmt: skip


@dataclass(frozen=True)
class _DecodedClip:
    row: ClipRow
    grids: picture.Grids
    samples: NDArray[np.float32]

    def precedes(self, other: _DecodedClip) -> bool:
        end_s = self.row.start_s + self.row.duration_s
        return (self.row.video_id, end_s) == (other.row.video_id, other.row.start_s)


def _consecutive(clips: Sequence[_DecodedClip]) -> list[list[_DecodedClip]]:
    """Group clips that follow each other without a gap."""
    runs: list[list[_DecodedClip]] = []
    for clip in clips:
        if runs and runs[-1][-1].precedes(clip):
            runs[-1].append(clip)
        else:
            runs.append([clip])
    return runs


def parts(
    video_id: str, start_s: float, grids: picture.Grids, features: audio.Features
) -> Iterator[Fingerprint]:
    """Yield the fingerprints of a recording in parts of at most `MAX_RECORDING_S`."""
    count = max(int(np.ceil(len(grids) / (MAX_RECORDING_S * picture.FPS))), 1)
    for number in range(count):
        first_s = number * MAX_RECORDING_S
        yield Fingerprint(
            RecordingFacts(video_id=video_id, start_s=start_s + first_s),
            _stretch(grids, first_s, picture.FPS),
            _stretch(features, first_s, audio.FPS),
        )


def _stretch(values: NDArray, first_s: float, fps: float) -> NDArray:
    return values[round(first_s * fps) : round((first_s + MAX_RECORDING_S) * fps)]


def catalog_sources(catalog: Catalog) -> list[MediaSource]:
    """Return the downloaded media of a catalog that are not rejected.

    Raises:
        UserError: They are in a bucket that cannot be read.
    """
    found = []
    for video in (each for state in _STATES for each in catalog.videos.select(state)):
        for part in media_parts(catalog, video.video_id):
            found.append(
                MediaSource(
                    video_id=video.video_id,
                    start_s=float(part.start_s),
                    video=part.video,
                    audio=() if part.audio is None else (part.audio,),
                    projection=video.stated_projection or "auto",
                    audio_layout=video.stated_sound_layout,
                )
            )
    found.sort(key=lambda source: (source.video_id, source.start_s))
    if catalog.media_url is None:
        return found
    listed = checksums([path for it in found for path in (it.video, *it.audio)])
    return [
        replace(it, checksums=tuple(listed.get(path) for path in (it.video, *it.audio)))
        for it in found
    ]


def dataset_sources(dataset: Path) -> list[ShardSource]:
    """Return the shards of a dataset.

    Raises:
        UserError: `dataset` is not a dataset.
    """
    infos = {split: ShardReader(dataset, split).info.splits[split] for split in SPLITS}
    return [
        ShardSource(dataset, split, shard.name, shard.sha256)
        for split, info in infos.items()
        for shard in info.shards
    ]
