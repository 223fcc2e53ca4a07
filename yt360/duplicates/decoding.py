"""Decode the frames and the audio that fingerprints and reports need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from yt360.ambisonics.formats import AmbisonicFormat, to_ambix
from yt360.clip_codec.decoder import decode_audio, decode_video
from yt360.clip_codec.flac import read_flac_index
from yt360.clip_codec.mp4_index import read_track
from yt360.duplicates import audio, picture
from yt360.errors import BadItem
from yt360.media.audio.reader import AudioReader
from yt360.media.audio.selection import AudioSelection, select_audio
from yt360.media.containers.tracks import undecodable
from yt360.media.info import AudioStream
from yt360.media.video.frames import read_equirectangular
from yt360.media.video.projection import ResolvedProjection, resolve_projection

THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT = 480, 240
_BLOCK_S = 60


@dataclass(frozen=True)
class Media:
    """A video file with its audio.

    Attributes:
        selection: The selected audio track, and what the video file is.
        stream: Index of the video stream.
        projection: Its projection.
    """

    selection: AudioSelection
    stream: int
    projection: ResolvedProjection

    @classmethod
    def open(
        cls, video: Path, audio_files: Sequence[Path], projection: str, audio_layout: str | None
    ) -> Media:
        """Probe the files.

        Raises:
            BadItem: They cannot be read, or hold no 360° video.
        """
        selection = select_audio(video, audio_files, audio_layout=audio_layout)
        stream = selection.video.main_video
        if stream is None:
            error = undecodable(video, selection.video.undecodable, "video")
            raise error or BadItem("no-video", f"{video.name} has no video stream")
        resolved = resolve_projection(
            stream, spatial_audio=selection.is_spatial, projection=projection
        )
        return cls(selection, stream.index, resolved)

    def grids(self) -> picture.Grids:
        """Return the small frames (T, 22, 64).

        Raises:
            BadItem: The video cannot be decoded.
        """
        frames = read_equirectangular(
            self.selection.video.path, self.stream, self.projection,
            picture.WIDTH, picture.HEIGHT, fps=picture.FPS,
        )  # fmt: skip
        empty = np.zeros((0, picture.NUM_ROWS, picture.WIDTH), np.uint8)
        return np.concatenate([empty, *(frame[None, picture.ROWS] for frame in frames)])

    def thumbnail(self, time_s: float) -> NDArray[np.uint8]:
        """Return the frame (240, 480, 3) at a time.

        Raises:
            BadItem: There is none.
        """
        video, size = self.selection.video.path, (THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT)
        for frame in read_equirectangular(
            video, self.stream, self.projection, *size,
            fps=1, start_s=time_s, count=1, pixels="rgb24",
        ):  # fmt: skip
            return frame
        raise BadItem("too-short", f"{video.name} has no frame at {time_s:g} s")

    def features(self) -> audio.Features:
        """Return the audio features; none without audio.

        Raises:
            BadItem: The audio cannot be decoded.
        """
        stream = self.selection.stream
        if stream is None:
            return audio.audio_features([])
        with AudioReader(self.selection.info.path, stream.position) as reader:
            return audio.audio_features(_mono_blocks(reader, stream))


def clip_grids(mp4: memoryview) -> picture.Grids:
    """Return the small frames (T, 22, 64) of a stored clip.

    Raises:
        BadItem: It cannot be decoded.
    """
    track = read_track(mp4)
    if not track.fps:
        raise BadItem("bad-mp4", "the clip has no frame rate")
    count = round(len(track) * picture.FPS / track.fps)
    wanted = np.floor(np.arange(count) * track.fps / picture.FPS + 0.1).astype(int)
    rows = []
    for number, frame in enumerate(decode_video(mp4)):
        if number in wanted:
            small = frame.reformat(picture.WIDTH, picture.HEIGHT, "gray", interpolation="AREA")
            rows.append(small.to_ndarray()[picture.ROWS])
    return np.stack(rows)


def clip_audio(flac: memoryview) -> NDArray[np.float32]:
    """Return W of a stored clip at the sample rate of fingerprints."""
    w = decode_audio(flac)[0].astype(np.float32) / 32768
    return soxr.resample(w, read_flac_index(flac).sample_rate_hz, audio.SAMPLE_RATE_HZ)


def clip_thumbnail(mp4: memoryview, time_s: float) -> NDArray[np.uint8]:
    """Return the frame (240, 480, 3) of a stored clip at a time."""
    wanted = int(time_s * (read_track(mp4).fps or 1))
    for number, frame in enumerate(decode_video(mp4)):
        if number == wanted:
            size = THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT
            return np.asarray(frame.reformat(*size, "rgb24", interpolation="AREA").to_ndarray())
    raise BadItem("too-short", f"the clip has no frame at {time_s:g} s")


def _mono_blocks(reader: AudioReader, stream: AudioStream) -> Iterator[NDArray[np.float32]]:
    """Yield W, or the mean of the channels, at the sample rate of fingerprints."""
    rate = reader.sample_rate_hz
    resampler = soxr.ResampleStream(rate, audio.SAMPLE_RATE_HZ, 1, dtype="float32")
    total = round(stream.end_s * rate)
    for start in range(0, total, _BLOCK_S * rate):
        count = min(_BLOCK_S * rate, total - start)
        stored, _ = reader.read(start, count)
        mono = _mono(np.nan_to_num(stored, posinf=0, neginf=0), stream.layout.format)
        yield resampler.resample_chunk(mono, last=start + count >= total)


def _mono(stored: NDArray[np.float32], layout: AmbisonicFormat | None) -> NDArray[np.float32]:
    return stored.mean(0) if layout is None else to_ambix(stored, layout)[0]
