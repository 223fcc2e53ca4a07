"""Maps over the sphere that say where it is worth looking: loud directions, moving places."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from avsa.viewpoints import Sampler
from yt360.ambisonics import energy_map

ROWS = 20
# A first-order beam is so wide that its power hardly varies; this exponent makes peaks of it.
SHARPNESS = 4.0


def sound_energy(sound: Tensor) -> NDArray[np.float64]:
    """Return how loud each direction is, (20, 40), from 0 (the quietest one) to 1.

    Args:
        sound: ambiX (4, S), int16 or float.
    """
    power = energy_map(sound.to(torch.float64), ROWS, 2 * ROWS)
    power = power - power.min()
    return (power / power.max().clamp(min=1e-12)).pow(SHARPNESS).numpy()


def picture_motion(luma: Tensor) -> NDArray[np.float64]:
    """Return how much the picture changes at each place, (20, 40), mean grey levels a frame.

    Noise of the codec, the median change over the sphere, is taken off.

    Args:
        luma: (T, H, W) uint8, T >= 2.
    """
    frames = luma.to(torch.float32)
    change = (frames[1:] - frames[:-1]).abs().mean(0)
    pooled = adaptive_avg_pool2d(change[None], (ROWS, 2 * ROWS))[0].to(torch.float64)
    return (pooled - pooled.median()).clamp(min=0).numpy()


def guide_map(sampler: Sampler, luma: Tensor, sound: Tensor) -> NDArray[np.float64] | None:
    """Return the map that a sampler of views follows, or None for those that follow none.

    Args:
        sampler: Name of the sampler.
        luma: (T, H, W) uint8.
        sound: ambiX (4, S).
    """
    if sampler == "energy":
        return sound_energy(sound)
    if sampler == "motion":
        return picture_motion(luma)
    return None
