"""Lossy encoding and decoding of audio in memory, as by a video site."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import av
import numpy as np
from numpy.typing import NDArray

from yt360.media.audio.frames import samples_of

# FL FR FC LFE BL BR of the 5.1 track hold X, Y, W, silence, Z, silence.
AMBIX_TO_5_1 = (3, 1, 0, None, 2, None)
W_Y_Z_X_IN_5_1 = [2, 1, 4, 0]

if TYPE_CHECKING:
    from av.audio.stream import AudioStream


@dataclass(frozen=True)
class Coding:
    """A format in which YouTube serves spatial audio.

    Attributes:
        codec: FFmpeg's name of the encoder.
        bit_rate: Bits per second of all channels together.
        layout: Channel layout that the stream is labelled with.
        mapping_family: Opus mapping family: 1 couples channels in pairs, 255 codes them separately.
    """

    codec: str
    bit_rate: int
    layout: str
    mapping_family: int = 255


YOUTUBE_CODINGS = {
    "aac-384": Coding("aac", 384_000, "5.1"),
    "aac-192": Coding("aac", 192_000, "5.1"),
    "opus-480": Coding("libopus", 480_000, "quad"),
    "opus-256": Coding("libopus", 256_000, "quad"),
    "opus-256-coupled": Coding("libopus", 256_000, "quad", 1),
}


def code(audio: NDArray[np.floating], rate_hz: int, coding: Coding) -> NDArray[np.float32]:
    """Encode and decode (4, S) at 48 kHz; the encoder delay is removed.

    Raises:
        ValueError: `rate_hz` is not 48 kHz.
    """
    if rate_hz != 48_000:
        raise ValueError(f"audio is coded at 48000 Hz, not {rate_hz}")
    stored = audio
    if coding.layout == "5.1":
        silence = np.zeros_like(audio[0])
        stored = np.stack([silence if c is None else audio[c] for c in AMBIX_TO_5_1])
    decoded = _round_trip(np.asarray(stored, dtype=np.float32), rate_hz, coding)
    decoded = decoded[W_Y_Z_X_IN_5_1] if coding.layout == "5.1" else decoded
    return decoded[:, : audio.shape[1]]


def _round_trip(stored: NDArray[np.float32], rate_hz: int, coding: Coding) -> NDArray[np.float32]:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as target:
        stream = cast("AudioStream", target.add_stream(coding.codec, rate=rate_hz))
        stream.codec_context.layout = coding.layout
        stream.codec_context.bit_rate = coding.bit_rate
        if coding.codec == "libopus":
            stream.codec_context.options = {"mapping_family": str(coding.mapping_family)}
        sample_format = "fltp" if coding.codec == "aac" else "flt"
        for start in range(0, stored.shape[1], 960):
            piece = stored[:, start : start + 960]
            packed = piece if sample_format == "fltp" else piece.T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(packed), format=sample_format, layout=coding.layout
            )
            frame.rate = rate_hz
            frame.pts, frame.time_base = start, Fraction(1, rate_hz)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as source:
        return np.concatenate([samples_of(frame) for frame in source.decode(audio=0)], axis=1)
