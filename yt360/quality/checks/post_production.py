"""Detect audio that was mixed over the recording, by missing direction or by camera rotation.

In the recording of a microphone every source has a direction: where W has power, X, Y and Z have a
corresponding power (see `spatial_audio`). A voice-over or music is usually mixed into W alone, or
as stereo into W and Y, so the tiles that it dominates have too much W. Reverberation and
interference change the ratio of single tiles by a few decibels in both directions, and less that of
two consecutive tiles (half a second), whereas a mix lowers it further. The check therefore counts
the fraction of such pairs that are 4 dB below the ratio of the field.

When the camera rotates, the sound field rotates with the image. A source whose direction stays
constant is fixed to the camera: it was mixed in, or it is the person who holds the camera. The two
cases are indistinguishable, so this criterion alone is never certain.

An audio tagger (`yt360.quality.tagger`) may add the classes of the audio.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from yt360.config import config_class
from yt360.media.layout.sound_field import NUM_BANDS, FieldSegment
from yt360.media.video.frame_triplets import FrameTriplet
from yt360.quality.checks import spatial_audio
from yt360.quality.checks.base import AudioBlock, Check, Fraction, Part
from yt360.quality.signal.statistics import weighted_quantile
from yt360.quality.signal.timeline import Timeline
from yt360.quality.signal.turning import LEAST_CORRELATION, azimuth_shift
from yt360.quality.tagger import TagMeans, load_tagger
from yt360.quality.verdict import Outcome, Verdict, judge, probability_above, unsure

NAME = "post-production"

Array = NDArray[np.float64]

# Columns of a band: power of W, power of X, Y and Z, power of Y, width.
_COLUMNS = 4


@config_class
class PostProductionConfig:
    """Thresholds of the post-production check; ratios are (X²+Y²+Z²)/W² in decibels."""

    needs: ClassVar[str] = "audio"
    rejects: ClassVar[bool] = False

    kind: str = NAME
    tagger: str | None = None
    """Import path of an audio tagger, ``package.module:name``."""
    # Sound fields have at most 1.4 % of their half seconds below this; a voice-over during a third
    # of the time at the level of the scene has 7 % and more.
    excess_db: float = 4.0
    excess_fraction: Fraction = 0.032
    excess_softness: float = 0.012
    # The overall ratio of real recordings is up to 1.5 dB below the ideal one.
    least_field_db: float = -1.5
    # Stereo in W and Y does not change X and Z; a voice in W changes none of X, Y and Z.
    lateral_fraction: Fraction = 0.6
    # Smaller turns are within the error of directions in reverberant rooms.
    least_turn: float = 0.35
    least_turns: float = 6.0
    least_directed: float = 0.1
    direction_window_s: float = 1.0
    # The person who holds the camera rotates with it too; see above.
    fixed_certainty: Fraction = 0.75
    # AudioSet classes of studio audio.
    tags: tuple[str, ...] = (
        "Background music", "Theme music", "Jingle (music)", "Soundtrack music", "Video game music",
        "Narration, monologue",
    )  # fmt: skip
    tag_certainty: Fraction = 0.7
    active_range_db: float = 25.0
    silent_dbfs: float = -85.0
    least_width: float = 3.0
    least_tiles: float = 6.0
    most_tiles: int = 8192
    most_triplets: int = 8192

    def build(self) -> PostProductionCheck:
        """Return the check; see `CheckConfig`."""
        return PostProductionCheck(self)


class PostProductionCheck(Check):
    """Accumulates tiles of ambiX, and rotations of the camera in equirectangular video."""

    def __init__(self, config: PostProductionConfig) -> None:
        self.config = config
        self._pairs = Timeline(config.most_tiles, NUM_BANDS * _COLUMNS)
        self._first_of_pair: Array | None = None
        # Time, and horizontal intensity (x, y) summed over the bands.
        self._directions = Timeline(config.most_tiles, 3)
        # Time before, time after, change of the azimuth of the image.
        self._turns = Timeline(config.most_triplets, 3)
        # Reference frame, with which later frames are compared until the camera has turned enough.
        self._reference: FrameTriplet | None = None
        self._is_equirectangular = True
        self._tagger = load_tagger(config.tagger) if config.tagger else None
        self._tags: TagMeans | None = None

    def begin_part(self, part: Part) -> None:
        """Start the next part; see `Check.begin_part`."""
        self._first_of_pair = None
        self._reference = None
        self._is_equirectangular = part.kind == "equirectangular"

    def add_audio(self, block: AudioBlock) -> None:
        """Pass W to the tagger, if any."""
        if self._tagger is not None:
            self._tags = self._tags or TagMeans(self._tagger, block.sample_rate_hz)
            self._tags.feed(block.w)

    def add_field(self, ambix: FieldSegment, stored: FieldSegment) -> None:  # noqa: ARG002
        """Process the next tile of audio."""
        covariance = ambix.covariance
        power = np.real(np.einsum("bii->bi", covariance))
        total = power[:, 1:].sum(axis=1)
        self._add_to_pair(np.stack([power[:, 0], total, power[:, 1], ambix.width], 1).reshape(-1))
        # Division by the power of W weights bands by their directivity instead of their level.
        intensity = covariance[:, 0, [3, 1]].real / (power[:, :1] + 1e-12)
        x, y = intensity.sum(axis=0)
        self._directions.add((ambix.start_s + ambix.duration_s / 2, x, y))

    def add_frames(self, frames: FrameTriplet) -> None:
        """Measure the rotation of the camera since the reference frame."""
        if not self._is_equirectangular:
            return
        if self._reference is not None:
            angle, correlation = azimuth_shift(self._reference.small[0], frames.small[0])
            if correlation > LEAST_CORRELATION:
                if abs(angle) < self.config.least_turn:
                    return
                self._turns.add((self._reference.time_s, frames.time_s, angle))
        self._reference = frames

    def verdict(self, earlier: Mapping[str, Verdict]) -> Verdict | None:
        """Return the verdict on all input so far; None for audio that is not a sound field."""
        spatial = earlier.get(spatial_audio.NAME)
        if (
            spatial is not None
            and spatial.outcome is Outcome.NOT_OK
            and spatial.reason not in spatial_audio.CONVERTIBLE
        ):
            return None
        t = self.config
        tags = self._tags.means() if self._tags else {}
        numbers = self._excess()
        if numbers["tiles"] < t.least_tiles:
            return unsure(NAME, "too-little-sound", "there is too little audio to tell")
        numbers |= self._follows_camera()
        excess = probability_above(numbers["excess_w_share"], t.excess_fraction, t.excess_softness)
        fixed = 0.0
        if numbers["turns"] >= t.least_turns:
            fixed = t.fixed_certainty * probability_above(-numbers["follows_picture"], 0.0, 0.15)
        numbers["fixed_probability"] = fixed
        tagged = max((tags.get(name, 0.0) for name in t.tags), default=0.0)
        numbers |= {f"tag {name}": value for name, value in sorted(tags.items())}
        probability = max(excess, fixed, t.tag_certainty * tagged)
        reason, detail = self._why(numbers, excess, probability)
        return judge(NAME, probability, ("recorded", reason), detail, numbers)

    def _why(self, numbers: dict[str, float], excess: float, probability: float) -> tuple[str, str]:
        if excess == probability:
            stereo = numbers["excess_lateral_share"] > self.config.lateral_fraction
            kind = "stereo-overlay" if stereo else "w-overlay"
            too_little = f"{numbers['excess_w_share']:.1%} of the audio"
            return kind, f"{too_little} has too little direction for a sound field"
        if numbers["fixed_probability"] == probability:
            detail = f"directions ignore {numbers['turns']:.0f} turns of the camera"
            return "fixed-direction", detail
        return "tagged", "the audio tagger hears music or narration"

    def _add_to_pair(self, row: Array) -> None:
        if self._first_of_pair is None:
            self._first_of_pair = row
        else:
            self._pairs.add((self._first_of_pair + row) / 2)
            self._first_of_pair = None

    def _excess(self) -> dict[str, float]:
        """Return the fraction of loud pairs with too much W, and their lateral energy."""
        t = self.config
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

    def _follows_camera(self) -> dict[str, float]:
        """Return how much better directions agree if rotated with the camera than if not.

        1: they follow rotations of 180°; 0: undecided; negative: they ignore rotations.
        """
        t = self.config
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
        near = np.abs(directions[:, 0] - time_s) < self.config.direction_window_s
        if not near.any():
            return 0j
        x, y = directions[near, 1:].mean(axis=0) / NUM_BANDS
        return complex(x, y)
