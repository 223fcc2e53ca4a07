"""Views of a clip as arrays, with angles in degrees.

`yt360.sphere` and `yt360.ambisonics.transforms` implement them on tensors, in radians.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from yt360.ambisonics import transforms as ambisonics
from yt360.errors import UserError
from yt360.sphere import pooling_of_view, sample_equirect, view_grid

MAX_POOLING = 8
_FRAMES_PER_CHUNK = 16


def crop_view(
    frames: NDArray[np.uint8],
    azimuth_deg: float,
    elevation_deg: float = 0.0,
    *,
    hfov_deg: float = 90.0,
    height: int = 224,
    width: int = 224,
    roll_deg: float = 0.0,
) -> NDArray[np.uint8]:
    """Crop a perspective view of square pixels (gnomonic projection) from a panorama.

    If the view has fewer pixels than the part of the panorama that it shows, the panorama is
    averaged first, which avoids aliasing.

    Args:
        frames: uint8 RGB (T, H, W, 3) or (H, W, 3), equirectangular, W even.
        azimuth_deg: Azimuth of the view's centre: 0 is the front, 90 the left.
        elevation_deg: Elevation of the view's centre: 90 is straight up.
        hfov_deg: Full horizontal field of view, in (0, 180).
        height: Rows of the view.
        width: Columns of the view.
        roll_deg: Rotation of the camera about its optical axis, clockwise from behind.

    Returns:
        uint8 RGB (T, height, width, 3) or (height, width, 3).

    Raises:
        UserError: `frames` has another type or shape, or `hfov_deg` or a size is out of range.
    """
    shape = frames.shape
    if frames.dtype != np.uint8 or len(shape) not in (3, 4) or shape[-1] != 3 or shape[-2] % 2:
        raise UserError(
            f"frames are {frames.dtype} {shape}; give uint8 (T, H, W, 3) or (H, W, 3), W even"
        )
    if not 0 < hfov_deg < 180 or min(height, width) < 1:
        raise UserError(
            f"a view of {hfov_deg:g}° and {width}x{height} pixels cannot be cropped; give an "
            "hfov_deg between 0 and 180 and at least one pixel"
        )
    azimuth, elevation, hfov = map(math.radians, (azimuth_deg, elevation_deg, hfov_deg))
    grid = view_grid(azimuth, elevation, hfov, height, width, math.radians(roll_deg))
    half_width = torch.tensor(math.tan(hfov / 2))
    half_height = half_width * height / width
    pooling = int(
        pooling_of_view(half_width, half_height, (height, width), shape[-3:-1], MAX_POOLING)
    )
    video = torch.from_numpy(np.ascontiguousarray(frames)).reshape(-1, *shape[-3:])
    views = [
        sample_equirect(avg_pool2d(chunk.movedim(-1, 1).float(), pooling), grid)
        for chunk in video.split(_FRAMES_PER_CHUNK)
    ]
    cropped = torch.cat(views).round().to(torch.uint8).movedim(1, -1)
    return cropped.reshape(*shape[:-3], height, width, 3).numpy()


def rotate_to_view(
    ambix: NDArray[np.float32],
    azimuth_deg: float,
    elevation_deg: float = 0.0,
    roll_deg: float = 0.0,
) -> NDArray[np.float32]:
    """Rotate a sound field to a view: a source at the view's centre is moved to the front.

    Args:
        ambix: float (4, S): ambiX W, Y, Z, X.
        azimuth_deg: Azimuth of the view's centre, as in `crop_view`.
        elevation_deg: Elevation of the view's centre.
        roll_deg: Roll of the camera.

    Returns:
        float32 (4, S).

    Raises:
        UserError: `ambix` has another type or shape.
    """
    angles = (math.radians(each) for each in (azimuth_deg, elevation_deg, roll_deg))
    return ambisonics.rotate_to_view(_sound_field(ambix), *angles).numpy()


def energy_map(
    ambix: NDArray[np.float32], height: int = 45, width: int = 90
) -> NDArray[np.float32]:
    """Return the energy of a sound field by direction: the mean power of a cardioid to each pixel.

    First-order cardioids are wide, so even a single source gives a broad maximum.

    Args:
        ambix: float (4, S): ambiX W, Y, Z, X, with S of 1 or more.
        height: Rows of the map.
        width: Columns of the map.

    Returns:
        float32 (height, width), equirectangular, the front in the middle; full scale is 1.

    Raises:
        UserError: `ambix` has another type or shape, or a size is below 1.
    """
    if min(height, width, ambix.shape[-1]) < 1:
        raise UserError(
            f"an energy map of {width}x{height} pixels of {ambix.shape[-1]} samples does not "
            "exist; give at least one pixel and one sample",
            "out-of-range",
        )
    return ambisonics.energy_map(_sound_field(ambix).double(), height, width).float().numpy()


def _sound_field(ambix: NDArray[np.float32]) -> Tensor:
    if ambix.ndim != 2 or ambix.shape[0] != 4 or not np.issubdtype(ambix.dtype, np.floating):
        raise UserError(f"ambix is {ambix.dtype} {ambix.shape}; give ambiX as float32 (4, S)")
    return torch.from_numpy(np.ascontiguousarray(ambix, dtype=np.float32))
