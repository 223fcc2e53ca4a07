"""List the video and audio tracks of a container, including those that FFmpeg cannot decode.

FFmpeg reports little about tracks without a decoder, so their codec is read from the container: the
sample entry (MP4), the CodecID (Matroska) or the Opus header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from av.stream import Disposition

from yt360.errors import BadItem
from yt360.media.audio.frames import implausible, take_layout
from yt360.media.containers.matroska import projection_from_tags, read_matroska_tags
from yt360.media.containers.opus import undecodable_family
from yt360.media.containers.spherical import SA3D, Projection, TrackTags, read_mp4_tags

if TYPE_CHECKING:
    from av import VideoStream as StoredVideo
    from av.container import InputContainer

TrackKind = Literal["video", "audio"]
Item = TypeVar("Item")

_LONG_NAMES = {
    "apac": "Apple Positional Audio Codec",
    "ac-4": "Dolby AC-4",
    "mha1": "MPEG-H 3D Audio",
    "mha2": "MPEG-H 3D Audio",
    "mhm1": "MPEG-H 3D Audio",
    "mhm2": "MPEG-H 3D Audio",
    "iamf": "Immersive Audio Model and Formats",
}
_ENCRYPTED = {"encv", "enca"}


@dataclass(frozen=True)
class UndecodableTrack:
    """A track that FFmpeg cannot decode.

    Attributes:
        index: Index among all streams of the file.
        kind: ``"video"`` or ``"audio"``.
        codec: Codec name in the container.
        detail: Full name of the codec, or the reason; may be empty.
    """

    index: int
    kind: TrackKind
    codec: str
    detail: str = ""

    def describe(self) -> str:
        """Return the codec name, with the detail if there is one."""
        return f"{self.codec} ({self.detail})" if self.detail else self.codec


@dataclass(frozen=True)
class Track:
    """A video or audio track.

    Attributes:
        stream: PyAV stream.
        position: Index among the streams of its kind.
        projection: Declared projection of a video track.
        sa3d: SA3D box of an audio track, if present.
        layout: Declared channel layout of an audio track, such as ``"5.1"``; may be empty.
        dolby_vision_profile: Dolby Vision profile of a video track in MP4, if any.
        undecodable: Set if FFmpeg cannot decode the track.
    """

    stream: Any
    position: int
    projection: Projection
    sa3d: SA3D | None
    layout: str
    dolby_vision_profile: int | None
    undecodable: UndecodableTrack | None


def read_tracks(path: Path, container: InputContainer) -> list[Track]:
    """Return the video and audio tracks of an open file in file order, without cover images."""
    tags = _read_tags(path, container)
    streams: dict[TrackKind, list[tuple[int, Any]]] = {
        "video": [(i, s) for i, s in enumerate(container.streams.video) if not is_cover(s)],
        "audio": list(enumerate(container.streams.audio)),
    }
    tracks = []
    for kind, found in streams.items():
        of_kind = [each for each in tags if each.handler == kind]
        of_kind += [TrackTags(kind)] * len(found)
        for (position, stream), tag in zip(found, of_kind, strict=False):
            has_layout = kind == "audio" and stream.codec_context is not None
            layout = take_layout(stream.codec_context) if has_layout else ""
            tracks.append(
                Track(
                    stream,
                    position,
                    projection=tag.projection or Projection(),
                    sa3d=tag.sa3d,
                    layout=layout,
                    dolby_vision_profile=tag.dolby_vision_profile,
                    undecodable=_undecodable_track(stream, kind, tag.codec),
                )
            )
    return _with_text_tags(tracks, container)


def is_cover(stream: StoredVideo) -> bool:
    """Return whether a video stream is a cover image or thumbnails."""
    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


def main_video(container: InputContainer) -> StoredVideo | None:
    """Return the main decodable video stream that is not a cover image; see `main_of`."""
    streams = [s for s in container.streams.video if s.codec_context and not is_cover(s)]
    return main_of([(s.width, s.height, s.frames) for s in streams], streams)


def main_of(sizes: Sequence[tuple[int, int, int]], videos: Sequence[Item]) -> Item | None:
    """Return the main video: the largest with more than one frame; the first of equal ones.

    Args:
        sizes: Width, height and number of frames of each video; 0 frames if unknown.
        videos: The videos.
    """
    ranks = [(frames != 1, width * height) for width, height, frames in sizes]
    return videos[ranks.index(max(ranks))] if ranks else None


def undecodable(path: Path, tracks: Sequence[UndecodableTrack], kind: TrackKind) -> BadItem | None:
    """Return the error for a file's undecodable tracks of a kind; None if there are none."""
    names = [track.describe() for track in tracks if track.kind == kind]
    if not names:
        return None
    listed = ", ".join(dict.fromkeys(names))
    return BadItem(
        "undecodable", f"{listed}: FFmpeg cannot decode this {kind} track of {path.name}"
    )


def _read_tags(path: Path, container: InputContainer) -> list[TrackTags]:
    with path.open("rb") as file:
        if "mp4" in container.format.name:
            return read_mp4_tags(file)
        if "matroska" in container.format.name:
            return read_matroska_tags(file)
    return []


def _with_text_tags(tracks: list[Track], container: InputContainer) -> list[Track]:
    """Add the projection in a WebM text tag to the tracks."""
    texts = dict(container.metadata)
    for stream in container.streams.video:
        texts |= stream.metadata
    tagged = projection_from_tags(texts)
    if tagged is None:
        return tracks
    return [
        replace(track, projection=tagged) if track.projection.kind == "untagged" else track
        for track in tracks
    ]


def _undecodable_track(stream: Any, kind: TrackKind, codec: str) -> UndecodableTrack | None:
    context = stream.codec_context
    if codec in _ENCRYPTED:
        return UndecodableTrack(stream.index, kind, codec, "encrypted")
    if context is None:
        codec = codec or "unknown codec"
        return UndecodableTrack(stream.index, kind, codec, _LONG_NAMES.get(codec, ""))
    if kind == "audio" and context.name == "opus":
        family = undecodable_family(bytes(context.extradata or b""))
        if family is not None:
            return UndecodableTrack(stream.index, kind, f"opus mapping family {family}")
    problem = implausible(stream.channels, stream.rate) if kind == "audio" else ""
    return UndecodableTrack(stream.index, kind, codec or context.name, problem) if problem else None
