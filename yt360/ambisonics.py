"""First-order ambisonics: encoding, rotation, beams, energy maps, and formats from outside.

Inside the project a sound field is *ambiX*: channels W, Y, Z, X (ACN order) with SN3D
normalization, shape (..., 4, S) with S samples. A plane wave s from the unit vector (x, y, z) is
(s, s y, s z, s x). Directions follow `yt360.sphere`. Source: Nachbar, Zotter, Deleflie, Sontacchi,
"ambiX - a suggested ambisonics format" (Ambisonics Symposium 2011).

All of it is linear along time, so it applies to complex spectra as well as to samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from yt360.errors import BadItem
from yt360.sphere import equirect_grid, view_rotation

# Where the vector components x, y, z stand among the channels W, Y, Z, X.
_XYZ = (3, 1, 2)


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
# YouTube's AAC: six channels labelled 5.1 that hold X, Y, W, silence, Z, silence.
YOUTUBE_5_1 = AmbisonicFormat("ambiX in YouTube's 5.1 layout", (2, 1, 4, 0))
HEAD_LOCKED = AmbisonicFormat(
    "ambiX with head-locked stereo", (0, 1, 2, 3), note="head-locked stereo (two channels) dropped"
)


def to_ambix(stored: Tensor, stored_format: AmbisonicFormat) -> Tensor:
    """Convert a stored sound field (..., C, S) to ambiX (..., 4, S).

    Raises:
        BadItem: ``"channel-count"`` when the format names a channel that is not there.
    """
    if stored.shape[-2] <= max(stored_format.channels):
        raise BadItem(
            "channel-count",
            f"{stored_format.name} needs at least {max(stored_format.channels) + 1} channels, "
            f"the sound has {stored.shape[-2]}",
        )
    gains = torch.tensor(stored_format.gains, dtype=stored.dtype, device=stored.device)
    return stored[..., list(stored_format.channels), :] * gains[:, None]


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


def encode(signal: Tensor, directions: Tensor) -> Tensor:
    """Encode plane waves: signals (..., S) from unit vectors give ambiX (..., 4, S).

    Args:
        signal: (..., S).
        directions: (..., 3) for still sources, or (..., S, 3) for a direction at each sample.
    """
    if directions.ndim < signal.ndim + 1:
        directions = directions[..., None, :]
    x, y, z = directions.unbind(-1)
    return torch.stack([signal, signal * y, signal * z, signal * x], -2)


def rotation_matrix(rotation: Tensor) -> Tensor:
    """Return the (..., 4, 4) matrices on W, Y, Z, X for rotations (..., 3, 3) of directions."""
    matrix = rotation.new_zeros(*rotation.shape[:-2], 4, 4)
    matrix[..., 0, 0] = 1
    for row, channel_out in enumerate(_XYZ):
        for column, channel_in in enumerate(_XYZ):
            matrix[..., channel_out, channel_in] = rotation[..., row, column]
    return matrix


def rotate(ambix: Tensor, rotation: Tensor) -> Tensor:
    """Turn a sound field (..., 4, S) so that a source at v is heard at ``rotation @ v``.

    Args:
        ambix: (..., 4, S), real or complex.
        rotation: (..., 3, 3); leading axes broadcast.
    """
    return rotation_matrix(rotation).to(ambix.dtype) @ ambix


def rotate_to_view(
    ambix: Tensor, azimuth: Tensor | float, elevation: Tensor | float, roll: Tensor | float = 0.0
) -> Tensor:
    """Turn a sound field (..., 4, S) into the frame of a view (angles in radians).

    A source in the view's direction comes out straight ahead: in W and X alone.
    """
    rotation = view_rotation(azimuth, elevation, roll)
    real = ambix.real if ambix.is_complex() else ambix
    return rotate(ambix, rotation.to(dtype=real.dtype, device=real.device))


def beam(ambix: Tensor, directions: Tensor, pattern: float = 0.5) -> Tensor:
    """Listen in given directions with a first-order virtual microphone.

    Args:
        ambix: (..., 4, S).
        directions: Unit vectors (..., 3); leading axes broadcast.
        pattern: Share of the omnidirectional part: 1 omni, 0.5 cardioid, 0.25 hypercardioid,
            0 figure of eight. A plane wave from the beam's direction passes with gain 1.

    Returns:
        (..., S).
    """
    return (_beam_weights(directions, pattern).to(ambix.dtype)[..., None, :] @ ambix).squeeze(-2)


def energy_map(ambix: Tensor, height: int, width: int, pattern: float = 0.5) -> Tensor:
    """Return the mean power (..., height, width) that a beam to each equirectangular pixel hears.

    Args:
        ambix: (..., 4, S) with S >= 1.
        height: Rows of the map.
        width: Columns of the map.
        pattern: As in `beam`.
    """
    covariance = ambix @ ambix.transpose(-1, -2).conj() / ambix.shape[-1]
    directions = equirect_grid(height, width, dtype=covariance.real.dtype, device=ambix.device)
    weights = _beam_weights(directions, pattern)
    return torch.einsum("hwi,...ij,hwj->...hw", weights, covariance.real, weights)


def _beam_weights(directions: Tensor, pattern: float) -> Tensor:
    x, y, z = ((1 - pattern) * directions).unbind(-1)
    return torch.stack([torch.full_like(x, pattern), y, z, x], -1)
