"""Detect videos of still images, by changes within a fraction of a second beyond coding noise.

The frames of a recording differ by moving objects, camera motion and sensor noise. A video of a
photo repeats one image, which changes only by cuts, fades, dissolves, slow zooms or pans, and small
animated logos.

The frames of each triplet (three frames in 0.4 s) are compared with each other and with the
preceding triplet (some seconds earlier), block by block, relative to the coding noise expected for
the texture of the block:

- nothing changes: still;
- a change of light, or one affine motion of the whole image (of each face, for cubemaps) explains
  the change: still (a fade or a zoom);
- the light changes fast, or the middle frame is the mean of its different neighbours: a fade or a
  dissolve, not counted;
- almost all blocks differ from the preceding triplet, but none within the triplet: a cut, not
  counted;
- otherwise: moving.

Some cases are indistinguishable: a rotating photo and a camera rotating in an empty scene (still);
film grain over a photo and sensor noise (moving); a small logo on a photo and a small object in
front of a noiseless camera (still if all other blocks are identical, otherwise unsure).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from yt360.config import config_class
from yt360.media.video.frame_triplets import SMALL_HEIGHT, SMALL_WIDTH, FrameTriplet, Luma
from yt360.quality.checks.base import Check, Fraction, Part
from yt360.quality.signal.alignment import align, match_light
from yt360.quality.signal.blocks import BLOCK, Blocks, block_means, changed_blocks
from yt360.quality.signal.timeline import Timeline
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "still-image"
REGIONS = {"eac": (2, 3), "cubemap": (2, 3), "c3x2": (2, 3)}

STILL, MOVING, SKIPPED = 0.0, 1.0, 2.0


@config_class
class StillImageConfig:
    """Thresholds of the still-image check; luma in [0, 255], areas as fractions of the image."""

    needs: ClassVar[str] = "video"
    rejects: ClassVar[bool] = True

    kind: str = NAME
    # H.264 at the bit rates of 360p changes a still block by less than 0.7 within half a second
    # and by less than 1 across keyframes (measured on the calibration clip).
    short_levels: float = 1.5
    long_levels: float = 2.5
    # Change of the mean luma in a fade, which encoders follow in steps.
    light_levels: float = 1.0
    relit_levels: float = 6.0
    # A fade of two seconds changes the mean by twice this value, and encoders lose details.
    fade_levels: float = 10.0
    # Motion makes some blocks brighter and others darker; a change of light only one of both.
    light_agreement: Fraction = 0.97
    long_relit_levels: float = 7.0
    # An edge that is misplaced by a quarter of a pixel differs by this fraction of its slope.
    texture_part: float = 0.25
    exact_levels: float = 0.35
    # Musicians in a hall change 2 % of the image, coding noise less than 0.1 %.
    moving_area: Fraction = 0.002
    slow_area: Fraction = 0.03
    # After compensating a slow zoom or rotation of a photo 0.2 % remain; moving objects leave more.
    unexplained_area: Fraction = 0.003
    unexplained_part: Fraction = 0.02
    # Smaller changes are examined as motion; larger ones may be a dissolve or a cut.
    dissolve_area: Fraction = 0.05
    dissolve_bend: float = 0.5
    cut_part: Fraction = 0.1
    cut_area: Fraction = 0.35
    # A window of a quarter of the height and width contains all changes.
    overlay_fraction: Fraction = 0.95
    overlay_area: Fraction = 0.06
    # Encoders remove the noise of a static camera up to 0.996.
    overlay_unchanged: Fraction = 0.999
    overlay_doubt: Fraction = 0.043
    # Quiet landscapes are still most of the time, but never nearly all of it.
    still_fraction: Fraction = 0.775
    still_softness: float = 0.05
    most_skipped: Fraction = 0.6
    least_triplets: int = 3
    most_triplets: int = 8192

    def build(self) -> StillImageCheck:
        """Return the check; see `CheckConfig`."""
        return StillImageCheck(self)


class StillImageCheck(Check):
    """Accumulates the changes in each triplet of frames."""

    def __init__(self, config: StillImageConfig) -> None:
        self.config = config
        # Rows and columns of independently moving faces, from the first video.
        self._regions: tuple[int, int] | None = None
        # Time, class, changed fraction of the image, fraction of identical blocks, number of the
        # part of the recording.
        self._record = Timeline(config.most_triplets, 5)
        self._changes = np.zeros((SMALL_HEIGHT // BLOCK, SMALL_WIDTH // BLOCK))
        self._part = 0
        self._before: FrameTriplet | None = None

    def begin_part(self, part: Part) -> None:
        """Start the next part; see `Check.begin_part`."""
        if part.projection is not None:
            self._regions = self._regions or REGIONS.get(part.kind, (1, 1))
        self._part += 1
        self._before = None

    def add_frames(self, frames: FrameTriplet) -> None:
        """Process the next frames."""
        kind, changed = self._look_within(frames)
        if kind == STILL and self._before is not None:
            kind, later = self._look_back(frames.small[0], self._before.small[0])
            changed = np.maximum(changed, later) if kind == MOVING else changed
        difference = np.abs(frames.small[-1] - frames.small[0])
        resting = block_means(difference)[changed == 0]
        exact = float(np.mean(resting <= self.config.exact_levels)) if resting.size else 0.0
        self._record.add((frames.time_s, kind, float(changed.mean()), exact, self._part))
        if kind == MOVING:
            self._changes += changed
        # Do not use frames of a dissolve or a cut as a reference for later ones.
        self._before = None if kind == SKIPPED else frames

    def verdict(self, earlier: Mapping[str, Verdict]) -> Verdict:  # noqa: ARG002
        """Return the verdict on all frames so far; see `Check.verdict`."""
        rows = self._record.rows
        if len(rows) < self.config.least_triplets:
            return unsure(NAME, "too-few-pictures", f"only {len(rows)} frames to compare")
        kinds = _without_passages(rows[:, 1], rows[:, 4])
        if np.mean(kinds == SKIPPED) > self.config.most_skipped:
            # Slides do not change this fast, so these are neither cuts nor dissolves.
            kinds = np.where(rows[:, 1] == SKIPPED, np.float32(MOVING), rows[:, 1])
        counted = rows[kinds != SKIPPED]
        moving = kinds[kinds != SKIPPED] == MOVING
        numbers = {
            "still_share": 1 - float(moving.mean()),
            "skipped_share": 1 - len(counted) / len(rows),
            "median_changed_area": float(np.median(counted[:, 2])),
            "unchanged_share": float(np.median(counted[:, 3])),
            "compact_share": self._compact_fraction(),
            "probes": float(len(counted)),
        }
        return self._judge(numbers)

    @property
    def motion(self) -> NDArray[np.float32]:
        """Rows (time in seconds, changed fraction of the image) for the report."""
        return self._record.rows[:, [0, 2]]

    def _judge(self, numbers: dict[str, float]) -> Verdict:
        t = self.config
        still = numbers["still_share"]
        overlay = (
            still < t.still_fraction
            and numbers["compact_share"] > t.overlay_fraction
            and numbers["median_changed_area"] < t.overlay_area
        )
        if overlay and numbers["unchanged_share"] > t.overlay_unchanged - t.overlay_doubt:
            sure = numbers["unchanged_share"] > t.overlay_unchanged
            detail = (
                f"all changes lie in one small window, {numbers['unchanged_share']:.1%} of the "
                "rest is unchanged: a logo on a photo"
            )
            reasons = ("photo-with-overlay", "photo-with-overlay")
            return judge(NAME, 0.75 if sure else 0.5, reasons, detail, numbers)
        probability = probability_above(still, t.still_fraction, t.still_softness)
        detail = f"{still:.0%} of the frame pairs show no change but light or a motion of the whole"
        return judge(NAME, probability, ("moving", "photo"), detail, numbers)

    def _look_within(self, frames: FrameTriplet) -> tuple[float, Blocks]:
        t = self.config
        first, _, last = frames.small
        relit = match_light(first, last)
        levels = t.relit_levels if self._light_changes(first, last) else t.short_levels
        changed = changed_blocks(relit, last, levels, t.texture_part)
        area = float(changed.mean())
        if area < t.moving_area:
            return STILL, changed
        if self._is_light(first, last, changed, t.relit_levels):
            return STILL, changed
        least_area = max(t.unexplained_area, t.unexplained_part * area)
        if self._is_one_motion(first, last, levels, least_area):
            return STILL, changed
        fades = abs(float(last.mean() - first.mean())) > t.fade_levels
        passes = area > t.dissolve_area and self._is_dissolve_or_cut(frames.small)
        return (SKIPPED if fades or passes else MOVING), changed

    def _is_light(self, source: Luma, target: Luma, changed: Blocks, most_levels: float) -> bool:
        """Return whether all blocks change slightly in the same direction, as in a coded fade."""
        change = block_means(target - source)[changed == 1]
        brighter = float(np.mean(change > 0))
        agree = max(brighter, 1 - brighter) > self.config.light_agreement
        return agree and float(np.quantile(np.abs(change), 0.95)) < most_levels

    def _light_changes(self, source: Luma, target: Luma) -> bool:
        return abs(float(source.mean() - target.mean())) > self.config.light_levels

    def _is_dissolve_or_cut(self, frames: Luma) -> bool:
        """Return whether the middle frame is the mean of its neighbours or equal to one of them."""
        t = self.config
        first, middle, last = frames
        whole = float(np.abs(last - first).mean())
        if float(np.abs(first - 2 * middle + last).mean()) < t.dissolve_bend * whole:
            return True
        return min(np.abs(middle - first).mean(), np.abs(last - middle).mean()) < t.cut_part * whole

    def _look_back(self, now: Luma, before: Luma) -> tuple[float, Blocks]:
        t = self.config
        relit = match_light(before, now)
        levels = t.long_relit_levels if self._light_changes(before, now) else t.long_levels
        changed = changed_blocks(relit, now, levels, t.texture_part)
        area = float(changed.mean())
        if area < t.slow_area:
            return STILL, changed
        if self._is_light(before, now, changed, t.long_relit_levels):
            return STILL, changed
        if self._is_one_motion(before, now, levels, t.slow_area):
            return STILL, changed
        return (SKIPPED if area > t.cut_area else MOVING), changed

    def _is_one_motion(self, source: Luma, target: Luma, levels: float, least_area: float) -> bool:
        """Return whether an affine motion explains all but `least_area` of the image."""
        moved, known = align(source, target, self._regions or (1, 1))
        # A slight blur hides the change of sharpness by resampling.
        soft_moved, soft_target = (gaussian_filter(image, 0.7) for image in (moved, target))
        rest = changed_blocks(soft_moved, soft_target, levels, self.config.texture_part)
        inside = block_means(known.astype(np.float32)) == 1
        return float((rest * inside).mean()) < least_area

    def _compact_fraction(self) -> float:
        """Return the largest fraction of all changes within one small window."""
        total = float(self._changes.sum())
        if total == 0:
            return 0.0
        height, width = self._changes.shape
        tall, wide = height // 4, width // 4
        wrapped = np.concatenate([self._changes, self._changes[:, :wide]], axis=1)
        sums = np.zeros((height + 1, width + wide + 1))
        sums[1:, 1:] = wrapped.cumsum(axis=0).cumsum(axis=1)
        windows = sums[tall:, wide:] - sums[:-tall, wide:] - sums[tall:, :-wide]
        windows += sums[:-tall, :-wide]
        return float(windows.max()) / total


def _without_passages(
    kinds: NDArray[np.float32], parts: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Also skip motion next to a cut or dissolve, at which the encoder adapts."""
    passage = kinds == SKIPPED
    same_part = parts[1:] == parts[:-1]
    beside = np.zeros_like(passage)
    beside[1:] |= passage[:-1] & same_part
    beside[:-1] |= passage[1:] & same_part
    return np.where(beside & (kinds == MOVING), np.float32(SKIPPED), kinds)
