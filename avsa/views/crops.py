"""Crop views from equirectangular planes, with one sampling grid per view for all its frames.

Shapes: B batch size, K views, T frames, (H, W) of the panorama, (h, w) of a view.

Planes are sampled in the stored format (Y'CbCr with chroma at half resolution); one affine
transform per view then converts the samples to standardized RGB. Grids are computed on the device
of the planes from a few numbers per view (`ViewNumbers`). On the CPU, each view reads only the
window of the panorama that it covers; on other devices the whole batch is sampled at once. Both
give the same result.

If the panorama has a higher resolution than the view, it is first averaged over 2 x 2, 4 x 4, ...
pixels to prevent aliasing (mip-mapping without blending of levels): one to two pooled pixels
remain per pixel of the view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from avsa.views.sampling import Views
from avsa.views.view_numbers import ViewNumbers
from yt360.sphere import pad_sphere

# Margin in pixels around the sampled positions, which covers rounding in float32.
MARGIN = 1e-3


def crop_views(
    luma: Tensor,
    chroma: Tensor,
    views: Views,
    height: int,
    width: int,
) -> Tensor:
    """Crop the views of a batch, on the device of its planes.

    Args:
        luma: uint8 (B, T, H, W), limited range, W a multiple of 4.
        chroma: uint8 (B, 2, T, H/2, W/2) in the default chroma siting of H.264: on even columns of
            luma, midway between its rows.
        views: Views (B, K).
        height: Height of a view in pixels (h).
        width: Width of a view in pixels (w).

    Returns:
        float32 (B, K, 3, T, h, w), standardized RGB.
    """
    rows, columns = luma.shape[-2:]
    numbers = ViewNumbers.of(views, (height, width), (rows, columns))
    return crop_by_numbers(luma, chroma, numbers.to(luma.device), height, width)


def crop_by_numbers(
    luma: Tensor, chroma: Tensor, views: ViewNumbers, height: int, width: int
) -> Tensor:
    """Crop as `crop_views` does, with the numbers of the views on the device of the planes."""
    crop = crop_each if luma.device.type == "cpu" else crop_batched
    return crop(luma, chroma, views, height, width)


def _positions(
    views: ViewNumbers, height: int, width: int, rows: int, columns: int
) -> tuple[Tensor, Tensor]:
    """Return the positions of the pixels of views in luma, as in `yt360.sphere.view_grid`.

    The ray of a pixel, rotated by the view's elevation, is (x, left, z), where x and z are constant
    along a row and left is constant along a column. The view's azimuth is added at the end.

    Returns:
        Columns and rows (B, K, h, w), measured in pixels of luma from the upper left corner of the
        panorama, so the centre of pixel i is at i + 0.5. Columns are continuous over the seam and
        may lie outside [0, W]; rows lie in [0, H].
    """
    middle, cos, sin, to_left, to_up = views.geometry[..., None, None].unbind(-3)
    device = views.numbers.device
    left = to_left * _centres(width, device)
    up = to_up * _centres(height, device)[:, None]
    x, z = torch.addcmul(cos, sin, up, value=-1), torch.addcmul(sin, cos, up)
    azimuth = torch.atan2(left, x)
    elevation = torch.atan2(z, torch.addcmul(x * x, left, left).sqrt_())
    column = torch.sub(middle, azimuth, alpha=columns / (2 * math.pi))
    return column, _affine(elevation, -rows / math.pi, rows / 2)


@lru_cache(maxsize=8)
def _centres(count: int, device: torch.device) -> Tensor:
    """Return the centres of `count` equal pixels in [-1, 1]."""
    return torch.linspace(1 / count - 1, 1 - 1 / count, count, device=device)


def _affine(values: Tensor, scale: float, shift: float) -> Tensor:
    """Return ``values * scale + shift``, in one operation."""
    return torch.rsub(values, shift, alpha=-scale)


@dataclass(frozen=True)
class _PlaneGrid:
    """Transform from positions in luma to positions in a pooled plane: ``xy * scale + shift``.

    Positions in luma are measured from the corner of the panorama, and those in the plane from the
    centre of its first pixel.

    Attributes:
        pooling: Pooling factor along each side of the plane.
        scale: Pooled pixels per luma pixel.
        shift: Column and row in the pooled plane of the corner of the panorama.
    """

    pooling: int
    scale: float
    shift: tuple[float, float]


def _luma_grid(pooling: int) -> _PlaneGrid:
    return _PlaneGrid(pooling, 1 / pooling, (-0.5, -0.5))


def _chroma_grid(luma_pooling: int) -> _PlaneGrid:
    pooling = max(1, luma_pooling // 2)
    # Before pooling, the centre of the first pixel is 0.25 and 0.5 pixels from the corner.
    return _PlaneGrid(pooling, 0.5 / pooling, (0.25 / pooling - 0.5, -0.5))


# One view at a time


def crop_each(luma: Tensor, chroma: Tensor, views: ViewNumbers, height: int, width: int) -> Tensor:
    """Crop as `crop_by_numbers` does, one view at a time, which is fastest on the CPU."""
    batch, frames = luma.shape[:2]
    pooling, colors = views.pooling.int().tolist(), views.color
    video = torch.empty(*colors.shape[:2], 3, frames, height, width)
    for b in range(batch):
        # The grids of one sample fit into the CPU caches.
        positions = _positions(views.sample(b), height, width, *luma.shape[-2:])
        grids = torch.stack(positions, -1)[0]
        bounds = [bound for each in positions for bound in (each.amin((2, 3)), each.amax((2, 3)))]
        extents = torch.cat(bounds).T.unflatten(-1, (2, 2)).tolist()
        planes = chroma[b].flatten(0, 1)
        for k, (grid, extent) in enumerate(zip(grids, extents, strict=True)):
            bright = _look_up(luma[b], grid, extent, _luma_grid(pooling[b][k]))
            colored = _look_up(planes, grid, extent, _chroma_grid(pooling[b][k]))
            color, rgb = colors[b, k], video[b, k].view(3, -1)
            torch.addmm(color[:, 3:], color[:, 1:3], colored.view(2, -1), out=rgb)
            rgb.addmm_(color[:, :1], bright.view(1, -1))
    return video


def _look_up(planes: Tensor, xy: Tensor, extent: list[list[float]], grid: _PlaneGrid) -> Tensor:
    """Interpolate planes at the pixels of one view.

    Args:
        planes: (C, H, W).
        xy: Columns and rows in luma (h, w, 2), from the corner of the panorama.
        extent: Minimum and maximum column, minimum and maximum row.
        grid: Transform from luma positions to the planes.

    Returns:
        (C, h, w).
    """
    (left, right), (top, bottom) = (
        (
            math.floor(low * grid.scale + shift - MARGIN),
            math.floor(high * grid.scale + shift + MARGIN) + 2,
        )
        for (low, high), shift in zip(extent, grid.shift, strict=True)
    )
    window = _window(planes, (top, bottom), (left, right), grid.pooling)
    # With aligned corners, -1 and 1 are the centres of the first and last pixels of the window.
    per_pixel = (2 / (right - left - 1), 2 / (bottom - top - 1))
    offset = ((grid.shift[0] - left) * per_pixel[0] - 1, (grid.shift[1] - top) * per_pixel[1] - 1)
    where = torch.addcmul(torch.tensor(offset), xy, torch.tensor(per_pixel) * grid.scale)
    return grid_sample(window[None], where[None], mode="bilinear", align_corners=True)[0]


def _window(
    planes: Tensor, rows: tuple[int, int], columns: tuple[int, int], pooling: int
) -> Tensor:
    """Return pooled rows and columns (half-open ranges) of planes (C, H, W) as float.

    Columns wrap around. A row beyond a pole is the row next to the pole, shifted by half the width.
    """
    (top, bottom), (left, right) = rows, columns
    count, half = planes.shape[-2] // pooling, planes.shape[-1] // pooling // 2

    def part(first: int, last: int, shift: int) -> Tensor:
        strip = planes[:, first * pooling : last * pooling]
        strip = _columns(strip, (left + shift) * pooling, (right + shift) * pooling).float()
        return avg_pool2d(strip, pooling) if pooling > 1 else strip

    parts = [part(max(top, 0), min(bottom, count), 0)]
    if top < 0:
        parts.insert(0, part(0, 1, half))
    if bottom > count:
        parts.append(part(count - 1, count, half))
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _columns(strip: Tensor, left: int, right: int) -> Tensor:
    """Return columns [left, right) of (C, H, W); columns wrap around."""
    width = strip.shape[-1]
    right, left = right - left // width * width, left % width
    if right <= width:
        return strip[..., left:right]
    parts = [strip[..., left:]]
    while right > width:
        right -= width
        parts.append(strip[..., : min(right, width)])
    return torch.cat(parts, -1)


# The whole batch at once


def crop_batched(
    luma: Tensor, chroma: Tensor, views: ViewNumbers, height: int, width: int
) -> Tensor:
    """Crop as `crop_by_numbers` does, the whole batch at once, which is fastest elsewhere."""
    column, row = _positions(views, height, width, *luma.shape[-2:])
    planes, column = chroma.flatten(1, 2), torch.remainder(column, luma.shape[-1])
    video: Tensor | None = None
    for pooling in views.poolings:
        cropped = torch.cat(
            [
                _look_up_batched(luma, column, row, _luma_grid(pooling)),
                _look_up_batched(planes, column, row, _chroma_grid(pooling)),
            ],
            2,
        )
        if video is None:
            video = cropped
        else:
            chosen = (views.pooling == pooling)[..., None, None, None]
            video = torch.where(chosen, cropped, video)
    assert video is not None
    color = views.color.flatten(0, 1)
    yuv = video.reshape(len(color), 3, -1)
    rgb = torch.baddbmm(color[..., 3:], color[..., :3], yuv)
    return rgb.view(*column.shape[:2], 3, -1, *column.shape[2:])


def _look_up_batched(planes: Tensor, column: Tensor, row: Tensor, grid: _PlaneGrid) -> Tensor:
    """Interpolate planes (B, C, H, W) at positions in luma (B, K, h, w), columns in [0, W].

    Returns:
        (B, K, C, h, w).
    """
    # The planes are padded while they are bytes; the padding is one pooled pixel.
    images = pad_sphere(planes, grid.pooling).float()
    if grid.pooling > 1:
        images = avg_pool2d(images, grid.pooling)
    # With aligned corners, -1 and 1 are the centres of the first and last pixels of the images.
    where = [
        _affine(positions, 2 * grid.scale / (pixels - 1), 2 * (shift + 1) / (pixels - 1) - 1)
        for positions, shift, pixels in zip(
            (column, row), grid.shift, (images.shape[-1], images.shape[-2]), strict=True
        )
    ]
    # The views of a sample are stacked vertically, for one lookup in its planes.
    stacked = torch.stack(where, -1).flatten(1, 2)
    sampled = grid_sample(images, stacked, mode="bilinear", align_corners=True)
    return sampled.unflatten(2, column.shape[1:3]).transpose(1, 2)
