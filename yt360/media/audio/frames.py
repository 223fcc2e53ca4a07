"""Samples and channel layouts of PyAV's audio, without two of its memory errors (seen in 18.1).

- ``AudioFrame.planes``, and with it ``AudioFrame.to_ndarray``, counts planes up to a null pointer.
  Planar frames of eight channels and more end without one. `samples_of` counts channels instead.
- An ``AudioLayout`` is a copy of FFmpeg's structure that shares the list of channels of a custom
  order, and frees it when the object goes. Every ``stream.layout`` and ``stream.channels`` makes
  one, and so does every decoded frame. `take_layout` leaves FFmpeg's decoder without that list.

Channels are counted, never named: `yt360.media.layout` tells what they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from av.audio.plane import AudioPlane
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av import AudioCodecContext, AudioFrame

Samples = NDArray[np.float32]

MAX_CHANNELS = 128
"""Ambisonics of order 7 has 64 channels; the rest is for what lies beside it."""
SAMPLE_RATES_HZ = (1000, 768_000)
"""Least and greatest sample rate of anything that was recorded to be heard."""

# FFmpeg's sample formats without the "p" of planar ones: stored type, value of silence, full scale.
_FORMATS: dict[str, tuple[type[np.generic], float, float]] = {
    "u8": (np.uint8, 128.0, 2.0**7),
    "s16": (np.int16, 0.0, 2.0**15),
    "s32": (np.int32, 0.0, 2.0**31),
    "s64": (np.int64, 0.0, 2.0**63),
    "flt": (np.float32, 0.0, 1.0),
    "dbl": (np.float64, 0.0, 1.0),
}


def take_layout(context: AudioCodecContext) -> str:
    """Return the name of the declared channel layout, such as ``"5.1"``, and clear the layout.

    To be called on every audio stream that is opened, before its layout or channels are read and
    before it is decoded. Its number of channels is kept.

    Args:
        context: Of a stream that was opened for reading and has not been decoded yet.
    """
    layout = context.layout
    if layout.nb_channels > 0:
        # The list of channels of a custom order now belongs to `layout` alone, which frees it.
        context.layout = f"{layout.nb_channels}C"
    return layout.name


def implausible(channels: int, sample_rate_hz: int) -> str:
    """Return what is wrong with a number of channels or a sample rate; empty if nothing is."""
    if not (channels and sample_rate_hz):
        return "no channels declared"
    if channels > MAX_CHANNELS:
        return f"{channels} channels; at most {MAX_CHANNELS} are read"
    least, most = SAMPLE_RATES_HZ
    if not least <= sample_rate_hz <= most:
        return f"a sample rate of {sample_rate_hz} Hz; {least} to {most} Hz are read"
    return ""


def samples_of(frame: AudioFrame) -> Samples:
    """Return a frame's samples (C, S) in the decoder's channel order, full scale at 1."""
    stored_type, silence, full_scale = _FORMATS[frame.format.name.removesuffix("p")]
    channels, count = frame.layout.nb_channels, frame.samples

    def plane(number: int, values: int) -> NDArray[Any]:
        memory: Any = AudioPlane(frame, number)
        return np.frombuffer(memory, stored_type, values)

    if frame.format.is_planar:
        stored = np.stack([plane(channel, count) for channel in range(channels)])
    else:
        stored = plane(0, count * channels).reshape(count, channels).T
    if stored_type is np.float32:
        return stored.astype(np.float32)
    return ((stored - np.float64(silence)) / full_scale).astype(np.float32)
