"""Access to PyAV's audio samples and channel layouts that avoids two memory errors of PyAV 18.1.

- ``AudioFrame.planes`` and ``AudioFrame.to_ndarray`` count planes up to a null pointer, which
  planar frames with eight or more channels lack. `samples_of` counts channels instead.
- An ``AudioLayout`` shares the channel list of a custom order with FFmpeg and frees it when it is
  garbage collected. ``stream.layout``, ``stream.channels`` and each decoded frame create one.
  `take_layout` removes the list from FFmpeg's decoder.

This module counts channels; `yt360.media.layout` detects their meaning.
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
"""Maximum number of channels: ambisonics of order 7 has 64, and other channels may follow."""
SAMPLE_RATES_HZ = (1000, 768_000)
"""Minimum and maximum plausible sample rate."""

# FFmpeg sample format without the "p" of planar ones -> dtype, value of silence, full scale.
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

    Call this on every opened audio stream before reading its layout or channels and before
    decoding. The number of channels is preserved.

    Args:
        context: Codec context of the stream.
    """
    layout = context.layout
    if layout.nb_channels > 0:
        # The channel list of a custom order now belongs to `layout` alone, which frees it.
        context.layout = f"{layout.nb_channels}C"
    return layout.name


def implausible(channels: int, sample_rate_hz: int) -> str:
    """Return why a number of channels or a sample rate is implausible; empty if both are valid."""
    if not (channels and sample_rate_hz):
        return "no channels declared"
    if channels > MAX_CHANNELS:
        return f"{channels} channels; at most {MAX_CHANNELS} are read"
    least, most = SAMPLE_RATES_HZ
    if not least <= sample_rate_hz <= most:
        return f"a sample rate of {sample_rate_hz} Hz; {least} to {most} Hz are read"
    return ""


def samples_of(frame: AudioFrame) -> Samples:
    """Return the samples (C, S) of a frame in the decoder's channel order, with full scale at 1."""
    stored_type, silence, full_scale = _FORMATS[frame.format.name.removesuffix("p")]
    channels, count = frame.layout.nb_channels, frame.samples

    def plane(number: int, values: int) -> NDArray[Any]:
        memory: Any = AudioPlane(frame, number)
        return np.frombuffer(memory, stored_type, values)

    if frame.format.is_planar:
        stored = np.empty((channels, count), stored_type)
        for channel in range(channels):
            stored[channel] = plane(channel, count)
    else:
        stored = plane(0, count * channels).reshape(count, channels).T.copy()
    if stored_type is np.float32:
        return stored
    if stored_type in (np.int16, np.int32):
        # Rounded once, as below: a division by a power of two does not round.
        samples = stored.astype(np.float32)
        samples /= np.float32(full_scale)
        return samples
    return ((stored - np.float64(silence)) / full_scale).astype(np.float32)
