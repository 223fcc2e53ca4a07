"""Was sound laid over the recording? What has no direction, or one that ignores the picture.

A microphone in a scene gives every sound a direction: where there is power in W, X, Y and Z have
their share of it (see `spatial_audio`). A narrator or music that was mixed in afterwards is
usually put into W alone, or as stereo into W and Y: tiles that it rules have too much W. Reverb and
interference move the ratio of single tiles both ways by a few decibels, and less that of two in a
row, half a second; laid-over sound moves it only downwards and further. So the part of such pairs
that lies 4 dB below the field's own ratio is counted.

When the camera turns, what it hears turns with what it sees. A direction that stays where it is
while the picture turns belongs to something that is fixed to the head: mixed in, or the one who
holds the camera. The second cannot be told from the first by physics, so this alone never makes
the answer certain.

An audio tagger (`tagger`) may add what kind of sound it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yt360.media.layout.sound_field import NUM_BANDS, FieldSegment
from yt360.media.video.frame_triplets import FrameTriplet
from yt360.quality.signal.statistics import weighted_quantile
from yt360.quality.signal.timeline import Timeline
from yt360.quality.signal.turning import LEAST_CORRELATION, azimuth_shift
from yt360.quality.thresholds import DEFAULTS, PostProductionThresholds
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "post-production"

Array = NDArray[np.float64]

# Columns of a band: power of W, power of X, Y and Z, power of Y, width.
_COLUMNS = 4


class PostProductionTest:
    """Accumulates tiles of true ambiX, and probes of an equirectangular picture if there is one."""

    def __init__(self, thresholds: PostProductionThresholds = DEFAULTS.post_production) -> None:
        self.thresholds = thresholds
        self._pairs = Timeline(thresholds.most_tiles, NUM_BANDS * _COLUMNS)
        self._first_of_pair: Array | None = None
        # Time, and the sum of horizontal intensity over the bands (x, y).
        self._directions = Timeline(thresholds.most_tiles, 3)
        # Time before and after, growth of the azimuth of what is seen.
        self._turns = Timeline(thresholds.most_probes, 3)
        # What later pictures are compared with, until the camera has turned far enough.
        self._reference: FrameTriplet | None = None

    def begin_part(self) -> None:
        """Take what follows for another part of the recording, with a gap before it."""
        self._first_of_pair = None
        self._reference = None

    def feed(self, tile: FieldSegment) -> None:
        """Take the next tile of sound; its time is on the same clock as those of pictures."""
        covariance = tile.covariance
        power = np.real(np.einsum("bii->bi", covariance))
        total = power[:, 1:].sum(axis=1)
        self._add_to_pair(np.stack([power[:, 0], total, power[:, 1], tile.width], 1).reshape(-1))
        # Dividing by the power of W makes each band count by how directed it is, not how loud.
        intensity = covariance[:, 0, [3, 1]].real / (power[:, :1] + 1e-12)
        x, y = intensity.sum(axis=0)
        self._directions.add((tile.start_s + tile.duration_s / 2, x, y))

    def feed_picture(self, probe: FrameTriplet) -> None:
        """Take the next probe of an equirectangular picture."""
        if self._reference is not None:
            angle, correlation = azimuth_shift(self._reference.frames[0], probe.frames[0])
            if correlation > LEAST_CORRELATION:
                if abs(angle) < self.thresholds.least_turn:
                    return
                self._turns.add((self._reference.time_s, probe.time_s, angle))
        self._reference = probe

    def verdict(self, tags: dict[str, float] | None = None) -> Verdict:
        """Return the verdict on everything so far.

        Args:
            tags: Mean probability of each label of an audio tagger, if one listened.
        """
        t = self.thresholds
        numbers = self._excess()
        if numbers["tiles"] < t.least_tiles:
            return unsure(NAME, "too-little-sound", "there is too little sound to tell")
        numbers |= self._follows_picture()
        excess = probability_above(numbers["excess_w_share"], t.excess_share, t.excess_softness)
        fixed = 0.0
        if numbers["turns"] >= t.least_turns:
            fixed = t.fixed_certainty * probability_above(-numbers["follows_picture"], 0.0, 0.15)
        numbers["fixed_probability"] = fixed
        tagged = max((tags or {}).get(name, 0.0) for name in (*t.tags, ""))
        numbers |= {f"tag {name}": value for name, value in sorted((tags or {}).items())}
        probability = max(excess, fixed, t.tag_certainty * tagged)
        reason, detail = self._why(numbers, excess, probability)
        return judge(NAME, probability, ("recorded", reason), detail, numbers)

    def _why(self, numbers: dict[str, float], excess: float, probability: float) -> tuple[str, str]:
        share = numbers["excess_w_share"]
        if excess == probability:
            stereo = numbers["excess_lateral_share"] > self.thresholds.lateral_share
            kind = "stereo-overlay" if stereo else "w-overlay"
            detail = f"{share:.1%} of the sound has too little direction for a field"
            return kind, detail
        if numbers["fixed_probability"] == probability:
            detail = f"directions ignore {numbers['turns']:.0f} turns of the picture"
            return "fixed-direction", detail
        return "tagged", "the audio tagger hears music or narration"

    def _add_to_pair(self, row: Array) -> None:
        if self._first_of_pair is None:
            self._first_of_pair = row
        else:
            self._pairs.add((self._first_of_pair + row) / 2)
            self._first_of_pair = None

    def _excess(self) -> dict[str, float]:
        """Return which part of the loud pairs has too much W, and how lateral the rest of it is."""
        t = self.thresholds
        rows = self._pairs.rows.reshape(-1, NUM_BANDS, _COLUMNS).astype(np.float64)
        if not len(rows):
            return {"tiles": 0.0}
        level = 10 * np.log10(rows[:, :, :2].sum(axis=2) + 1e-15)
        floor = np.maximum(np.quantile(level, 0.95, axis=0) - t.active_range_db, t.silent_dbfs)
        weight = np.clip((level - floor) / (t.active_range_db / 2), 0, 1)
        weight *= rows[:, :, 3] >= t.least_width
        ratio_db = 10 * np.log10((rows[:, :, 1] + 1e-15) / (rows[:, :, 0] + 1e-15))
        total = float(weight.sum())
        if total == 0:
            return {"tiles": 0.0}
        field_db = min(max(weighted_quantile(ratio_db, weight, 0.75), t.least_field_db), 0.0)
        excess = ratio_db < field_db - t.excess_db
        lateral, directed = (weight * excess)[..., None].reshape(-1), rows.reshape(-1, _COLUMNS)
        power = directed[:, :3] / (directed[:, :2].sum(axis=1, keepdims=True) + 1e-15)
        return {
            "tiles": total,
            "field_db": field_db,
            "excess_w_share": float((weight * excess).sum()) / total,
            "excess_lateral_share": float(
                (lateral * power[:, 2]).sum() / ((lateral * power[:, 1]).sum() + 1e-9)
            ),
        }

    def _follows_picture(self) -> dict[str, float]:
        """Return how much better directions agree when turned with the picture than when not.

        1: they follow turns of half a circle; 0: undecided; negative: they ignore the turns.
        """
        t = self.thresholds
        directions = self._directions.rows.astype(np.float64)
        gain, weights, turns = 0.0, 0.0, 0
        for before_s, after_s, angle in self._turns.rows:
            before = self._direction_near(directions, float(before_s))
            after = self._direction_near(directions, float(after_s))
            weight = abs(before) * abs(after)
            if weight < t.least_directed**2:
                continue
            change = float(np.angle(after * np.conj(before)))
            gain += weight * float(np.cos(change - angle) - np.cos(change))
            weights += weight * (1 - np.cos(angle))
            turns += 1
        return {"turns": float(turns), "follows_picture": gain / weights if weights else 0.0}

    def _direction_near(self, directions: Array, time_s: float) -> complex:
        near = np.abs(directions[:, 0] - time_s) < self.thresholds.direction_window_s
        if not near.any():
            return 0j
        x, y = directions[near, 1:].mean(axis=0) / NUM_BANDS
        return complex(x, y)
