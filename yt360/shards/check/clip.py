"""Decode the members of a clip completely and compare them with its ``.json``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from yt360.clip_codec.decoder import decode_audio, decode_video
from yt360.clip_codec.flac import read_flac_index
from yt360.clip_codec.mp4_index import read_track
from yt360.errors import BadItem
from yt360.shards.format.clip_facts import ClipFacts

if TYPE_CHECKING:
    import numpy as np
    from av import VideoFrame
    from numpy.typing import NDArray

_CHANNELS = 4


@dataclass(frozen=True)
class ClipShape:
    """Sizes of a clip's streams, according to its ``.json``.

    Attributes:
        width: Width of the video in pixels.
        height: Height of the video in pixels.
        frames: Number of frames.
        sample_rate_hz: Sample rate of the audio.
        samples: Samples per channel.
    """

    width: int
    height: int
    frames: int
    sample_rate_hz: int
    samples: int

    @classmethod
    def of(cls, facts: ClipFacts) -> ClipShape:
        """Return the sizes in a ``.json``.

        Raises:
            BadItem: ``"bad-json"``: a number is missing or not positive.
        """
        needed = ("width", "height", "fps", "sample_rate_hz")
        if missing := [name for name in needed if getattr(facts, name) is None]:
            raise BadItem("bad-json", f"its .json lacks {missing[0]!r}")
        rate_hz = facts.sample_rate_hz or 0
        shape = cls(
            width=facts.width or 0,
            height=facts.height or 0,
            frames=round(facts.duration_s * (facts.fps or 0)),
            sample_rate_hz=rate_hz,
            samples=round(facts.duration_s * rate_hz),
        )
        if min(astuple(shape)) < 1:
            raise BadItem("bad-json", f"its .json does not describe a clip: {shape}")
        return shape


def check_clip(facts: ClipFacts, mp4: bytes, flac: bytes) -> None:
    """Decode a clip completely.

    Args:
        facts: Content of its ``.json`` member.
        mp4: Its video.
        flac: Its audio.

    Raises:
        BadItem: A member does not decode, or its size, rate or length differs from `facts`.
    """
    shape = ClipShape.of(facts)
    for _ in clip_video(mp4, shape):
        pass
    clip_audio(flac, shape)


def clip_video(mp4: bytes, shape: ClipShape) -> Iterator[VideoFrame]:
    """Yield the frames of a clip's MP4.

    Raises:
        BadItem: It does not decode; ``"bad-clip"``: the size or number of its frames differs
            from `shape`.
    """
    track = read_track(memoryview(mp4))
    _compare("video", "size", (track.width, track.height), (shape.width, shape.height))
    _compare("video", "frames", len(track), shape.frames)
    yield from decode_video(mp4)


def clip_audio(flac: bytes, shape: ClipShape) -> NDArray[np.int16]:
    """Return the samples (4, S) of a clip's FLAC.

    Raises:
        BadItem: It does not decode; ``"bad-clip"``: its rate, length or number of channels
            differs from `shape`.
    """
    index = read_flac_index(memoryview(flac))
    _compare("audio", "channels", index.channels, _CHANNELS)
    _compare("audio", "rate", index.sample_rate_hz, shape.sample_rate_hz)
    _compare("audio", "samples", index.num_samples, shape.samples)
    return decode_audio(flac)


def _compare(stream: str, what: str, found: object, expected: object) -> None:
    if found != expected:
        raise BadItem("bad-clip", f"{stream} has {what} {found}; its .json says {expected}")
