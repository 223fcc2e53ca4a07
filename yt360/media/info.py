"""Declared and measured properties of a media file and its streams.

Declared values come from headers; measured values come from reading every packet. They have
different names, because they often differ in downloaded files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from yt360.media.containers.spherical import SA3D, Projection
from yt360.media.containers.tracks import UndecodableTrack, main_of
from yt360.media.layout.audio_layout import AudioLayout
from yt360.media.video.color import ColorTags
from yt360.media.video.pixel_layout import PixelLayout

# A file that is shorter than declared by more than this is truncated.
_MISSING_S, _MISSING_PART = 1.0, 0.02


@dataclass(frozen=True)
class VideoStream:
    """One video stream.

    Attributes:
        index: Index among all streams of the file.
        codec: FFmpeg's codec name.
        width, height: Stored size in pixels, before rotation.
        rotation_deg: Counter-clockwise display rotation: 0, 90, 180 or -90.
        pixel_format: FFmpeg's pixel format name.
        color: Color tags.
        frame_rate_declared: Frame rate in the header; 0 if unknown.
        frame_rate_measured: (frames - 1) / (last time - first time); 0 for a single frame.
        variable_frame_rate: Whether the intervals between frames differ.
        frames_measured: Number of frames in the file.
        start_s: Presentation time of the first frame.
        duration_declared_s: Duration in the header; 0 if unknown.
        duration_measured_s: Time from the start of the first frame to the end of the last one.
        projection: Declared projection.
        pixels: Projection that the pixels of a few frames look like; None if they tell nothing, and
            for all but the main video.
    """

    index: int
    codec: str
    width: int
    height: int
    rotation_deg: int
    pixel_format: str
    color: ColorTags
    frame_rate_declared: float
    frame_rate_measured: float
    variable_frame_rate: bool
    frames_measured: int
    start_s: float
    duration_declared_s: float
    duration_measured_s: float
    projection: Projection
    pixels: PixelLayout | None = None

    @property
    def end_s(self) -> float:
        """End time of the last frame."""
        return self.start_s + self.duration_measured_s

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height after rotation."""
        turned = self.rotation_deg % 180 != 0
        return (self.height, self.width) if turned else (self.width, self.height)


@dataclass(frozen=True)
class AudioStream:
    """One audio stream.

    Attributes:
        index: Index among all streams of the file.
        position: Index among all audio streams of the file, decodable or not.
        codec: FFmpeg's codec name.
        sample_rate_hz: Stored sample rate.
        channels: Number of stored channels.
        layout_declared: Channel layout in the container, which is often wrong for ambisonics.
        start_s: Presentation time of the first sample.
        duration_declared_s: Duration in the header; 0 if unknown.
        duration_measured_s: Time from the first to the last sample.
        sa3d: SA3D box, if present.
        layout: Detected layout of the channels, with evidence.
    """

    index: int
    position: int
    codec: str
    sample_rate_hz: int
    channels: int
    layout_declared: str
    start_s: float
    duration_declared_s: float
    duration_measured_s: float
    sa3d: SA3D | None
    layout: AudioLayout

    @property
    def end_s(self) -> float:
        """End time of the last sample."""
        return self.start_s + self.duration_measured_s


@dataclass(frozen=True)
class MediaInfo:
    """Properties of a media file.

    Attributes:
        path: Path of the file.
        container: FFmpeg's name of the container format.
        size_bytes: Size of the file.
        duration_declared_s: Duration in the header of the container; 0 if unknown.
        duration_measured_s: Duration of the longest stream by its packets.
        video: Decodable video streams, without cover images and thumbnails.
        audio: Decodable audio streams.
        undecodable: Streams that FFmpeg cannot decode.
    """

    path: Path
    container: str
    size_bytes: int
    duration_declared_s: float
    duration_measured_s: float
    video: tuple[VideoStream, ...]
    audio: tuple[AudioStream, ...]
    undecodable: tuple[UndecodableTrack, ...] = ()

    @property
    def main_video(self) -> VideoStream | None:
        """The largest video stream with more than one frame; None if there is none."""
        streams = [stream for stream in self.video if stream.frames_measured]
        return main_of([(s.width, s.height, s.frames_measured) for s in streams], streams)

    @property
    def why_video(self) -> tuple[str, ...]:
        """Why `main_video` was selected; empty for a single stream."""
        if len(self.video) < 2:
            return ()
        return (f"used: the largest of {len(self.video)} video streams",)

    @property
    def why_audio(self) -> tuple[str, ...]:
        """Why `main_audio` was selected; empty for a single stream."""
        if len(self.audio) < 2:
            return ()
        which = "first spatial one" if self.spatial_audio else "one with the most channels"
        return (f"used: the {which} of {len(self.audio)} audio streams",)

    @property
    def spatial_audio(self) -> AudioStream | None:
        """The first audio stream that is ambisonic, if any."""
        return next((stream for stream in self.audio if stream.layout.is_spatial), None)

    @property
    def main_audio(self) -> AudioStream | None:
        """The spatial stream, otherwise the one with the most channels; None without audio."""
        most = max(self.audio, key=lambda stream: stream.channels, default=None)
        return self.spatial_audio or most

    @property
    def is_truncated(self) -> bool:
        """Whether the file is clearly shorter than it declares."""
        missing_s = self.duration_declared_s - self.duration_measured_s
        return missing_s > max(_MISSING_S, _MISSING_PART * self.duration_declared_s)
