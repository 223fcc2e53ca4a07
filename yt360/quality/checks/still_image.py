"""Detect videos of still images: nothing in them moves by itself.

In a recording something moves for some time: performers, leaves, water, or everything if the camera
moves. A video of a photo repeats one image, which changes only by fades, dissolves, cuts, slow
zooms or pans, and coding. `yt360.quality.signal.local_motion` separates the two in each triplet of
frames. Triplets are judged in windows of eight, because motion lasts and coding errors do not. The
value of a block in a window is the upper quartile of its eight changes. If the whole image moves,
objects pass from block to block; therefore the blocks that change most in each triplet are also
used, with the factor `_PASSING`.

The verdict is unsure if

- all of the image changes alike: noise of a sensor, or grain over a photo;
- something moves in one place, and all the rest is exactly the same from frame to frame and from
  second to second: a photo under an animated logo or visualizer, or a recording from a tripod whose
  encoder removed all noise, which is rare;
- nothing moves, but the image is not exactly the same all the time: an empty room.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from yt360.config import config_class
from yt360.media.video.frame_triplets import FrameTriplet
from yt360.quality.checks.base import Capacity, Check, Count, Fraction, Number, Part, Positive
from yt360.quality.signal.blocks import Blocks, block_means, texture
from yt360.quality.signal.local_motion import BLOCK, COLUMNS, ROWS, LocalMotion, local_motion
from yt360.quality.signal.timeline import Timeline
from yt360.quality.verdict import UNSURE_FROM, Verdict, judge, probability_above, unsure

NAME = "still-image"
REGIONS = {"eac": (2, 3), "cubemap": (2, 3), "c3x2": (2, 3)}

# Columns of a row of results of a window.
RESULTS = ("motion", "contrast", "resting_share", "unchanged_share", "drift_levels", "place_share")


@config_class
class StillImageConfig:
    """Thresholds of the still-image check; luma in [0, 255], areas as fractions of the image."""

    needs: ClassVar[str] = "video"
    rejects: ClassVar[bool] = True
    measuring: ClassVar[tuple[str, ...]] = ("moving_area", "blank_contrast", "most_windows")
    measurement: ClassVar[int] = 3

    kind: str = NAME
    # Five blocks of 3.75 degrees: head and arms of a person at 4 m.
    moving_area: Fraction = 0.001
    # Frames with less contrast are black or blank, the matter of the picture check.
    blank_contrast: Number = 10.0
    # Change of the moving area, relative to the allowance of its blocks. Photos, zoomed at the
    # lowest rates of H.264, reach 1.2; a boat on still water, from a tripod, has 2.1.
    motion: Number = 1.5
    motion_softness: Positive = 0.5
    # Ratio of the motion of the moving area to that of the median block. Noise has up to 2.7, a
    # camera under rustling trees 6.4.
    contrast: Number = 4.0
    contrast_softness: Positive = 1.2
    # Least fraction of triplets in which neither the light nor the whole image changes. With fewer,
    # the thresholds below are not used.
    resting_fraction: Fraction = 0.5
    # Fraction of the blocks away from all motion that are exactly the same after 0.2 s. Photos have
    # 0.955 to 1. Recordings have up to 0.945, except for one with 0.988, whose drift is 0.35.
    unchanged_fraction: Fraction = 0.96
    # The same for an image in which nothing moves. Still images have 1; empty rooms, as far as the
    # surroundings of performers tell, have up to 0.98.
    photo_unchanged_fraction: Fraction = 0.99
    # Change of the mean of blocks from triplet to triplet, exceeded by a tenth of them: up to 0.28
    # for photos (key frames), 0.1 to 3 for recordings (light, clouds, shadows, key frames).
    drift_levels: Number = 0.25
    # Fraction of the triplets of a window in which the places that move most often move. Signs have
    # 1, bars of changing height 0.6 and more; a ball that flies around a room has 0.14, people who
    # walk through a storage room 0.38.
    place_fraction: Fraction = 0.45
    least_triplets: Count = 3
    most_windows: Capacity = 1024

    def build(self) -> StillImageCheck:
        """Return the check; see `CheckConfig`."""
        return StillImageCheck(self)

    def judge(
        self,
        numbers: Mapping[str, float],
        earlier: Mapping[str, Verdict],  # noqa: ARG002
    ) -> Verdict:
        """Return the verdict on all windows; see `CheckConfig`."""
        if numbers["probes"] < self.least_triplets:
            return unsure(
                NAME, "too-few-pictures", f"too few moments to compare: {numbers['probes']:.0f}"
            )
        moves = probability_above(numbers["motion"], self.motion, self.motion_softness)
        local = probability_above(numbers["contrast"], self.contrast, self.contrast_softness)
        detail = (
            f"lasting changes are {numbers['motion']:.1f} times as large as coding makes them; "
            f"recordings have at least {self.motion:g}"
        )
        if moves > 0.5 and local < 1 - UNSURE_FROM:
            return unsure(NAME, "noise", "all of the image changes alike: noise or grain")
        if numbers["resting_share"] >= self.resting_fraction:
            unchanged = f"{numbers['unchanged_share']:.1%} of the image at rest is exactly the same"
            if moves < 1 - UNSURE_FROM:
                if not self._is_same(numbers, self.photo_unchanged_fraction):
                    return unsure(NAME, "nothing-moves", f"nothing moves, but only {unchanged}")
            elif numbers["place_share"] >= self.place_fraction and self._is_same(
                numbers, self.unchanged_fraction
            ):
                return unsure(NAME, "photo-with-overlay", f"{detail}, {unchanged}")
        return judge(NAME, 1 - moves, ("moving", "photo"), detail)

    def _is_same(self, numbers: Mapping[str, float], unchanged: float) -> bool:
        return numbers["unchanged_share"] >= unchanged and (
            numbers["drift_levels"] <= self.drift_levels
        )


class StillImageCheck(Check):
    """Accumulates the local motion in windows of triplets."""

    config: StillImageConfig

    def __init__(self, config: StillImageConfig) -> None:
        self.config = config
        # Rows and columns of independently moving faces, from the first video.
        self._regions: tuple[int, int] | None = None
        # Time and moving fraction of the image, for each triplet.
        self._changes = Timeline(8 * config.most_windows, 2)
        self._results = Timeline(config.most_windows, len(RESULTS))
        self._window = _Window(config.moving_area)

    def begin_part(self, part: Part) -> None:
        """Start the next part; see `Check.begin_part`."""
        if part.projection is not None:
            self._regions = self._regions or REGIONS.get(part.kind, (1, 1))
        self._window.begin_part()

    def add_frames(self, frames: FrameTriplet) -> None:
        """Process the next frames."""
        low, high = np.quantile(frames.small[0], [0.005, 0.995])
        if high - low < self.config.blank_contrast:
            return
        motion = local_motion(frames, self._regions or (1, 1))
        changed = float(np.mean(motion.excess > 1))
        if motion.blend:
            self._window.begin_picture()
            return
        self._changes.add((frames.time_s, changed))
        self._window.add(frames, motion)
        if len(self._window) == _Window.LENGTH:
            self._results.add(self._window.results())
            self._window = _Window(self.config.moving_area)

    def measure(self) -> dict[str, float]:
        """Return the measurements on all windows; see `Check.measure`."""
        changed = self._changes.rows[:, 1]
        if len(changed) < self.config.least_triplets:
            return {"probes": float(len(changed))}
        rows = self._results.rows
        if not len(rows) or len(self._window) > _Window.LENGTH // 2:
            rows = np.vstack([rows, self._window.results()])
        # Motion and contrast: what a quarter of the time exceeds.
        reduced = [*np.quantile(rows[:, :2], 0.75, axis=0), *np.median(rows[:, 2:], axis=0)]
        numbers = {name: float(value) for name, value in zip(RESULTS, reduced, strict=True)}
        moving = float(np.mean(changed >= self.config.moving_area))
        return numbers | {"moving_share": moving, "probes": float(len(changed))}

    @property
    def motion(self) -> NDArray[np.float32]:
        """Rows (time in seconds, moving fraction of the image) for the report."""
        return self._changes.rows


# The blocks that change most differ from triplet to triplet: in the zoom of a photo they reach 1.9,
# under a turning camera 3.2. With this factor the same threshold holds as for one place.
_PASSING = 0.6


class _Window:
    """Some consecutive triplets, reduced to one row of results."""

    LENGTH = 8

    def __init__(self, moving_area: float) -> None:
        self._least_blocks = ceil(moving_area * ROWS * COLUMNS)
        self._excess: list[Blocks] = []
        self._detail: list[Blocks] = []
        # For each triplet at rest, whether blocks are exactly the same in its second interval; for
        # each pair of them, the change of the means of blocks.
        self._same: list[NDArray[np.bool_]] = []
        self._drifts: list[Blocks] = []
        self._before: Blocks | None = None
        self._is_edited = False

    def __len__(self) -> int:
        return len(self._excess)

    def begin_part(self) -> None:
        """Do not compare with earlier triplets."""
        self._before = None

    def begin_picture(self) -> None:
        """Note a fade, dissolve or cut: the image is not at rest."""
        self._before = None
        self._is_edited = True

    def add(self, frames: FrameTriplet, motion: LocalMotion) -> None:
        """Add a triplet."""
        self._excess.append(motion.excess)
        if not motion.rests:
            self._before = None
            return
        first, middle, last = frames.frames
        self._detail.append(texture(last, BLOCK))
        self._same.append(block_means(np.abs(last - middle), BLOCK) < 0.02)
        means = block_means(first, BLOCK)
        if self._before is not None:
            drift = np.abs(means - self._before)
            self._drifts.append(drift)
            self._is_edited |= bool(np.mean(drift > 10) > 0.35)
        self._before = means

    def results(self) -> list[float]:
        """Return the values of `RESULTS`."""
        persistent = np.quantile(self._excess, 0.75, axis=0)
        passing = float(np.median([self._of_moving_area(excess) for excess in self._excess]))
        motion = max(self._of_moving_area(persistent), _PASSING * passing)
        contrast = motion / max(float(np.median(persistent)), 0.02 * motion, 1e-3)
        resting = 0.0 if self._is_edited else len(self._same) / len(self)
        often = np.mean(np.array(self._excess) > 1, axis=0)
        return [motion, contrast, resting, *self._rest(), self._of_moving_area(often)]

    def _of_moving_area(self, excess: Blocks) -> float:
        """Return what the moving area exceeds."""
        return float(np.partition(excess, -self._least_blocks, axis=None)[-self._least_blocks])

    def _rest(self) -> tuple[float, float]:
        """Return the unchanged fraction of blocks away from all motion, and their drift."""
        if not self._drifts:
            return 0.0, 255.0
        moves = maximum_filter(np.max(self._excess, axis=0) > 0.5, 5, mode="nearest")
        # Black borders are the same in recordings, too.
        rest = ~moves & (np.median(self._detail, axis=0) > 0.5)
        if not rest.any():
            return 0.0, 255.0
        unchanged = np.median([same[rest].mean() for same in self._same])
        drift = np.median([np.quantile(change[rest], 0.9) for change in self._drifts])
        return float(unchanged), float(drift)
