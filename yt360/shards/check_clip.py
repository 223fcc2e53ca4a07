"""Whether the members of one clip decode to what its ``.json`` says."""

from __future__ import annotations

import io

from yt360.errors import BadItem
from yt360.shards.clip_facts import ClipFacts


def check_clip(facts: ClipFacts, mp4: bytes, flac: bytes) -> None:
    """Decode a clip whole.

    Args:
        facts: Content of its ``.json`` member.
        mp4: Content of its picture.
        flac: Content of its sound.

    Raises:
        BadItem: Something does not decode, or has another size, rate or length than `facts` says.
    """
    needed = ("width", "height", "fps", "sample_rate_hz")
    if missing := [name for name in needed if getattr(facts, name) is None]:
        raise BadItem("bad-json", f"its .json lacks {missing[0]!r}")
    found = _decode_picture(mp4)
    _compare("picture", "frames", found[0], round(facts.duration_s * (facts.fps or 0)))
    _compare("picture", "size", found[1], (facts.width, facts.height))
    sound = _decode_sound(flac)
    samples = round(facts.duration_s * (facts.sample_rate_hz or 0))
    _compare("sound", "samples and channels", sound[0], (samples, 4))
    _compare("sound", "rate", sound[1], facts.sample_rate_hz)


def _decode_picture(mp4: bytes) -> tuple[int, tuple[int, int]]:
    import av

    try:
        with av.open(io.BytesIO(mp4), "r", format="mp4") as container:
            frames, size = 0, (0, 0)
            for frame in container.decode(video=0):
                frames += 1
                size = frame.width, frame.height
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise BadItem("bad-mp4", f"its .mp4 does not decode: {error}") from None
    return frames, size


def _decode_sound(flac: bytes) -> tuple[tuple[int, ...], int]:
    import soundfile

    try:
        signal, rate_hz = soundfile.read(io.BytesIO(flac), dtype="int16", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise BadItem("bad-flac", f"its .flac does not decode: {error}") from None
    return signal.shape, rate_hz


def _compare(stream: str, what: str, found: object, expected: object) -> None:
    if found != expected:
        raise BadItem("bad-clip", f"{stream} has {what} {found}, its .json says {expected}")
