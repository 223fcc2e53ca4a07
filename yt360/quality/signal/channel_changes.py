"""Exchanged and inverted channels of a sound field, as changes of the directions of its sources.

Any order and signs of the channels Y, Z and X are a valid sound field whose directions are permuted
and reflected. The field alone cannot tell which one was recorded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_AXES = "xyz"


@dataclass(frozen=True, eq=False)
class ChannelChange:
    """A way in which stored channels differ from W, Y, Z, X.

    Attributes:
        name: Identifier.
        reason: Reason of the verdict: ``"agrees"``, ``"channel-order"``, ``"mirrored"`` or
            ``"turned"``.
        description: What the stored channels are.
        matrix: (3, 3) matrix from a direction (x, y, z) that is read from the stored channels as
            if they were W, Y, Z, X to the true direction.
    """

    name: str
    reason: str
    description: str
    matrix: NDArray[np.float64]


def _order(axes: str) -> ChannelChange:
    """Return the change of channels that are stored as W and then `axes`."""
    matrix = np.zeros((3, 3))
    for true, read_as in zip(axes, "yzx", strict=True):
        matrix[_AXES.index(true), _AXES.index(read_as)] = 1
    name = "w_" + "_".join(axes)
    return ChannelChange(name, "channel-order", f"W {' '.join(axes.upper())}", matrix)


def _signs(name: str, reason: str, description: str, inverted: str) -> ChannelChange:
    signs = [-1.0 if axis in inverted else 1.0 for axis in _AXES]
    return ChannelChange(name, reason, description, np.diag(signs))


AS_READ = ChannelChange("as_read", "agrees", "W Y Z X", np.eye(3))
FUMA_ORDER = _order("xyz")
CHANGES: tuple[ChannelChange, ...] = (
    AS_READ,
    FUMA_ORDER,
    *(_order(axes) for axes in ("xzy", "zyx", "yxz", "zxy")),
    _signs("y_inverted", "mirrored", "W -Y Z X", "y"),
    _signs("x_inverted", "mirrored", "W Y Z -X", "x"),
    _signs("z_inverted", "mirrored", "W Y -Z X", "z"),
    _signs("turned_180", "turned", "W -Y Z -X", "xy"),
)
"""The changes that the check of sound and picture distinguishes; the first is no change."""
