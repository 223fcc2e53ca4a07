"""Cropping views out of equirectangular planes: one sampling grid per view, for all its frames.

Legend: B batch, K views, T frames, H and W of the panorama, h and w of a view.

Planes are cropped as stored (Y', Cb, Cr; chroma at half resolution): luma and chroma are sampled in
the same directions, and one affine map per view converts them to standardized RGB. On the CPU each
view reads only the window of the panorama that it needs; on other devices the whole batch is
sampled at once. Both give the same result.

If a view has fewer pixels than the panorama below it, the panorama is first averaged over 2 x 2,
4 x 4, ... pixels, so that one to two of its pixels fall on one of the view (mip-mapping without
blending of levels); otherwise bilinear interpolation would alias.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from avsa.views.sampling import Views
from yt360.sphere import pad_sphere, pooling_of_view

MAX_POOLING = 8
# Margin of windows around the sampled positions, in pixels, against rounding in float32.
SLACK = 1e-3


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
        chroma: uint8 (B, 2, T, H/2, W/2), sited as by default in H.264: on even columns of luma,
            midway between its rows.
        views: (B, K).
        height: h.
        width: w.

    Returns:
        float32 (B, K, 3, T, h, w), standardized RGB.
    """
    lookups = _lookups(views, height, width, *luma.shape[-2:])
    if luma.device.type == "cpu":
        return _crop_each(luma, chroma, views, lookups)
    return _crop_batched(luma, chroma, views, lookups)


@dataclass(frozen=True)
class _Lookups:
    """Positions of the pixels of views in the luma plane of the panorama.

    Attributes:
        xy: (B, K, h, w, 2) columns and rows; pixel i's centre is i. Columns are continuous over
            the seam and may lie outside [0, W); rows lie from -0.5 to H - 0.5.
        extent: (B, K, 2, 2), the smallest and largest column, the smallest and largest row.
        pooling: (B, K) luma pixels a side that are averaged before the lookup.
    """

    xy: Tensor
    extent: Tensor
    pooling: Tensor


def _lookups(views: Views, height: int, width: int, rows: int, columns: int) -> _Lookups:
    """Return the positions of the pixels of views, by the formula of `yt360.sphere.view_grid`.

    The ray of a pixel, rotated by the elevation of the view, is (x, left, z): x and z are constant
    along a row, and left along a column. The azimuth of the view is added at the end.
    """
    half_width, half_height = torch.tan(views.hfov / 2), torch.tan(views.vfov / 2)
    sign = torch.where(views.mirror, 1.0, -1.0)
    left = (sign * half_width)[..., None] * _centres(width)
    up = -half_height[..., None] * _centres(height)
    cos, sin = torch.cos(views.elevation)[..., None], torch.sin(views.elevation)[..., None]
    x, z = (cos - sin * up)[..., None], (sin + cos * up)[..., None]
    left = left[..., None, :]
    azimuth = torch.atan2(left, x)
    elevation = torch.atan2(z, torch.sqrt(x * x + left * left))
    middle = (0.5 - views.azimuth / (2 * math.pi)) * columns - 0.5
    column = middle[..., None, None] - azimuth * (columns / (2 * math.pi))
    row = (0.5 * rows - 0.5) - elevation * (rows / math.pi)
    extent = [bound for each in (column, row) for bound in (each.amin((2, 3)), each.amax((2, 3)))]
    return _Lookups(
        xy=torch.stack([column, row], -1),
        extent=torch.stack(extent, -1).unflatten(-1, (2, 2)),
        pooling=pooling_of_view(
            half_width, half_height, (height, width), (rows, columns), MAX_POOLING
        ),
    )


def _centres(count: int) -> Tensor:
    """Return the centres of `count` pixels that fill [-1, 1]."""
    return (torch.arange(count) + 0.5) * (2 / count) - 1


@dataclass(frozen=True)
class _PlaneGrid:
    """Positions in a (pooled) plane: its column is that of luma * scale + shift[0].

    Attributes:
        pooling: Pixels of the plane, a side, that are averaged.
        scale: Pooled pixels per luma pixel.
        shift: Column and row of the pooled plane under the centre of luma's pixel (0, 0).
    """

    pooling: int
    scale: float
    shift: tuple[float, float]


def _luma_grid(pooling: int) -> _PlaneGrid:
    shift = 0.5 / pooling - 0.5
    return _PlaneGrid(pooling, 1 / pooling, (shift, shift))


def _chroma_grid(luma_pooling: int) -> _PlaneGrid:
    pooling = max(1, luma_pooling // 2)
    # Before pooling, luma's pixel (0, 0) is at column 0 and row -0.25 of chroma.
    shift = (0.5 / pooling - 0.5, 0.25 / pooling - 0.5)
    return _PlaneGrid(pooling, 0.5 / pooling, shift)


# One view at a time


def _crop_each(luma: Tensor, chroma: Tensor, views: Views, lookups: _Lookups) -> Tensor:
    batch, frames = luma.shape[:2]
    num_views, height, width = lookups.xy.shape[1:4]
    extent, pooling = lookups.extent.tolist(), lookups.pooling.tolist()
    video = torch.empty(batch, num_views, 3, frames, height, width)
    for b in range(batch):
        planes = chroma[b].flatten(0, 1)
        for k in range(num_views):
            where = (lookups.xy[b, k], extent[b][k])
            bright = _look_up(luma[b], *where, _luma_grid(pooling[b][k]))
            colored = _look_up(planes, *where, _chroma_grid(pooling[b][k]))
            color, rgb = views.color[b, k], video[b, k].view(3, -1)
            torch.addmm(color[:, 3:], color[:, 1:3], colored.view(2, -1), out=rgb)
            rgb.addmm_(color[:, :1], bright.view(1, -1))
    return video


def _look_up(planes: Tensor, xy: Tensor, extent: list[list[float]], grid: _PlaneGrid) -> Tensor:
    """Interpolate planes at the pixels of one view.

    Args:
        planes: (C, H, W).
        xy: Luma's columns and rows (h, w, 2).
        extent: Smallest and largest column, smallest and largest row.
        grid: Of the planes.

    Returns:
        (C, h, w).
    """
    (left, right), (top, bottom) = (
        (
            math.floor(low * grid.scale + shift - SLACK),
            math.floor(high * grid.scale + shift + SLACK) + 2,
        )
        for (low, high), shift in zip(extent, grid.shift, strict=True)
    )
    window = _window(planes, (top, bottom), (left, right), grid.pooling)
    # With aligned corners -1 and 1 are the centres of the window's first and last pixels.
    per_pixel = (2 / (right - left - 1), 2 / (bottom - top - 1))
    offset = ((grid.shift[0] - left) * per_pixel[0] - 1, (grid.shift[1] - top) * per_pixel[1] - 1)
    where = torch.addcmul(torch.tensor(offset), xy, torch.tensor(per_pixel) * grid.scale)
    return grid_sample(window[None], where[None], mode="bilinear", align_corners=True)[0]


def _window(
    planes: Tensor, rows: tuple[int, int], columns: tuple[int, int], pooling: int
) -> Tensor:
    """Return pooled rows and columns (half-open ranges) of planes (C, H, W) on the sphere, float.

    Columns wrap. A row beyond a pole is the row next to that pole, half a turn further.
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
    """Return columns [left, right) of (C, H, W), which wrap."""
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


def _crop_batched(luma: Tensor, chroma: Tensor, views: Views, lookups: _Lookups) -> Tensor:
    device, planes = luma.device, chroma.flatten(1, 2)
    xy = lookups.xy.to(device, non_blocking=True)
    video: Tensor | None = None
    for pooling in sorted(set(lookups.pooling.flatten().tolist())):
        cropped = torch.cat(
            [
                _look_up_batched(luma, xy, _luma_grid(pooling)),
                _look_up_batched(planes, xy, _chroma_grid(pooling)),
            ],
            2,
        )
        chosen = (lookups.pooling == pooling).to(device, non_blocking=True)[..., None, None, None]
        video = cropped if video is None else torch.where(chosen, cropped, video)
    assert video is not None
    color = views.color.to(device, non_blocking=True).flatten(0, 1)
    yuv = video.reshape(len(color), 3, -1)
    rgb = torch.baddbmm(color[..., 3:], color[..., :3], yuv)
    return rgb.view(*xy.shape[:2], 3, -1, *xy.shape[2:4])


def _look_up_batched(planes: Tensor, xy: Tensor, grid: _PlaneGrid) -> Tensor:
    """Interpolate planes (B, C, H, W) at luma's columns and rows (B, K, h, w, 2).

    Returns:
        (B, K, C, h, w).
    """
    images = planes.float()
    if grid.pooling > 1:
        images = avg_pool2d(images, grid.pooling)
    height, width = images.shape[-2:]
    # Past the seam the columns start again; the padding shifts columns and rows by one.
    x = torch.remainder(xy[..., 0] * grid.scale + (grid.shift[0] + 0.5), width) + 0.5
    y = xy[..., 1] * grid.scale + (grid.shift[1] + 1)
    where = torch.stack([x * (2 / (width + 1)) - 1, y * (2 / (height + 1)) - 1], -1)
    # The views of a sample, one above the other, are one lookup in its planes.
    sampled = grid_sample(
        pad_sphere(images), where.flatten(1, 2), mode="bilinear", align_corners=True
    )
    return sampled.unflatten(2, xy.shape[1:3]).transpose(1, 2)
