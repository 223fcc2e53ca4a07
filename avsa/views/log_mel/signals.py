"""The signals that views need of a sound field, and the channels that they become.

W is the same in all views and therefore one signal. Shapes: K views, C channels, U signals; "..."
are dimensions of a batch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

Channels = Literal["ambix", "ambix+intensity", "mono", "stereo"]


def mixing_matrices(rotations: Tensor, inputs: Channels) -> Tensor:
    """Return the matrices (..., U, 4) that mix W, Y, Z, X to the U signals of all views.

    Args:
        rotations: (..., K, 3, 3) from world to view coordinates.
        inputs: Channels of the views; see `as_channels` for the order of signals.
    """
    steered = in_channel_order(rotations).flatten(-3, -2)
    if inputs == "mono":
        mixing = rotations.new_zeros(*rotations.shape[:-3], 1, 4)
        mixing[..., 0] = 1
    elif inputs == "stereo":
        toward_left = steered[..., ::3, :]
        mixing = rotations.new_full((*rotations.shape[:-2], 2, 4), 0.5)
        mixing[..., 0, 1:] = 0.5 * toward_left
        mixing[..., 1, 1:] = -0.5 * toward_left
        mixing = mixing.flatten(-3, -2)
    else:
        mixing = pad(steered, (1, 0, 1, 0))
        mixing[..., 0, 0] = 1
    return mixing


def as_channels(levels: Tensor, num_views: int, inputs: Channels) -> list[Tensor]:
    """Return signals (..., U, N, F) as the channels (..., K, c, N, F) of views."""
    if inputs == "stereo":
        return [levels.unflatten(-3, (num_views, 2))]
    omni = levels[..., None, :1, :, :].expand(*levels.shape[:-3], num_views, 1, *levels.shape[-2:])
    if inputs == "mono":
        return [omni]
    return [omni, levels[..., 1:, :, :].unflatten(-3, (num_views, 3))]


def in_channel_order(rotations: Tensor) -> Tensor:
    """Permute matrices for (x, y, z) to matrices for (y, z, x)."""
    return rotations.roll((-1, -1), (-2, -1))


@lru_cache(maxsize=8)
def signals_of_views(num_views: int, inputs: Channels) -> NDArray[np.int64]:
    """Return the signal (K, c) of each channel of each view, as a number from 0 to U - 1."""
    numbers = torch.arange(1 + 3 * num_views if inputs.startswith("ambix") else 2 * num_views)
    channels = as_channels(numbers[:, None, None], num_views, inputs)
    return torch.cat(channels, -3)[..., 0, 0].numpy()
