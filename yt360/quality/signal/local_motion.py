"""Measure what moves by itself in a triplet of frames.

Objects that move change the image in both intervals of a triplet. An encoder changes a still image
in single steps (a key frame, a refinement some frames later) and then no more. Moving objects, and
a camera that moves through a scene, cause differences that no affine motion of the whole image
explains; the pan or zoom of a photo does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from yt360.media.video.frame_triplets import HEIGHT, WIDTH, FrameTriplet, Luma
from yt360.quality.signal.alignment import align, fit_light
from yt360.quality.signal.blocks import Blocks, block_means, texture

BLOCK = 6
ROWS, COLUMNS = HEIGHT // BLOCK, WIDTH // BLOCK
# Half the resolution is enough to compare aligned images.
_COARSE = 2
# Displacements in pixels: alignment is exact to about the first, and the errors of resampling stop
# growing at the second.
_AT_REST, _FULL_ERROR = 0.05, 1.0


@dataclass(frozen=True)
class LocalMotion:
    """What changes in a triplet of frames, for blocks of 3.75 degrees.

    Attributes:
        excess: Change in each interval that neither the light nor a motion of the whole explains,
            relative to the allowance of the block (48, 96); above 1 the block moves by itself.
        displacement: Mean distance by which the whole image moves, in pixels of 1/576 of its width.
        light: Change of the luma of most of the image, in levels.
        blend: Whether this is a fade or a dissolve: the middle frame is the mean of its neighbours,
            and light or most of the image changes.
    """

    excess: Blocks
    displacement: float
    light: float
    blend: bool

    @property
    def rests(self) -> bool:
        """Whether neither the whole image moves nor its light changes."""
        return self.displacement < _AT_REST and self.light < 0.5


def local_motion(
    triplet: FrameTriplet,
    regions: tuple[int, int] = (1, 1),
    *,
    levels: float = 1.0,
    relit_levels: float = 6.0,
    texture_part: float = 0.25,
) -> LocalMotion:
    """Measure the local motion in a triplet.

    Args:
        triplet: Frames (3, 288, 576).
        regions: Rows and columns of faces that may move independently; see `align`.
        levels: Allowed change of a block of a still image.
        relit_levels: The same while the light of the whole changes.
        texture_part: Additional allowed change of an image that moves by a pixel or more, as a
            fraction of the mean gradient of the block.
    """
    brighter = triplet.small[2] - triplet.small[0]
    light = abs(float(np.median(brighter)))
    mean_light = abs(float(brighter.mean()))
    allowed = relit_levels if mean_light > 1 else levels
    change = _change_in_both_intervals(triplet)
    even = _is_even(triplet.small)
    if float(change.max()) <= allowed:
        return LocalMotion(change / np.float32(allowed), 0.0, light, even and mean_light > 1)
    first, _, last = block_means(triplet.frames, _COARSE)
    aligned = align(first, last, regions)
    # A slight blur hides the change of sharpness by resampling.
    rest = np.abs(gaussian_filter(aligned.image, 1.0) - gaussian_filter(last, 1.0))
    rest = block_means(rest * aligned.known, BLOCK // _COARSE)
    displacement = _COARSE * block_means(aligned.displacement.astype(np.float32), BLOCK // _COARSE)
    change = np.where(displacement > _AT_REST, np.minimum(change, rest), change)
    error = texture_part * np.minimum(displacement, _FULL_ERROR)
    excess = np.asarray(change / (allowed + error * texture(triplet.frames[2], BLOCK)), np.float32)
    blend = even and (mean_light > 1 or float(np.mean(excess > 1)) > 0.15)
    return LocalMotion(excess, float(displacement.mean()), light, blend)


def _change_in_both_intervals(triplet: FrameTriplet) -> Blocks:
    """Return the smaller change of each block, with the light of the middle frame."""
    middle, others = triplet.frames[1], []
    for index in (0, 2):
        gain, offset = fit_light(triplet.small[index], triplet.small[1])
        frame = triplet.frames[index]
        same = (gain, offset) == (1.0, 0.0)
        others.append(frame if same else np.float32(gain) * frame + np.float32(offset))
    first, last = others
    pairs = ((first, middle), (middle, last), (first, last))
    return np.minimum.reduce([block_means(np.abs(a - b), BLOCK) for a, b in pairs])


def _is_even(frames: Luma) -> bool:
    """Return whether the middle frame is the mean of its different neighbours."""
    first, middle, last = frames
    whole = float(np.abs(last - first).mean())
    return whole > 3 and float(np.abs(first - 2 * middle + last).mean()) < 0.25 * whole
