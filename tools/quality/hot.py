"""Clipped audio, and audio that is loud but intact."""

from __future__ import annotations

import numpy as np

from quality.sound_fields import AudioArray, any_scene


def make_hot(
    rng: np.random.Generator, clipped: bool, duration_s: float, rate_hz: int
) -> AudioArray:
    """Return ambiX (4, S) that is cut off at full scale, or peaks at most just below it.

    Args:
        rng: Source of randomness.
        clipped: Whether at least 0.2 % of the samples of W lie above full scale.
        duration_s: Length.
        rate_hz: Sampling rate.
    """
    audio, _ = any_scene(rng, int(duration_s * rate_hz), rate_hz)
    if not clipped:
        return audio * (10 ** (rng.uniform(-20, -0.2) / 20) / np.abs(audio).max())
    size = np.abs(audio[0])
    sounding = size[size > 1e-3 * size.max()]
    level = float(np.quantile(sounding, 1 - 10 ** rng.uniform(-2.7, -1.3)))
    return np.clip(audio / level, -1, 1)
