"""Is the picture a photo? What changes in a fraction of a second, beyond coding noise.

A camera that records gives pictures that differ: things move, water and leaves move, the camera
moves, the sensor has noise. A photo made into a video gives the same picture again; all that
changes it are cuts, fades, dissolves, a slow zoom or pan of the whole, and small animated signs.

Each probe (three pictures in 0.4 s) is compared within itself, and with the probe before it (some
seconds ago), block by block against the coding noise that the block's texture allows:

- nothing changes: still;
- the change is explained by another light, or by one affine motion of the whole picture (of each
  face, for cubemaps): still, a fade or a zoom;
- the light changes fast, or the middle picture is the mean of its neighbours although they differ:
  a fade or a dissolve, not counted;
- almost everything differs from the probe before, although nothing changes within the probe: a
  cut, not counted;
- otherwise the picture moves.

What cannot be known: a photo that turns is a camera that turns in an empty world (called still);
grain laid over a photo is a sensor's; a small sign on a photo is a small thing that moves in front
of a noiseless camera (called still when everything else is unchanged to the bit, else unsure).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from yt360.media.video.frame_triplets import HEIGHT, WIDTH, FrameTriplet, Luma
from yt360.quality.signal.alignment import align, match_light
from yt360.quality.signal.blocks import BLOCK, Blocks, block_means, changed_blocks
from yt360.quality.signal.timeline import Timeline
from yt360.quality.thresholds import DEFAULTS, StillThresholds
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "still-image"
REGIONS = {"eac": (2, 3), "cubemap": (2, 3), "c3x2": (2, 3)}

STILL, MOVING, SKIPPED = 0.0, 1.0, 2.0


class StillImageTest:
    """Accumulates probes and says whether the picture is a photo.

    Args:
        projection: Kind of projection; the faces of a cubemap move independently.
        thresholds: See there.
    """

    def __init__(
        self,
        projection: str = "equirectangular",
        thresholds: StillThresholds = DEFAULTS.still,
    ) -> None:
        self.thresholds = thresholds
        self.regions = REGIONS.get(projection, (1, 1))
        # Time, class, changed part of the picture, part of the blocks that did not change at all,
        # number of the part of the recording.
        self._record = Timeline(thresholds.most_probes, 5)
        self._changes = np.zeros((HEIGHT // BLOCK, WIDTH // BLOCK))
        self._part = 0
        self._before: FrameTriplet | None = None

    def begin_part(self) -> None:
        """Take what follows for another part of the recording, with a gap before it."""
        self._part += 1
        self._before = None

    def feed(self, probe: FrameTriplet) -> None:
        """Take the next probe."""
        kind, changed = self._look_within(probe)
        if kind == STILL and self._before is not None:
            kind, later = self._look_back(probe.frames[0], self._before.frames[0])
            changed = np.maximum(changed, later) if kind == MOVING else changed
        difference = np.abs(probe.frames[-1] - probe.frames[0])
        resting = block_means(difference)[changed == 0]
        exact = float(np.mean(resting <= self.thresholds.exact_levels)) if resting.size else 0.0
        self._record.add((probe.time_s, kind, float(changed.mean()), exact, self._part))
        if kind == MOVING:
            self._changes += changed
        # What a dissolve or a cut leaves behind is nothing to compare with.
        self._before = None if kind == SKIPPED else probe

    def verdict(self) -> Verdict:
        """Return the verdict on all probes so far."""
        rows = self._record.rows
        if len(rows) < self.thresholds.least_probes:
            return unsure(NAME, "too-few-pictures", f"only {len(rows)} pictures to compare")
        kinds = _without_passages(rows[:, 1], rows[:, 4])
        if np.mean(kinds == SKIPPED) > self.thresholds.most_skipped:
            # Slides do not follow each other that fast: these are no cuts and dissolves.
            kinds = np.where(rows[:, 1] == SKIPPED, np.float32(MOVING), rows[:, 1])
        counted = rows[kinds != SKIPPED]
        moving = kinds[kinds != SKIPPED] == MOVING
        numbers = {
            "still_share": 1 - float(moving.mean()),
            "skipped_share": 1 - len(counted) / len(rows),
            "median_changed_area": float(np.median(counted[:, 2])),
            "unchanged_share": float(np.median(counted[:, 3])),
            "compact_share": self._compact_share(),
            "probes": float(len(counted)),
        }
        return self._judge(numbers)

    @property
    def motion(self) -> NDArray[np.float32]:
        """Rows (time in seconds, changed part of the picture) for the report."""
        return self._record.rows[:, [0, 2]]

    def _judge(self, numbers: dict[str, float]) -> Verdict:
        t = self.thresholds
        still_share = numbers["still_share"]
        overlay = (
            still_share < t.still_share
            and numbers["compact_share"] > t.overlay_share
            and numbers["median_changed_area"] < t.overlay_area
        )
        if overlay and numbers["unchanged_share"] > t.overlay_unchanged - t.overlay_doubt:
            sure = numbers["unchanged_share"] > t.overlay_unchanged
            detail = (
                f"all changes lie in one small window, {numbers['unchanged_share']:.1%} of the "
                "rest is unchanged: a sign on a photo"
            )
            reasons = ("photo-with-overlay", "photo-with-overlay")
            return judge(NAME, 0.75 if sure else 0.5, reasons, detail, numbers)
        probability = probability_above(still_share, t.still_share, t.still_softness)
        detail = (
            f"{still_share:.0%} of the picture pairs show no change but light or a motion of the "
            "whole"
        )
        return judge(NAME, probability, ("moving", "photo"), detail, numbers)

    def _look_within(self, probe: FrameTriplet) -> tuple[float, Blocks]:
        t = self.thresholds
        first, _, last = probe.frames
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
        passes = area > t.dissolve_area and self._is_dissolve_or_cut(probe.frames)
        return (SKIPPED if fades or passes else MOVING), changed

    def _is_light(self, source: Luma, target: Luma, changed: Blocks, most_levels: float) -> bool:
        """Tell whether blocks change a little and all the same way, as a coder follows a fade."""
        change = block_means(target - source)[changed == 1]
        brighter = float(np.mean(change > 0))
        agree = max(brighter, 1 - brighter) > self.thresholds.light_agreement
        return agree and float(np.quantile(np.abs(change), 0.95)) < most_levels

    def _light_changes(self, source: Luma, target: Luma) -> bool:
        return abs(float(source.mean() - target.mean())) > self.thresholds.light_levels

    def _is_dissolve_or_cut(self, frames: Luma) -> bool:
        """Tell whether the middle picture is the mean of its neighbours, or is one of them."""
        t = self.thresholds
        first, middle, last = frames
        whole = float(np.abs(last - first).mean())
        if float(np.abs(first - 2 * middle + last).mean()) < t.dissolve_bend * whole:
            return True
        return min(np.abs(middle - first).mean(), np.abs(last - middle).mean()) < t.cut_part * whole

    def _look_back(self, now: Luma, before: Luma) -> tuple[float, Blocks]:
        t = self.thresholds
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
        """Tell whether an affine motion leaves less than `least_area` unexplained."""
        moved, known = align(source, target, self.regions)
        # Resampling sharpens and softens by parts of a pixel; a slight blur makes that invisible.
        soft_moved, soft_target = (gaussian_filter(image, 0.7) for image in (moved, target))
        rest = changed_blocks(soft_moved, soft_target, levels, self.thresholds.texture_part)
        inside = block_means(known.astype(np.float32)) == 1
        return float((rest * inside).mean()) < least_area

    def _compact_share(self) -> float:
        """Return the largest part of all changes that one small window holds."""
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
    """Also skip what moves beside a cut or dissolve: its begin and end, the coder catching up."""
    passage = kinds == SKIPPED
    same_part = parts[1:] == parts[:-1]
    beside = np.zeros_like(passage)
    beside[1:] |= passage[:-1] & same_part
    beside[:-1] |= passage[1:] & same_part
    return np.where(beside & (kinds == MOVING), np.float32(SKIPPED), kinds)
