"""What is known of a media file: its streams, what they declare, what was measured in them.

Declared values are what headers say; measured ones come from reading every packet. They never share
a name, because in downloaded files they often differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from yt360.media.containers.spherical import SA3D, Projection
from yt360.media.containers.tracks import UndecodableTrack, main_of
from yt360.media.layout.audio_layout import AudioLayout
from yt360.media.video.color import ColorTags

# A file that holds less than it declares by more than this was cut off.
_MISSING_S, _MISSING_PART = 1.0, 0.02


@dataclass(frozen=True)
class VideoStream:
    """One video stream.

    Attributes:
        index: Its number among all streams of the file.
        codec: FFmpeg's name.
        width, height: Stored size in pixels, before rotation.
        rotation_deg: How players rotate frames, counter-clockwise: 0, 90, 180 or -90.
        pixel_format: FFmpeg's name.
        color: What it says of its colours.
        frame_rate_declared: Frames per second by the header; 0 when it does not say.
        frame_rate_measured: (frames - 1) / (last time - first time); 0 for a single frame.
        variable_frame_rate: Whether the intervals between frames differ.
        frames_measured: Frames that the file really holds.
        start_s: Time of the first frame in the presentation.
        duration_declared_s: By the header; 0 when it does not say.
        duration_measured_s: From the first frame to the end of the last one.
        projection: How frames map to the sphere, as the file declares it.
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

    @property
    def end_s(self) -> float:
        """Time at which the last frame ends."""
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
        index: Its number among all streams of the file.
        position: Its index among all audio streams of the file, decodable or not.
        codec: FFmpeg's name.
        sample_rate_hz: Stored rate.
        channels: Stored channels.
        layout_declared: The container's name for them, which for ambisonics is often wrong.
        start_s: Time of the first sample in the presentation.
        duration_declared_s: By the header; 0 when it does not say.
        duration_measured_s: From the first sample to the last.
        sa3d: The stream's SA3D box, if it has one.
        layout: What the channels are, and why that is believed.
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
        """Time of the last sample."""
        return self.start_s + self.duration_measured_s


@dataclass(frozen=True)
class MediaInfo:
    """What a media file is.

    Attributes:
        path: The file.
        container: FFmpeg's name of the container format.
        size_bytes: Size of the file.
        duration_declared_s: By the container's header; 0 when it does not say.
        duration_measured_s: The longest stream, by its packets.
        video: Video streams that decode; covers and thumbnails are not counted.
        audio: Audio streams that decode.
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
        """The largest video stream that is no still; None where none has frames."""
        streams = [stream for stream in self.video if stream.frames_measured]
        return main_of([(s.width, s.height, s.frames_measured) for s in streams], streams)

    @property
    def why_video(self) -> tuple[str, ...]:
        """Why `main_video` is the one that is used; empty where there is no choice."""
        if len(self.video) < 2:
            return ()
        return (f"used: the largest of {len(self.video)} video streams",)

    @property
    def why_audio(self) -> tuple[str, ...]:
        """Why `main_audio` is the one that is used; empty where there is no choice."""
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
        """The spatial audio stream, or else the one with the most channels; None without audio."""
        most = max(self.audio, key=lambda stream: stream.channels, default=None)
        return self.spatial_audio or most

    @property
    def is_truncated(self) -> bool:
        """Whether the file holds clearly less than it declares."""
        missing_s = self.duration_declared_s - self.duration_measured_s
        return missing_s > max(_MISSING_S, _MISSING_PART * self.duration_declared_s)
