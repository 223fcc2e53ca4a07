"""Align one image with another by global changes: light, shift, and zoom.

The zooms, pans and fades of a photo in a slide show are affine in the image plane. The motion of a
camera through a scene with depth, or of objects in front of a fixed camera, is not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from yt360.quality.signal.blocks import Image, block_means

# Half the resolution suffices to estimate the global motion to a tenth of a pixel.
_LEVELS = (4, 2)
_ITERATIONS = 6
_LIGHT_ITERATIONS = 4
# Grey levels; a fade changes the median pixel by more than this within half a second.
_SAME_LIGHT = 0.5


def match_light(source: Image, target: Image) -> Image:
    """Return `source` with the gain and offset that best fit `target` (fades).

    The fit is robust to changes in a part of the image. If the light is equal, `source` is returned
    unchanged.
    """
    if float(np.median(np.abs(source - target))) < _SAME_LIGHT:
        return source
    weight = np.ones_like(source)
    relit = source
    for _ in range(_LIGHT_ITERATIONS):
        total = weight.sum()
        mean_source = float((weight * source).sum() / total)
        mean_target = float((weight * target).sum() / total)
        variance = float((weight * (source - mean_source) ** 2).sum() / total)
        together = float((weight * (source - mean_source) * (target - mean_target)).sum() / total)
        gain = min(max(together / max(variance, 1.0), 0.1), 10.0) if variance > 1 else 1.0
        relit = np.float32(gain) * (source - np.float32(mean_source)) + np.float32(mean_target)
        error = np.abs(target - relit)
        weight = 1 / (1 + (error / (2 * np.float32(np.median(error)) + 0.5)) ** 2)
    return np.asarray(relit)


def align(
    source: Image, target: Image, regions: tuple[int, int] = (1, 1)
) -> tuple[Image, NDArray[np.bool_]]:
    """Align `source` to `target` by an affine motion (and a change of light) per region.

    Coarse-to-fine Gauss-Newton on the brightness (Lucas and Kanade, 1981) with six parameters and
    robust weights.

    Args:
        source: (H, W) float32, sides divisible by 4 times the regions.
        target: (H, W) float32.
        regions: Rows and columns of independently moving regions: (1, 1) for a continuous image,
            (2, 3) for a cubemap of six faces.

    Returns:
        The aligned image (H, W), and a mask of the pixels that lie inside the source.
    """
    moved, known = np.empty_like(target), np.zeros(target.shape, dtype=bool)
    height, width = target.shape[0] // regions[0], target.shape[1] // regions[1]
    for row in range(regions[0]):
        for column in range(regions[1]):
            part = np.s_[row * height : (row + 1) * height, column * width : (column + 1) * width]
            moved[part], known[part] = _align_region(source[part], target[part])
    return moved, known


def _align_region(source: Image, target: Image) -> tuple[Image, NDArray[np.bool_]]:
    motion = np.zeros(6)
    for level in _LEVELS:
        coarse_source = block_means(gaussian_filter(source, 0.5 * level), level)
        coarse_target = block_means(gaussian_filter(target, 0.5 * level), level)
        for _ in range(_ITERATIONS):
            motion = motion + _step(coarse_source, coarse_target, motion, level)
    moved, known = _warp(source, motion, 1)
    return match_light(moved, target), known


def _step(source: Image, target: Image, motion: NDArray[np.float64], level: int) -> NDArray:
    """Return the correction (6,) of the motion, in pixels of the full image."""
    warped, known = _warp(source, motion, level)
    lit = match_light(warped, target)
    down, right = np.gradient(lit)
    rows, columns = _plane(target.shape)
    slopes = np.stack([down, down * rows, down * columns, right, right * rows, right * columns])
    error = target - lit
    weight = 1 / (1 + (error / (1.5 * np.median(np.abs(error)) + 0.5)) ** 2)
    weight *= known
    flat = (slopes * weight).reshape(6, -1)
    normal = flat @ slopes.reshape(6, -1).T
    correction = np.linalg.solve(
        normal + 1e-3 * np.trace(normal) / 6 * np.eye(6) + 1e-6 * np.eye(6),
        flat @ error.reshape(-1),
    )
    return np.asarray(correction * level)


def _warp(
    source: Image, motion: NDArray[np.float64], level: int
) -> tuple[Image, NDArray[np.bool_]]:
    rows, columns = _plane(source.shape)
    height, width = source.shape
    basis = np.stack([np.ones_like(rows), rows, columns])
    down = np.tensordot(motion[:3] / level, basis, 1) + np.arange(height)[:, None]
    right = np.tensordot(motion[3:] / level, basis, 1) + np.arange(width)
    warped = map_coordinates(source, [down, right], order=1, mode="nearest")
    known = (down >= 0) & (down <= height - 1) & (right >= 0) & (right <= width - 1)
    return np.asarray(warped), np.asarray(known)


def _plane(shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = np.linspace(-1, 1, shape[0])[:, None] * np.ones(shape[1])
    columns = np.linspace(-1, 1, shape[1]) * np.ones((shape[0], 1))
    return rows, columns
