"""Parts of media files as clips for the page, converted when somebody looks at them.

Browsers do not play most 360° recordings as they are: cube maps, HEVC, ambisonics of five layouts.
Therefore the page gets what `build-shards` would make of them, in more pixels.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yt360.clip_codec.format import ClipFormat
from yt360.errors import BadItem
from yt360.explore.bounded_cache import BoundedCache
from yt360.explore.parts import Decoder
from yt360.explore.sources.source import AUDIO, VIDEO, Member
from yt360.explore.thumbnails import HEIGHT, WIDTH, thumbnail_of_video

if TYPE_CHECKING:
    from yt360.media.source import Source as MediaSource

FORM = ClipFormat(width=1280, height=640, fps=24, gop=12, preset="veryfast", sample_rate_hz=48000)
"""Format of the video and the audio that the page gets."""
_THUMBNAIL_FORM = ClipFormat(width=WIDTH, height=HEIGHT, fps=8, gop=1, preset="veryfast")
CACHE_BYTES = 384 << 20
"""Memory for converted clips; 10 s have about 4 MB."""


@dataclass(frozen=True)
class Recording:
    """A media file, and what is stated about it.

    Attributes:
        video: The file with the video.
        companions: Files that may hold its audio.
        projection: Its projection, ``"auto"`` to detect it.
        audio_layout: Its audio layout; None to detect it.
    """

    video: Path
    companions: tuple[Path, ...] = ()
    projection: str = "auto"
    audio_layout: str | None = None

    @property
    def tag(self) -> str:
        """A text that changes with the files.

        Raises:
            BadItem: ``"unreadable"``.
        """
        try:
            found = [path.stat() for path in (self.video, *self.companions)]
        except OSError as error:
            raise BadItem("unreadable", f"{self.video.name}: {error.strerror}") from None
        return "-".join(f"{each.st_size:x}.{each.st_mtime_ns:x}" for each in found)


@dataclass(frozen=True)
class RecordingFacts:
    """What opening a recording found.

    Attributes:
        start_s: Second at which both video and audio have started.
        end_s: Second at which the first of them ends.
        facts: Its streams, as each clip's ``.json`` stores them.
    """

    start_s: float
    end_s: float
    facts: dict[str, Any]


def recording_facts(recording: Recording) -> RecordingFacts:
    """Open a recording; call this in another process.

    Raises:
        BadItem: It is not a usable 360° video with spatial audio.
    """
    source = _open(recording)
    return RecordingFacts(source.start_s, source.end_s, source.facts())


def excerpt_video(
    recording: Recording, start_s: float, duration_s: float, form: ClipFormat = FORM
) -> bytes:
    """Return a part of a recording as equirectangular MP4; call this in another process.

    Raises:
        BadItem: It cannot be decoded.
    """
    from yt360.clip_codec.video_encoder import encode_video

    with tempfile.TemporaryDirectory(prefix="yt360-explore-") as folder:
        path = Path(folder) / "clip.mp4"
        encode_video(_open(recording), [(start_s, duration_s)], form, [path], threads=2)
        return path.read_bytes()


def excerpt_audio(recording: Recording, start_s: float, duration_s: float) -> bytes:
    """Return a part of a recording's audio as ambiX FLAC; call this in another process.

    Raises:
        BadItem: It cannot be decoded.
    """
    from yt360.clip_codec.flac import encode_flac
    from yt360.media.audio.reader import AmbixReader, AudioReader
    from yt360.media.convert import to_int16

    source, rate_hz = _open(recording), FORM.sample_rate_hz
    layout = source.audio_stream.layout.format
    assert layout is not None
    with AudioReader(source.audio, source.audio_stream.position) as reader:
        ambix, _ = AmbixReader(reader, layout, rate_hz).read(
            round(start_s * rate_hz), round(duration_s * rate_hz)
        )
    return encode_flac(to_int16(ambix)[0], rate_hz)


def excerpt_thumbnail(recording: Recording, start_s: float) -> bytes:
    """Return a JPEG of the frame at a time; call this in another process.

    Raises:
        BadItem: It cannot be decoded.
    """
    frame_s = 1 / _THUMBNAIL_FORM.fps
    return thumbnail_of_video(excerpt_video(recording, start_s, frame_s, _THUMBNAIL_FORM))


@lru_cache(8)
def _open(recording: Recording) -> MediaSource:
    from yt360.media.source import open_source

    return open_source(
        recording.video,
        recording.companions,
        projection=recording.projection,
        audio_layout=recording.audio_layout,
    )


class Excerpts:
    """Clips of media files, converted on demand and kept for a while.

    Args:
        decoder: Where media is decoded.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._cache: BoundedCache[bytes] = BoundedCache(CACHE_BYTES, len)

    def member(self, recording: Recording, start_s: float, duration_s: float, name: str) -> Member:
        """Return the video or the audio of a part of a recording.

        Raises:
            BadItem: It cannot be decoded.
        """
        function = {VIDEO: excerpt_video, AUDIO: excerpt_audio}[name]
        tag = f"{recording.tag}-{start_s:g}-{duration_s:g}-{name}"
        content = self._cache.get(
            (recording, tag),
            lambda: self._decoder.call(
                recording.video.name, function, recording, start_s, duration_s
            ),
        )
        return Member(len(content), tag, lambda start, stop: content[start:stop])

    def thumbnail(self, recording: Recording, start_s: float) -> bytes:
        """Return a small picture of the frame at a time.

        Raises:
            BadItem: It cannot be decoded.
        """
        return self._decoder.call(recording.video.name, excerpt_thumbnail, recording, start_s)


def page_format() -> dict[str, Any]:
    """Return the sizes and rates of excerpts, as ``clip.json`` has them."""
    form = asdict(FORM)
    return {
        "width": form["width"],
        "height": form["height"],
        "fps": form["fps"],
        "sample_rate": form["sample_rate_hz"],
    }
