"""Align one image with another by global changes: light, shift, and zoom.

The zooms, pans and fades of a photo in a slide show are affine in the image plane. The motion of a
camera through a scene with depth, or of objects in front of a fixed camera, is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from yt360.quality.signal.blocks import Image, block_means

# Reduction and iterations. Half the resolution suffices to estimate the global motion to a tenth of
# a pixel.
_LEVELS = ((4, 6), (2, 3))
# Pixels; smaller corrections do not matter.
_CONVERGED = 0.01
_LIGHT_ITERATIONS = 4
# Grey levels; a fade changes the median pixel by more than this within half a second.
_SAME_LIGHT = 0.5


def fit_light(source: Image, target: Image) -> tuple[float, float]:
    """Return the gain and offset of `source` that best fit `target` (fades).

    The fit is robust to changes in a part of the image. It is (1, 0) if the light is equal.
    """
    if float(np.median(np.abs(source - target))) < _SAME_LIGHT:
        return 1.0, 0.0
    # A quarter of the pixels is enough for two parameters.
    source, target = source[::2, ::2], target[::2, ::2]
    weight = np.ones_like(source)
    gain, offset = 1.0, 0.0
    for _ in range(_LIGHT_ITERATIONS):
        total = weight.sum()
        mean_source = float((weight * source).sum() / total)
        mean_target = float((weight * target).sum() / total)
        variance = float((weight * (source - mean_source) ** 2).sum() / total)
        together = float((weight * (source - mean_source) * (target - mean_target)).sum() / total)
        gain = min(max(together / max(variance, 1.0), 0.1), 10.0) if variance > 1 else 1.0
        offset = mean_target - gain * mean_source
        error = np.abs(target - _relit(source, gain, offset))
        weight = 1 / (1 + (error / (2 * np.float32(np.median(error)) + 0.5)) ** 2)
    return gain, offset


def match_light(source: Image, target: Image) -> Image:
    """Return `source` with the light of `target`; unchanged if the light is equal."""
    gain, offset = fit_light(source, target)
    return source if (gain, offset) == (1.0, 0.0) else _relit(source, gain, offset)


def _relit(source: Image, gain: float, offset: float) -> Image:
    return np.float32(gain) * source + np.float32(offset)


@dataclass(frozen=True)
class Alignment:
    """One image aligned with another.

    Attributes:
        image: The aligned image (H, W).
        known: Which of its pixels lie inside the source (H, W).
        displacement: Distance by which each pixel moved, in pixels (H, W).
    """

    image: Image
    known: NDArray[np.bool_]
    displacement: Image


def align(source: Image, target: Image, regions: tuple[int, int] = (1, 1)) -> Alignment:
    """Align `source` to `target` by an affine motion (and a change of light) per region.

    Coarse-to-fine Gauss-Newton on the brightness (Lucas and Kanade, 1981) with six parameters and
    robust weights.

    Args:
        source: (H, W) float32, sides divisible by 4 times the regions.
        target: (H, W) float32.
        regions: Rows and columns of independently moving regions: (1, 1) for a continuous image,
            (2, 3) for a cubemap of six faces.
    """
    height, width = target.shape[0] // regions[0], target.shape[1] // regions[1]
    image, displacement = np.empty_like(target), np.empty_like(target)
    known = np.zeros(target.shape, dtype=bool)
    for row in range(regions[0]):
        for column in range(regions[1]):
            part = np.s_[row * height : (row + 1) * height, column * width : (column + 1) * width]
            motion = _motion_of(source[part], target[part])
            moved, known[part] = _warp(source[part], motion, 1)
            image[part] = match_light(moved, target[part])
            displacement[part] = np.hypot(*_shifts(motion, (height, width)))
    return Alignment(image, known, displacement)


def _motion_of(source: Image, target: Image) -> NDArray[np.float64]:
    motion = np.zeros(6)
    for level, iterations in _LEVELS:
        coarse_source = block_means(gaussian_filter(source, 0.5 * level), level)
        coarse_target = block_means(gaussian_filter(target, 0.5 * level), level)
        for _ in range(iterations):
            correction = _step(coarse_source, coarse_target, motion, level)
            motion = motion + correction
            if float(np.abs(correction).max()) < _CONVERGED:
                break
    return motion


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
    height, width = source.shape
    down, right = _shifts(motion / level, source.shape)
    down, right = down + np.arange(height)[:, None], right + np.arange(width)
    warped = map_coordinates(source, [down, right], order=1, mode="nearest")
    known = (down >= 0) & (down <= height - 1) & (right >= 0) & (right <= width - 1)
    return np.asarray(warped), np.asarray(known)


def _shifts(
    motion: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the displacement down and to the right of each pixel."""
    rows, columns = _plane(shape)
    basis = np.stack([np.ones_like(rows), rows, columns])
    return np.tensordot(motion[:3], basis, 1), np.tensordot(motion[3:], basis, 1)


def _plane(shape: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows = np.linspace(-1, 1, shape[0])[:, None] * np.ones(shape[1])
    columns = np.linspace(-1, 1, shape[1]) * np.ones((shape[0], 1))
    return rows, columns
