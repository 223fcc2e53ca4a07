"""Measure whether parts of a frame continue each other, as a projection predicts.

Every projection cuts the sphere open somewhere. If it is the assumed one, pixels on both sides of
the cut differ like neighbours; otherwise they differ like any two pixels. Differences of luma are
compressed by d / (d + 12), so that all visible edges count alike: a stitching error or an object
that is cut off costs no more than the rows that it covers, and coding noise costs little.

Shapes: N frames, luma (N, H, W) in [0, 255].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt360.media.quantiles import median
from yt360.media.video.cube_faces import CubeKind, shared_edges

Luma = NDArray[np.float32]

# The difference of luma that counts half: between coding noise (1 to 5) and edges (20 to 200).
_HALF = 12.0
# A test has full power if unrelated pixels differ by this much more than neighbours.
_FULL_POWER = 0.15
# The views of two eyes differ by up to this fraction of their width: 16° in 360° video, 8° in
# VR180, or an object 23 and 46 cm in front of eyes that are 65 mm apart.
_DISPARITY = 0.045
_BLOCKS = 12
# Fields of view of fisheye lenses in degrees, and places along their rims.
_FISHEYE_DEG = range(182, 222, 4)
_RIM = 128


@dataclass(frozen=True)
class Continuity:
    """How well parts of a picture continue each other.

    Attributes:
        gap: 0 if they differ like neighbours, 1 if they differ like unrelated pixels.
        power: Power of the test in [0, 1]: 0 where even unrelated pixels are alike (darkness, fog).
    """

    gap: float
    power: float


def wrap_continuity(frames: Luma) -> Continuity:
    """Return whether the right edge of frames continues at the left edge.

    Pixels at other places of the same rows are unrelated: they share the light of the sky and the
    ground with the edges. If edges do not vary along their length, the test has no power.
    """
    width = frames.shape[2]
    left, right = frames[:, :, 0], frames[:, :, -1]
    inside = (_mean(left - frames[:, :, 1]) + _mean(right - frames[:, :, -2])) / 2
    columns = frames[:, :, width // 8 : width - width // 8 : max(width // 64, 1)]
    far = (_mean(left[..., None] - columns) + _mean(right[..., None] - columns)) / 2
    shifted = [_mean(left - np.roll(right, frames.shape[1] // k, 1)) for k in (2, 3, 4, 5, 6)]
    return _continuity(_mean(left - right), inside, far, min(far, float(np.mean(shifted))))


def cube_continuity(frames: Luma, kind: CubeKind) -> Continuity:
    """Return whether faces of a cubemap continue each other at edges that are apart in frames."""
    edges = shared_edges(kind, *frames.shape[1:])
    one, one_inside, other, other_inside = frames.reshape(len(frames), -1)[:, edges].transpose(
        2, 0, 1, 3
    )
    inside = (_mean(one - one_inside) + _mean(other - other_inside)) / 2
    shifts = range(1, other.shape[1])
    far = float(np.mean([_mean(one - np.roll(other, shift, axis=1)) for shift in shifts]))
    return _continuity(_mean(one - other), inside, far, far)


def fisheye_continuity(frames: Luma) -> Continuity:
    """Return whether the circles of two opposite fisheye lenses, side by side, share their rims.

    The directions at 90° from the axis of one lens are those of the other, mirrored. Their radius
    follows from the unknown field of view; sensors may be mounted turned by quarters.
    """
    found = []
    for fov_deg in _FISHEYE_DEG:
        radius = 180 / fov_deg
        one, other = _rims(frames, radius)
        one_inside, other_inside = _rims(frames, radius - 2 / frames.shape[1])
        inside = (_mean(one - one_inside) + _mean(other - other_inside)) / 2
        for quarter in range(4):
            # Angle a of one rim is pi - a of the other; pi - (pi - a) is another place in that row.
            partner = np.roll(other[:, ::-1], _RIM // 2 + quarter * _RIM // 4, axis=1)
            beside = np.roll(other, -quarter * _RIM // 4, axis=1)
            far = _mean(one - beside)
            found.append(_continuity(_mean(one - partner), inside, far, far))
    return min(found, key=lambda each: each.gap if each.power > 0.5 else 1.0)


def _rims(frames: Luma, radius: float) -> tuple[Luma, Luma]:
    """Return the pixels on circles (N, L) in both halves, of a radius in half heights."""
    height, width = frames.shape[1:]
    angle = (np.arange(_RIM) + 0.5) / _RIM * 2 * np.pi
    rows = ((0.5 + 0.5 * radius * np.sin(angle)) * height).astype(int)
    columns = ((0.25 + 0.25 * radius * np.cos(angle)) * width).astype(int)
    return frames[:, rows, columns], frames[:, rows, columns + width // 2]


def halves_continuity(frames: Luma, axis: int) -> Continuity:
    """Return whether both halves of frames show the same, from two eyes.

    Blocks of a half are compared with the best place in the other half within the disparity. A
    mirrored half is unrelated, and so is one at another azimuth: both have the same distribution of
    light in one direction.

    Args:
        frames: Luma (N, H, W).
        axis: 2 for halves side by side, 1 for one above the other.
    """
    half = frames.shape[axis] // 2
    one, other = np.split(frames.take(range(2 * half), axis), 2, axis)
    same = _matched(one, other)
    far = min(
        _matched(one, np.flip(other, axis)), _matched(one, np.roll(other, other.shape[2] // 2, 2))
    )
    # Half a pixel beside the best place.
    inside = _mean((one[..., 1:] - one[..., :-1]) / np.float32(2))
    return _continuity(same, inside, far, far)


def pole_variation(frames: Luma) -> tuple[float, float]:
    """Return how much the first and last row vary, relative to the rows around the middle.

    Both are single directions in an equirectangular image, so they vary little.
    """
    height = frames.shape[1]
    rows = frames.std(axis=2).mean(axis=0)
    middle = max(median(rows[height // 6 : -(height // 6)]), 1e-3)
    return float(rows[0]) / middle, float(rows[-1]) / middle


def _matched(one: Luma, other: Luma) -> float:
    """Return the mean difference of blocks from the most similar shift within the disparity."""
    count, height, width = one.shape
    side = max(height // _BLOCKS, 4)
    rows, columns = height // side, width // side
    best: NDArray[np.float32] | None = None
    most = max(round(_DISPARITY * width), 2)
    for shift in range(-most, most + 1):
        cost = _compressed(one - np.roll(other, shift, 2))[:, : rows * side, : columns * side]
        cost = cost.reshape(count, rows, side, columns, side).mean((2, 4))
        best = cost if best is None else np.minimum(best, cost)
    assert best is not None
    return float(best.mean())


def _continuity(joined: float, inside: float, far: float, evidence: float) -> Continuity:
    contrast = max(far - inside, 0.02)
    power = (min(far, evidence) - inside) / _FULL_POWER
    return Continuity((joined - inside) / contrast, float(np.clip(power, 0, 1)))


def _compressed(difference: Luma) -> Luma:
    size = np.abs(difference)
    return np.asarray(size / (size + np.float32(_HALF)), np.float32)


def _mean(difference: Luma) -> float:
    return float(_compressed(difference).mean())
