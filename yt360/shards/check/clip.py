"""Decoding the members of one clip whole, within what its ``.json`` says."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any, Literal

from yt360.errors import BadItem
from yt360.shards.format.clip_facts import ClipFacts

if TYPE_CHECKING:
    from av import VideoFrame
    from numpy.typing import NDArray

_CHANNELS = 4


@dataclass(frozen=True)
class ClipShape:
    """What a clip's ``.json`` says of its members.

    Attributes:
        width: Of the picture, in pixels.
        height: Likewise.
        frames: Their number.
        sample_rate_hz: Of the sound.
        samples: Samples of each channel.
    """

    width: int
    height: int
    frames: int
    sample_rate_hz: int
    samples: int

    @classmethod
    def of(cls, facts: ClipFacts) -> ClipShape:
        """Return what a ``.json`` says.

        Raises:
            BadItem: ``"bad-json"``: it does not say it in numbers above 0.
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
            raise BadItem("bad-json", f"its .json tells of no clip: {shape}")
        return shape


def check_clip(facts: ClipFacts, mp4: bytes, flac: bytes) -> None:
    """Decode a clip whole.

    Args:
        facts: Content of its ``.json`` member.
        mp4: Content of its picture.
        flac: Content of its sound.

    Raises:
        BadItem: Something does not decode, or has another size, rate or length than `facts` says.
    """
    shape = ClipShape.of(facts)
    for _ in clip_video(mp4, shape):
        pass
    clip_audio(flac, shape, "int16")


def clip_video(mp4: bytes, shape: ClipShape) -> Iterator[VideoFrame]:
    """Yield the frames of a clip's MP4.

    Raises:
        BadItem: ``"bad-mp4"``, or ``"bad-clip"``: its frames have another size or
            number than `shape` says.
    """
    from yt360.media.containers.opening import open_clip

    found = 0
    with open_clip(mp4) as container:
        for frame in container.decode(video=0):
            found += 1
            if found > shape.frames:
                raise BadItem(
                    "bad-clip", f"picture has more frames than {shape.frames}, as its .json says"
                )
            size = frame.width, frame.height
            _compare("picture", "size", size, (shape.width, shape.height))
            yield frame
    _compare("picture", "frames", found, shape.frames)


def clip_audio(flac: bytes, shape: ClipShape, dtype: Literal["int16", "float32"]) -> NDArray[Any]:
    """Return the samples (S, 4) of a clip's FLAC.

    Raises:
        BadItem: ``"bad-flac"``: it does not decode; ``"bad-clip"``: it has another rate, length or
            number of channels than `shape` says.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(flac)) as file:
            if file.format != "FLAC":
                raise BadItem("bad-flac", f"its .flac is {file.format}")
            # Memory is taken for what the header announces.
            announced = file.frames, file.channels
            _compare("sound", "samples and channels", announced, (shape.samples, _CHANNELS))
            _compare("sound", "rate", file.samplerate, shape.sample_rate_hz)
            signal: NDArray[Any] = file.read(dtype=dtype, always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise BadItem("bad-flac", f"its .flac does not decode: {error}") from None
    _compare("sound", "samples and channels", signal.shape, (shape.samples, _CHANNELS))
    return signal


def _compare(stream: str, what: str, found: object, expected: object) -> None:
    if found != expected:
        raise BadItem("bad-clip", f"{stream} has {what} {found}, its .json says {expected}")
