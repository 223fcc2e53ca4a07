"""Directions, rotations, and equirectangular and gnomonic projections of the sphere.

Conventions of both packages:

- Vectors are right-handed: x = front, y = left, z = up.
- Azimuth is counter-clockwise seen from above (front 0, left +pi/2, right -pi/2); elevation is
  +pi/2 straight up. Angles are radians.
- Equirectangular coordinates ``uv`` lie in [0, 1]: u = 0.5 - azimuth / 2 pi grows to the right,
  v = 0.5 - elevation / pi grows downwards. The image's centre is the front, its left and right
  edges are behind. Pixel i of n covers [i/n, (i+1)/n], so its centre is (i + 0.5) / n.
- A view is a camera at the centre of the sphere: azimuth, elevation, roll, and the full horizontal
  field of view. Its image plane spans ±tan(hfov / 2).

Every function is pure, works on any batch shape, and keeps the device and dtype of its tensors;
plain numbers become tensors of torch's default dtype.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Angle = Tensor | float


def direction(azimuth: Angle, elevation: Angle) -> Tensor:
    """Return unit vectors (..., 3) for angles in radians, which broadcast against each other."""
    azimuth, elevation = _tensors(azimuth, elevation)
    horizontal = torch.cos(elevation)
    return torch.stack(
        [horizontal * torch.cos(azimuth), horizontal * torch.sin(azimuth), torch.sin(elevation)], -1
    )


def azimuth_elevation(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return azimuth in [-pi, pi] and elevation in [-pi/2, pi/2] of vectors (..., 3) of any length.

    Straight up and down, where azimuth is undefined, it is 0.
    """
    x, y, z = vectors.unbind(-1)
    return torch.atan2(y, x), torch.atan2(z, torch.hypot(x, y))


def equirect_to_direction(uv: Tensor) -> Tensor:
    """Return unit vectors (..., 3) for equirectangular coordinates (..., 2); u wraps."""
    u, v = uv.unbind(-1)
    return direction((0.5 - u) * (2 * math.pi), (0.5 - v) * math.pi)


def direction_to_equirect(vectors: Tensor) -> Tensor:
    """Return equirectangular coordinates (..., 2) in [0, 1] for vectors (..., 3) of any length."""
    azimuth, elevation = azimuth_elevation(vectors)
    return torch.stack([0.5 - azimuth / (2 * math.pi), 0.5 - elevation / math.pi], -1)


def equirect_grid(
    height: int,
    width: int,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return the directions (height, width, 3) of the pixel centres of an equirectangular image."""
    rows = (torch.arange(height, dtype=dtype, device=device) + 0.5) / height
    columns = (torch.arange(width, dtype=dtype, device=device) + 0.5) / width
    v, u = torch.meshgrid(rows, columns, indexing="ij")
    return equirect_to_direction(torch.stack([u, v], -1))


def rotation_about(axis: Literal["x", "y", "z"], angle: Angle) -> Tensor:
    """Return right-handed rotation matrices (..., 3, 3) about an axis by `angle` radians."""
    (angle,) = _tensors(angle)
    cos, sin = torch.cos(angle), torch.sin(angle)
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    entries = {
        "x": (one, zero, zero, zero, cos, -sin, zero, sin, cos),
        "y": (cos, zero, sin, zero, one, zero, -sin, zero, cos),
        "z": (cos, -sin, zero, sin, cos, zero, zero, zero, one),
    }[axis]
    return torch.stack(entries, -1).unflatten(-1, (3, 3))


def view_rotation(azimuth: Angle, elevation: Angle, roll: Angle = 0.0) -> Tensor:
    """Return the rotations (..., 3, 3) from world coordinates to those of a view.

    The direction of the view's centre is rotated to the front, (1, 0, 0). The matrix is
    Rx(-roll) Ry(elevation) Rz(-azimuth): first the rotation about the vertical axis, then the
    tilt.

    Args:
        azimuth: Azimuth of the view's centre, radians; the three angles broadcast.
        elevation: Elevation of the view's centre, radians.
        roll: Rotation of the camera about its optical axis, radians, clockwise from behind.
    """
    azimuth, elevation, roll = _tensors(azimuth, elevation, roll)
    tilt = rotation_about("y", elevation)
    return rotation_about("x", -roll) @ tilt @ rotation_about("z", -azimuth)


def view_grid(
    azimuth: Angle,
    elevation: Angle,
    hfov: Angle,
    height: int,
    width: int,
    roll: Angle = 0.0,
    vfov: Angle | None = None,
) -> Tensor:
    """Return world directions (..., height, width, 3) of the pixel centres of gnomonic views.

    Args:
        azimuth: Azimuth of the view's centre, radians; all angles broadcast.
        elevation: Elevation of the view's centre, radians.
        hfov: Full horizontal field of view, radians, in (0, pi).
        height: Rows of the view.
        width: Columns of the view.
        roll: Rotation about the optical axis, as in `view_rotation`.
        vfov: Full vertical field of view, radians, in (0, pi); by default pixels are square.

    Raises:
        ValueError: A field of view is not in (0, pi).
    """
    azimuth, elevation, roll, hfov = _tensors(azimuth, elevation, roll, hfov)
    half_width = _half_extent(hfov, "hfov")
    if vfov is None:
        half_height = half_width * (height / width)
    else:
        half_height = _half_extent(_tensors(hfov, vfov)[1], "vfov")
    left = -half_width[..., None, None] * _pixel_centres(width, half_width)
    up = -half_height[..., None, None] * _pixel_centres(height, half_width)[:, None]
    left, up = torch.broadcast_tensors(left, up)
    rays = torch.stack([torch.ones_like(left), left, up], -1)
    rays = rays / torch.linalg.vector_norm(rays, dim=-1, keepdim=True)
    world_to_view = view_rotation(azimuth, elevation, roll)
    # A row vector times the world-to-view matrix is the inverse rotation of that vector.
    return rays @ world_to_view[..., None, :, :]


def pooling_of_view(
    half_width: Tensor,
    half_height: Tensor,
    view: tuple[int, int],
    panorama: tuple[int, int],
    largest: int,
) -> Tensor:
    """Return the side of the squares of pixels to average in a panorama before sampling a view.

    It is the power of two for which one to two averaged pixels fall on a pixel at the view's
    centre, limited to `largest` and to squares that tile the panorama.

    Args:
        half_width: Tangent of half the horizontal field of view, (...).
        half_height: Tangent of half the vertical field of view, (...).
        view: Rows and columns of the view.
        panorama: Rows and columns of the panorama.
        largest: A power of two.

    Returns:
        int64 (...), 1 or more.
    """
    (height, width), (rows, columns) = view, panorama
    # Source pixels per pixel at the view's centre, the mean of both directions.
    minification = half_width * (0.5 * columns / width / math.pi) + half_height * (
        rows / height / math.pi
    )
    # The squares must tile the panorama, so that none is cut off at the seam or at a pole.
    most = min(largest, rows & -rows, columns // 2 & -(columns // 2))
    _, exponent = torch.frexp(minification.clamp(min=1, max=most))
    return torch.bitwise_left_shift(1, exponent.to(torch.int64) - 1)


def sample_equirect(
    image: Tensor, directions: Tensor, mode: Literal["bilinear", "nearest"] = "bilinear"
) -> Tensor:
    """Sample an equirectangular image in given directions.

    The image wraps in u; beyond a pole it continues at the azimuth plus pi.

    Args:
        image: (..., C, H, W) with W even; floating point, or any dtype for ``"nearest"``.
        directions: (..., h, w, 3); the leading axes broadcast against those of the image.
        mode: ``"nearest"`` for label maps.

    Returns:
        (..., C, h, w), in the image's dtype.

    Raises:
        ValueError: The image's width is odd, so a pixel has no counterpart across the pole.
    """
    height, width = image.shape[-2:]
    if width % 2:
        raise ValueError(f"an equirectangular image needs an even width, not {width}; resize it")
    # `torch.broadcast_shapes` imports sympy, in 0.3 s.
    batch = np.broadcast_shapes(image.shape[:-3], directions.shape[:-3])
    images = image.expand(*batch, *image.shape[-3:]).reshape(-1, *image.shape[-3:])
    uv = direction_to_equirect(directions).expand(*batch, *directions.shape[-3:-1], 2)
    uv = uv.reshape(-1, *uv.shape[-3:])
    if mode == "nearest":
        sampled = _nearest(images, uv)
    else:
        size = torch.tensor([width, height], dtype=uv.dtype, device=uv.device)
        # One row and column of padding on each side: pixel x of the image is x + 1 of the padded
        # one, whose outermost pixel centres are -1 and +1 in grid_sample's aligned coordinates.
        grid = (uv * size + 0.5) / (size + 1) * 2 - 1
        sampled = torch.nn.functional.grid_sample(
            pad_sphere(images), grid.to(image.dtype), mode="bilinear", align_corners=True
        )
    return sampled.reshape(*batch, *sampled.shape[-3:])


def angle_between(first: Tensor, second: Tensor) -> Tensor:
    """Return great-circle angles (...) in [0, pi] between vectors (..., 3) of any length.

    Uses the arc tangent of sine and cosine, which stays exact near 0 and pi.
    """
    first, second = torch.broadcast_tensors(first, second)
    sine = torch.linalg.vector_norm(torch.linalg.cross(first, second), dim=-1)
    return torch.atan2(sine, (first * second).sum(-1))


def _tensors(*values: Angle) -> tuple[Tensor, ...]:
    """Convert numbers and tensors to tensors of one shape, dtype and device."""
    given = [value for value in values if isinstance(value, Tensor)]
    like = given[0] if given else torch.tensor(0.0)
    if not like.is_floating_point():
        like = like.to(torch.get_default_dtype())
    return torch.broadcast_tensors(*(_as_tensor(value, like) for value in values))


def _as_tensor(value: Angle, like: Tensor) -> Tensor:
    if isinstance(value, int | float):  # made on the device: a copy from the host would wait for it
        return torch.full((), value, dtype=like.dtype, device=like.device)
    return torch.as_tensor(value, dtype=like.dtype, device=like.device)


def _half_extent(fov: Tensor, name: str) -> Tensor:
    if not bool(((fov > 0) & (fov < math.pi)).all()):
        raise ValueError(f"{name} must be between 0 and pi radians (180°), not {fov.tolist()}")
    return torch.tan(fov / 2)


def _pixel_centres(count: int, like: Tensor) -> Tensor:
    """Return the centres of `count` pixels that fill [-1, 1]."""
    return (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5) * (2 / count) - 1


def pad_sphere(images: Tensor, margin: int = 1) -> Tensor:
    """Pad images (B, C, H, W) of any dtype on every side with the adjacent pixels on the sphere.

    Args:
        images: Equirectangular, W even.
        margin: Width of the padding in pixels, at most H and W.
    """
    half = images.shape[-1] // 2
    above, below = images[..., :margin, :], images[..., -margin:, :]
    if margin > 1:
        above, below = above.flip(-2), below.flip(-2)
    tall = torch.cat([above.roll(half, -1), images, below.roll(half, -1)], -2)
    return torch.cat([tall[..., -margin:], tall, tall[..., :margin]], -1)


def _nearest(images: Tensor, uv: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    columns = (uv[..., 0] * width).floor().long() % width
    rows = (uv[..., 1] * height).floor().long().clamp(0, height - 1)
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    return images[batch, :, rows, columns].permute(0, 3, 1, 2)
