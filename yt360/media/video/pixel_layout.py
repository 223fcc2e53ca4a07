"""Recognize the projection of a video from its pixels.

Each test computes a number that clearly separates right from wrong assumptions on real footage:

- Do the left and right edge continue each other (`wrap_continuity`)? In a whole equirectangular
  image they do; in VR180, a partial panorama or a flat film they do not.
- Do the faces of a cubemap continue each other at edges that are apart in the frame
  (`cube_continuity`)? This finds equi-angular and other cubemaps, and nothing else passes it.
- Are both halves equal, up to the disparity of two eyes (`halves_continuity`)?
- Do the rims of two circles side by side meet (`fisheye_continuity`), or is the image in two
  circles on a uniform ground (`_circles`)? These are two fisheye lenses.
- Is the first or last row nearly constant, as poles are (`pole_variation`)? This distinguishes
  parts of a sphere, such as VR180, from flat films. It is weak, since a flat film may have a clear
  sky, so only the name of a defect depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from yt360.config import config_class
from yt360.errors import BadItem
from yt360.media.quantiles import median
from yt360.media.video.continuity import (
    Continuity,
    Luma,
    cube_continuity,
    fisheye_continuity,
    halves_continuity,
    pole_variation,
    wrap_continuity,
)
from yt360.media.video.cube_faces import CUBES, CubeKind

WholeSphere = Literal["equirectangular", "eac", "cubemap", "c3x2"]
PixelKind = WholeSphere | Literal["dual-fisheye", "part", "flat"]
Eyes = Literal["mono", "left-right", "top-bottom"]

HEIGHT, WIDTH = 144, 288
"""Size to which frames are reduced: fine enough for seams, too coarse for coding noise."""
MAX_FRAMES = 16
# Luma above the uniform ground that counts as picture; the ground is coded within 3 levels.
_UNIFORM, _LIT = 3.0, 6.0
# Bars narrower than this part of the width may be a border of the coding.
_MIN_BAR = 0.02
_EYES_OF: dict[str, Eyes] = {
    "mono": "mono",
    "left-right": "left-right",
    "right-left": "left-right",
    "top-bottom": "top-bottom",
    "bottom-top": "top-bottom",
}
_NAMES: dict[PixelKind, str] = {
    "equirectangular": "equirectangular 360° video",
    "eac": "an equi-angular cubemap",
    "cubemap": "a cubemap",
    "c3x2": "FFmpeg's cubemap c3x2",
    "dual-fisheye": "two fisheye circles",
    "part": "a part of a panorama",
    "flat": "a flat film",
}
_OTHER = ("other-projection", "state its projection and stereo mode")
_IF_WRONG = "if it is 360° video, state its projection"
_REFUSALS: dict[PixelKind, tuple[str, str]] = {
    "equirectangular": _OTHER,
    "eac": _OTHER,
    "cubemap": _OTHER,
    "c3x2": _OTHER,
    "dual-fisheye": ("dual-fisheye", "stitch it to an equirectangular video first"),
    "part": ("partial-360", _IF_WRONG),
    "flat": ("flat-film", _IF_WRONG),
}


Fraction = Annotated[float, Field(gt=0, lt=1)]

Softness = Annotated[float, Field(gt=0, le=1e6)]
"""The distance from a threshold at which it has an effect."""


@config_class
class LayoutThresholds:
    """Thresholds of the recognition. A gap is 0 for neighbours and 1 for unrelated pixels.

    The figures are those of 35 real recordings, and of other layouts and flat views made from them.
    """

    wrong_tag: Fraction = 0.02
    """Probability, before a look at the pixels, that the projection in the metadata is wrong."""
    wrong_guess: Fraction = 0.1
    """The same for a projection that is guessed from the aspect ratio and the audio."""

    wrap_gap: float = 0.45
    """Gap between the left and right edge below which they continue each other."""
    # Equirectangular: at most 0.27, from a person who is cut off at the seam. VR180: at least 0.73;
    # flat views 0.62. Three quarters of a panorama: 0.31, since sky and ground continue anywhere.
    wrap_softness: Softness = 0.12
    cube_gap: float = 0.4
    """Gap between the faces of a cubemap below which they continue each other."""
    # Equi-angular cubemaps: at most 0.11, other cubemaps 0.16; coded badly, 0.23. Cubemaps whose
    # upper and lower face are turned otherwise: at least 0.33, but the smallest gap counts.
    # Everything else: 0.50. That left and right edge do not meet is evidence for a cubemap, too.
    cube_softness: Softness = 0.1
    halves_gap: float = 0.55
    """Gap between the halves of a frame below which they are the views of two eyes."""
    # 360° and VR180 for two eyes: at most -0.04; a flat scene at arm's length: 0.29. Others: at
    # least 0.83.
    halves_softness: Softness = 0.12
    fisheye_gap: float = 0.15
    """Gap between the rims of both halves below which they are two opposite fisheye lenses."""
    # Two lenses: at most 0.12, and -0.1 where the lenses cover more than their circles; at night,
    # too. Flat views: at least 0.41. Equirectangular: at least 0.16, since scenery may be
    # symmetrical, so edges that meet count first.
    fisheye_softness: Softness = 0.05
    circle_overlap: float = 0.9
    """Overlap of the lit area of each half with an ellipse above which it is a fisheye circle."""
    # The overlap is intersection over union. Circles: 0.94 to 1.00 in daylight. A rectangle: pi/4
    # = 0.79; the largest of all other recordings: 0.83.
    circle_softness: Softness = 0.03
    pole_variation: float = 0.2
    """Variation of the first or last row, relative to the middle, up to which it may be a pole."""
    # The steadier of the two rows: 0.10 in 90 % of the equirectangular recordings, 0.60 at most
    # (logos); flat views: 0.2 to 1.1 in 80 %. Only the name of a defect depends on it.


@dataclass(frozen=True)
class PixelLayout:
    """What the pixels of a video look like.

    Attributes:
        kind: Projection of one eye. ``"part"`` is less than 360° wide, but may have a pole.
        eyes: Arrangement of the eyes.
        kind_sure: Probability of the projection, in [0, 1]; 0.5 if the pixels are no evidence, as
            in darkness.
        eyes_sure: Probability of the arrangement of the eyes.
        has_pole: Whether the first or last row is as steady as a pole.
        why: The decisive number.
    """

    kind: PixelKind
    eyes: Eyes
    kind_sure: float
    eyes_sure: float
    has_pole: bool
    why: str

    @property
    def confidence(self) -> float:
        """Probability of projection and eyes."""
        return min(self.kind_sure, self.eyes_sure)

    def describe(self) -> str:
        """Return what the pixels look like, with the probability."""
        if self.confidence < 0.505:
            return f"the pixels do not show the projection: {self.why}"
        eyes = "" if self.eyes == "mono" else f", {self.eyes}"
        return f"the pixels look like {_NAMES[self.kind]}{eyes} ({self.confidence:.0%}): {self.why}"

    def wrongness(self, kind: str, stereo_mode: str, wrong_before: float) -> float:
        """Return the probability that an assumed projection is wrong, given the pixels.

        Args:
            kind: Assumed projection.
            stereo_mode: Assumed arrangement of the eyes.
            wrong_before: Probability that it is wrong, before a look at the pixels.
        """
        if self.eyes != _EYES_OF.get(stereo_mode):
            wrong = self.eyes_sure
        else:
            wrong = 1 - self.confidence if self.kind == kind else self.kind_sure
        return _sigmoid(_logit(wrong) + _logit(wrong_before))

    def refusal(self) -> BadItem:
        """Return the error for a video that is not what it is assumed to be."""
        reason, hint = _REFUSALS[self.kind]
        if self.kind == "part" and self.eyes != "mono":
            reason = "vr180"
        return BadItem(reason, f"{self.describe()}; {hint}")


def reduced(frames: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Reduce luma (N, H, W), H and W multiples of `HEIGHT` and `WIDTH`, by means over areas."""
    count, height, width = frames.shape
    squares = frames.reshape(count, HEIGHT, height // HEIGHT, WIDTH, width // WIDTH)
    return np.round(squares.mean((2, 4))).astype(np.uint8)


def measure_layout(frames: NDArray[np.uint8]) -> dict[str, float]:
    """Return the measurements that `recognize` needs.

    Args:
        frames: Luma (N, 144, 288) of frames throughout the video, scaled to this size whatever
            their aspect ratio.
    """
    luma = frames.astype(np.float32)
    numbers = {"frames": float(len(luma))}
    if not len(luma):
        return numbers
    for eyes in dict.fromkeys(_EYES_OF.values()):
        one = _left_eye(luma, eyes)
        tests = {"wrap": wrap_continuity(one)}
        tests |= {kind: cube_continuity(one, kind) for kind in CUBES}
        for name, found in tests.items():
            numbers |= _as_numbers(f"{eyes}_{name}", found)
    numbers |= _as_numbers("fisheye", fisheye_continuity(luma))
    half_size = luma.reshape(len(luma), HEIGHT // 2, 2, WIDTH // 2, 2).mean((2, 4))
    numbers |= _as_numbers("left_right_halves", halves_continuity(half_size, 2))
    numbers |= _as_numbers("top_bottom_halves", halves_continuity(half_size, 1))
    difference = np.abs(luma - np.float32(median(luma[:, [0, 0, -1, -1], [0, -1, 0, -1]]))).max(0)
    lit = difference > _LIT
    rows = np.flatnonzero(lit.any(1))
    shown = luma
    if HEIGHT // 8 < len(rows) < HEIGHT:  # the rows at the bars hold a part of them
        shown = luma[:, rows[0] + 1 : rows[-1]]
    numbers["top_variation"], numbers["bottom_variation"] = pole_variation(shown)
    numbers["circle_overlap"] = _circles(lit)
    numbers["filled_width"] = _filled_width(difference)
    return numbers


def recognize(numbers: Mapping[str, float], thresholds: LayoutThresholds) -> PixelLayout:
    """Return the layout that fits the measurements best.

    Args:
        numbers: From `measure_layout`, of at least one frame.
        thresholds: Thresholds.
    """
    has_pole = min(numbers["top_variation"], numbers["bottom_variation"]) <= (
        thresholds.pole_variation
    )
    limits = (thresholds.halves_gap, thresholds.halves_softness)
    stereo: dict[Eyes, float] = {
        "left-right": _is_small(numbers, "left_right_halves", *limits),
        "top-bottom": _is_small(numbers, "top_bottom_halves", *limits),
    }
    eyes = max(stereo, key=lambda each: stereo[each])
    eyes_sure = stereo[eyes]
    if eyes_sure <= 0.5:
        eyes, eyes_sure = "mono", 1 - eyes_sure
    kind, kind_sure, why = _kind_of_eye(numbers, thresholds, eyes, has_pole=has_pole)
    return PixelLayout(kind, eyes, kind_sure, eyes_sure, has_pole, why)


def _kind_of_eye(
    numbers: Mapping[str, float], thresholds: LayoutThresholds, eyes: Eyes, *, has_pole: bool
) -> tuple[PixelKind, float, str]:
    """Return the projection of one eye, its probability, and the decisive number."""
    overlap = numbers["circle_overlap"]
    in_circles = _logistic(thresholds.circle_overlap - overlap, thresholds.circle_softness)
    if in_circles > 0.5:
        kind: PixelKind = "part" if eyes == "left-right" else "dual-fisheye"
        return kind, in_circles, f"it overlaps by {overlap:.0%} with two circles"
    wraps = _is_small(numbers, f"{eyes}_wrap", thresholds.wrap_gap, thresholds.wrap_softness)
    cube: CubeKind = min(CUBES, key=lambda kind: numbers[f"{eyes}_{kind}_gap"])
    is_cube = _is_small(numbers, f"{eyes}_{cube}", thresholds.cube_gap, thresholds.cube_softness)
    if is_cube > 0.5:
        is_cube = _sigmoid(_logit(is_cube) + _logit(1 - wraps))
    if is_cube > 0.5:
        return cube, is_cube, f"gap {numbers[f'{eyes}_{cube}_gap']:.2f} between the faces"
    filled = numbers["filled_width"]
    if filled < 1:
        return "part", 0.99, f"it fills {filled:.0%} of the width"
    rims = _is_small(numbers, "fisheye", thresholds.fisheye_gap, thresholds.fisheye_softness)
    if eyes == "mono" and rims > max(wraps, 0.5):
        return "dual-fisheye", rims, f"gap {numbers['fisheye_gap']:.2f} between the rims"
    why = f"gap {numbers[f'{eyes}_wrap_gap']:.2f} between the left and right edge"
    if wraps >= 0.5:
        return "equirectangular", wraps, why
    if has_pole:
        return "part", 1 - wraps, f"{why}, with a steady first or last row"
    return "flat", 1 - wraps, f"{why}, without poles"


def _left_eye(luma: Luma, eyes: Eyes) -> Luma:
    height = HEIGHT // 2 if eyes == "top-bottom" else HEIGHT
    width = WIDTH // 2 if eyes == "left-right" else WIDTH
    return luma[:, :height, :width]


def _as_numbers(name: str, found: Continuity) -> dict[str, float]:
    return {f"{name}_gap": found.gap, f"{name}_power": found.power}


def _is_small(numbers: Mapping[str, float], name: str, threshold: float, softness: float) -> float:
    """Return the probability that a gap is small: 0.5 if its test has no power."""
    probability = _logistic(numbers[f"{name}_gap"] - threshold, softness)
    return 0.5 + (probability - 0.5) * numbers[f"{name}_power"]


def _logistic(excess: float, softness: float) -> float:
    """Return a probability that falls from 1 to 0, 0.5 at 0 and 0.12 at the softness."""
    return _sigmoid(-2 * excess / softness)


def _sigmoid(log_odds: float) -> float:
    return 1 / (1 + exp(float(np.clip(-log_odds, -30, 30))))


def _logit(probability: float) -> float:
    inside = float(np.clip(probability, 1e-6, 1 - 1e-6))
    return log(inside / (1 - inside))


def _circles(lit: NDArray[np.bool_]) -> float:
    """Return the least overlap of the lit areas of both halves with ellipses of their size."""
    return min(_ellipse_overlap(half) for half in np.split(lit, 2, axis=1))


def _ellipse_overlap(lit: NDArray[np.bool_]) -> float:
    rows, columns = np.flatnonzero(lit.any(1)), np.flatnonzero(lit.any(0))
    if min(len(rows), len(columns)) < HEIGHT // 2:
        return 0.0
    shape = lit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    y, x = ((np.arange(size) + 0.5) / size * 2 - 1 for size in shape.shape)
    ellipse = y[:, None] ** 2 + x**2 <= 1
    return float((shape & ellipse).sum() / (shape | ellipse).sum())


def _filled_width(difference: Luma) -> float:
    """Return the part of the width between uniform bars with sharp borders at both sides."""
    lit = difference > _LIT
    columns, rows = np.flatnonzero(lit.any(0)), lit.any(1)
    if not len(columns):
        return 1.0
    first, last = int(columns[0]), int(columns[-1]) + 1
    width = difference.shape[1]
    bars = np.concatenate([difference[:, : max(first - 1, 0)], difference[:, last + 1 :]], axis=1)
    is_bar = min(first, width - last) >= _MIN_BAR * width and bars.max() <= _UNIFORM
    inside = [
        lit[rows][:, side].any(1).mean()
        for side in (slice(first, first + 2), slice(last - 2, last))
    ]
    return (last - first) / width if is_bar and min(inside) > 0.5 else 1.0
