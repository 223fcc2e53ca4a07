"""First-order ambisonics: encoding, rotation, beams and energy maps.

Inside the project a sound field is *ambiX*: channels W, Y, Z, X (ACN order) with SN3D
normalization, shape (..., 4, S) with S samples. A plane wave s from the unit vector (x, y, z) is
(s, s y, s z, s x). Directions follow `yt360.sphere`. Source: Nachbar, Zotter, Deleflie, Sontacchi,
"ambiX - a suggested ambisonics format" (Ambisonics Symposium 2011).

All of it is linear along time, so it applies to complex spectra as well as to samples.
"""

from __future__ import annotations

import torch
from torch import Tensor

from yt360.sphere import equirect_grid, view_rotation

# Where the vector components x, y, z stand among the channels W, Y, Z, X.
_XYZ = (3, 1, 2)


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
