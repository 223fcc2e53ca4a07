"""How stored sound fields map to ambiX: which channels to take and how to scale them.

Free of torch, so that code which only reads media starts quickly.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from yt360.errors import BadItem


@dataclass(frozen=True)
class AmbisonicFormat:
    """How a stored sound field maps to ambiX: which channels to take and how to scale them.

    Attributes:
        name: What people call the format.
        channels: Index of the stored channel that carries W, Y, Z and X.
        gains: Factor for each of the four.
        note: What is lost or assumed in the conversion, or an empty string.
    """

    name: str
    channels: tuple[int, int, int, int]
    gains: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    note: str = ""


AMBIX = AmbisonicFormat("ambiX", (0, 1, 2, 3))
N3D = AmbisonicFormat("ACN/N3D", (0, 1, 2, 3), (1.0, *3 * (1 / sqrt(3),)))
# Furse-Malham: W X Y Z with W stored 3 dB down.
FUMA = AmbisonicFormat("FuMa", (0, 2, 3, 1), (sqrt(2), 1.0, 1.0, 1.0))
# The same order with a W of any gain, which is measured.
FUMA_ORDER = AmbisonicFormat("W X Y Z", (0, 2, 3, 1))
# YouTube's AAC: six channels labelled 5.1 that hold X, Y, W, silence, Z, silence.
YOUTUBE_5_1 = AmbisonicFormat("ambiX in YouTube's 5.1 layout", (2, 1, 4, 0))
HEAD_LOCKED = AmbisonicFormat(
    "ambiX with head-locked stereo", (0, 1, 2, 3), note="head-locked stereo (two channels) dropped"
)


def to_ambix(stored: NDArray[np.floating], stored_format: AmbisonicFormat) -> NDArray[np.floating]:
    """Convert a stored sound field (..., C, S) to ambiX (..., 4, S) of the same dtype.

    Raises:
        BadItem: ``"channel-count"`` when the format uses a channel that `stored` lacks.
    """
    needed = max(stored_format.channels) + 1
    if stored.shape[-2] < needed:
        raise BadItem(
            "channel-count",
            f"{stored_format.name} needs {needed} channels; the audio has {stored.shape[-2]}",
        )
    ambix = stored[..., list(stored_format.channels), :]  # a copy
    for channel, gain in enumerate(stored_format.gains):
        if gain != 1:
            ambix[..., channel, :] *= ambix.dtype.type(gain)
    return ambix


def higher_order(order: int, base: AmbisonicFormat = AMBIX) -> AmbisonicFormat:
    """Return the format that keeps the first order of a sound field of `order` >= 1."""
    if order <= 1:
        return base
    dropped = (order + 1) ** 2 - 4
    return AmbisonicFormat(
        f"{base.name}, order {order}",
        base.channels,
        base.gains,
        f"cut from order {order} to first order: {dropped} channels dropped",
    )


def sa3d_format(
    order: int, ordering: str, normalization: str, channel_map: tuple[int, ...]
) -> AmbisonicFormat:
    """Return the format that an SA3D box declares (Google's Spatial Audio RFC).

    Args:
        order: Ambisonic order, at least 1.
        ordering: ``"acn"`` (the only one that the specification defines).
        normalization: ``"sn3d"`` or ``"n3d"``.
        channel_map: The ambisonic component (ACN number) that each stored channel carries; other
            numbers stand for head-locked channels.

    Raises:
        BadItem: ``"sa3d"`` for an ordering or normalization that is not defined, an order below 1,
            or a map that lacks one of the first four components.
    """
    bases = {"sn3d": AMBIX, "n3d": N3D}
    if ordering != "acn" or normalization not in bases:
        raise BadItem("sa3d", f"unknown SA3D ordering {ordering!r} or scale {normalization!r}")
    if order < 1 or not set(range(4)) <= set(channel_map):
        raise BadItem(
            "sa3d", f"SA3D order {order}, map {list(channel_map)}: components 0 to 3 are needed"
        )
    w, y, z, x = (channel_map.index(component) for component in range(4))
    base = higher_order(order, bases[normalization])
    return AmbisonicFormat(f"{base.name} (SA3D)", (w, y, z, x), base.gains, base.note)
