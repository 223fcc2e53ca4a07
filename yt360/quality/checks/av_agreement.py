"""Check that audio and video agree in direction, which settles the order and signs of channels.

A clear intensity vector gives the direction of a source, and motion in the video shows where a
source may be. For each moment (a frame triplet and the audio around it), the motion on the sphere
gives a density of sources, and the intensity vector one direction. With exchanged or inverted
channels (`yt360.quality.signal.channel_changes`), the directions are permuted or mirrored. The
check compares the likelihoods of all these explanations by Bayes' rule:

- A source is visible and moves with a fixed probability, and otherwise is anywhere: sources may be
  at rest or hidden, and silent objects move. Therefore a single moment never decides.
- Moments with one direction count as one moment. Only sources in several directions, or a moving
  source, distinguish permutations. Evidence is limited, because some errors, such as a microphone
  that is rotated relative to the camera, are the same at all moments of a long recording.
- Sources are rare high above and far below the horizon.
- If one channel is silent, it is usually Z: many recorders are horizontal.

The check also rotates the sound about the vertical axis, to find the rotation that agrees best with
the video, and the fraction of rotations that agree at least as well as none (``chance``).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from yt360.config import config_class
from yt360.media.layout.sound_field import FieldSegment
from yt360.media.video.equirect_lookup import equirect_lookup
from yt360.media.video.frame_triplets import FRAME_STEP_S, FrameTriplet
from yt360.media.video.projection import ResolvedProjection
from yt360.quality.checks.base import Capacity, Check, Fraction, Number, Part, Positive
from yt360.quality.signal import sphere_maps
from yt360.quality.signal.agreement import (
    Moments,
    MotionModel,
    SourceModel,
    independent_directions,
    motion_energy,
)
from yt360.quality.signal.channel_changes import AS_READ, CHANGES, FUMA_ORDER, ChannelChange
from yt360.quality.signal.timeline import Timeline
from yt360.quality.verdict import Verdict, judge, unsure

NAME = "av-agreement"
# 0.6 to 4.8 kHz: below, rooms and wind disturb the direction; above, spatial aliasing.
BANDS = slice(2, 5)
NUM_BANDS = BANDS.stop - BANDS.start
# Columns of a band: power of W, power of X, Y and Z together, intensity (x, y, z).
_COLUMNS = 5
# Pixels of an equirectangular image for each cell of a map, along both axes.
_OVERSAMPLING = 4

Array = NDArray[np.float64]


@config_class
class AvAgreementConfig:
    """Thresholds of the av-agreement check; angles in degrees, motion in gray levels."""

    needs: ClassVar[str] = "audio and video"
    rejects: ClassVar[bool] = False
    measuring: ClassVar[tuple[str, ...]] = (
        "window_s", "least_directness", "full_directness", "active_range_db", "silent_dbfs",
        "silent_axis_db", "noise_levels", "direction_error_deg", "common_motion", "usual_change",
        "new_motion_from", "new_motion_full", "new_motion_fraction", "visible_fraction",
        "source_elevation_deg", "source_elevation_spread_deg", "anywhere_fraction",
    )  # fmt: skip

    kind: str = NAME
    # Seconds before and after a frame triplet whose audio belongs to it. Fast vehicles move by 20°.
    window_s: Positive = 0.6
    # Norm of the mean intensity over its largest possible value, where a direction starts to count
    # and counts fully. Diffuse recordings have up to 0.25, visible sources 0.3 to 0.9.
    least_directness: Fraction = 0.3
    full_directness: Fraction = 0.6
    # Sum of the weights of moments that counts as a clear source.
    least_moments: Number = 1.5
    active_range_db: Positive = 20.0
    silent_dbfs: Number = -85.0
    # Power of an axis relative to the loudest one. Real channels without a signal have coding
    # noise at -33 dB and less; diffuse sound in a live channel is above -20 dB.
    silent_axis_db: Number = -25.0
    # Odds that a single silent axis is vertical: many recorders have no Z, none lacks X or Y.
    silent_is_vertical_odds: Number = 20.0
    # Coding noise between frames that move otherwise not.
    noise_levels: Positive = 0.15
    # Directions of recorded sources are within 7° (median) and 20° (nearly all) of the picture.
    direction_error_deg: Positive = 12.0
    common_motion: Fraction = 0.5
    usual_change: Fraction = 0.9
    # e^0.4 and e^1 times the mean motion of the place. Leaves and waves vary by e^0.3.
    new_motion_from: Number = 0.4
    new_motion_full: Number = 0.6
    new_motion_fraction: Fraction = 0.7
    # 17 of 19 visible sources of real recordings sound where they are seen; others sound unseen.
    visible_fraction: Fraction = 0.7
    # People, vehicles and water are around the horizon of a camera on a stand, few above 40°. Half
    # of the sources may be anywhere (organs, birds, the feet of who holds the camera), so that a
    # source at a pole alone makes a permutation four times as likely: too little against the prior.
    source_elevation_deg: Number = -5.0
    source_elevation_spread_deg: Positive = 25.0
    anywhere_fraction: Fraction = 0.5
    # Prior probabilities of W X Y Z, which is the order of older tools, and of all other changes.
    fuma_order_prior: Fraction = 0.03
    other_changes_prior: Fraction = 0.07
    # Errors that all moments have in common limit what many of them can tell.
    most_independent_moments: Positive = 6.0
    # Fraction of all turns of the sound that fit at least as well as none. A source 20° beside what
    # moves has up to 0.2, unrelated audio and video 0.5 on average.
    agreement_chance: Fraction = 0.25
    most_tiles: Capacity = 8192
    most_triplets: Capacity = 256

    def build(self) -> AvAgreementCheck:
        """Return the check; see `CheckConfig`."""
        return AvAgreementCheck(self)

    @property
    def motion_model(self) -> MotionModel:
        """The model of motion."""
        return MotionModel(
            noise=self.noise_levels,
            common=self.common_motion,
            usual=self.usual_change,
            new_from=self.new_motion_from,
            new_full=self.new_motion_full,
            new_fraction=self.new_motion_fraction,
            width=np.radians(self.direction_error_deg),
        )

    @property
    def source_model(self) -> SourceModel:
        """The model of sources."""
        return SourceModel(
            visible=self.visible_fraction,
            elevation=np.radians(self.source_elevation_deg),
            spread=np.radians(self.source_elevation_spread_deg),
            anywhere=self.anywhere_fraction,
        )

    def judge(
        self,
        numbers: Mapping[str, float],
        earlier: Mapping[str, Verdict],  # noqa: ARG002
    ) -> Verdict:
        """Return the verdict on the fits of sound and motion; see `CheckConfig`."""
        if numbers["moments"] < self.least_moments:
            detail = "no sound has a direction for long enough to compare with the picture"
            return unsure(NAME, "no-clear-source", detail)
        probabilities = self.probabilities(numbers)
        changed = {change: p for change, p in probabilities.items() if change is not AS_READ}
        best = max(changed, key=lambda change: changed[change])
        agrees = numbers["chance"] <= self.agreement_chance
        defect = 1 - probabilities[AS_READ]
        if defect > 0.5:
            detail = f"the sound fits the picture better if its channels are {best.description}"
        elif agrees:
            detail = f"sound and motion agree, best with a turn of {numbers['offset_deg']:+.0f}°"
        else:
            detail = "motion neither confirms nor contradicts the directions of the sound"
        return judge(
            NAME,
            defect,
            ("agrees" if agrees else "not-confirmed", best.reason),
            detail,
            {f"probability_{best.name}": changed[best]},
        )

    def probabilities(self, numbers: Mapping[str, float]) -> dict[ChannelChange, float]:
        """Return the posterior probability of each change of channels."""
        independent = min(numbers["independent_moments"], self.most_independent_moments)
        # A silent axis alone is no evidence: a scene may have no source in front or behind.
        silent_axis = int(numbers["silent_axis"]) if numbers["moving_fraction"] else 0
        logs = {}
        for change in CHANGES:
            logs[change] = log(self._prior(change)) + independent * numbers[f"fit_{change.name}"]
            if silent_axis and not _makes_vertical(change, silent_axis):
                logs[change] -= log(self.silent_is_vertical_odds)
        most = max(logs.values())
        total = sum(exp(value - most) for value in logs.values())
        return {change: exp(value - most) / total for change, value in logs.items()}

    def _prior(self, change: ChannelChange) -> float:
        if change is AS_READ:
            return 1 - self.fuma_order_prior - self.other_changes_prior
        if change is FUMA_ORDER:
            return self.fuma_order_prior
        return self.other_changes_prior / (len(CHANGES) - 2)


def _makes_vertical(change: ChannelChange, axis: int) -> bool:
    """Return whether an axis (1 to 3) that is read is the vertical one after a change."""
    return bool(change.matrix[2, axis - 1] != 0)


class AvAgreementCheck(Check):
    """Accumulates intensity vectors, and motion on the sphere for each frame triplet."""

    config: AvAgreementConfig

    def __init__(self, config: AvAgreementConfig) -> None:
        self.config = config
        self._sound = Timeline(config.most_tiles, 1 + NUM_BANDS * _COLUMNS)
        self._axis_power = np.zeros(3)
        # Time of the middle frame, number of the part, motion of each cell.
        cells = sphere_maps.ROWS * sphere_maps.COLUMNS
        self._motion = Timeline(config.most_triplets, 2 + cells)
        self._parts = 0
        self._projection: ResolvedProjection | None = None
        self._lookup: NDArray[np.intp] | None = None

    def begin_part(self, part: Part) -> None:
        """Start the next part; see `Check.begin_part`."""
        self._parts += 1
        found = part.projection
        self._projection = found if isinstance(found, ResolvedProjection) else None
        self._lookup = None

    def add_field(self, ambix: FieldSegment, stored: FieldSegment) -> None:  # noqa: ARG002
        """Process the next tile of audio."""
        covariance = ambix.covariance[BANDS].real
        power = np.einsum("bii->bi", covariance)
        xyz = [3, 1, 2]
        self._axis_power += power[:, xyz].sum(axis=0)
        bands = np.concatenate(
            [power[:, :1], power[:, 1:].sum(axis=1, keepdims=True), covariance[:, 0, xyz]], axis=1
        )
        middle_s = ambix.start_s + ambix.duration_s / 2
        self._sound.add(np.concatenate([[middle_s], bands.reshape(-1)]))

    def add_frames(self, frames: FrameTriplet) -> None:
        """Measure the motion of each cell of the sphere in the next triplet."""
        cells = sphere_maps.cell_means(self._equirectangular(motion_energy(frames.frames)))
        row = np.concatenate([[frames.time_s + FRAME_STEP_S, self._parts], cells.reshape(-1)])
        self._motion.add(row)

    def _equirectangular(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        found = self._projection
        if found is None or found.is_plain:
            return image
        if self._lookup is None:
            wanted = (sphere_maps.ROWS * _OVERSAMPLING, sphere_maps.COLUMNS * _OVERSAMPLING)
            self._lookup = equirect_lookup(found, image.shape, wanted)
        return np.asarray(image.reshape(-1)[self._lookup])

    def measure(self) -> dict[str, float] | None:
        """Return the fits of sound and motion, or None without a sound field or video.

        Returns:
            ``moments`` and ``independent_moments``: sum of the weights of moments, and number of
            different directions; ``directness``: their mean, in [0, 1]; ``sound_azimuth_deg`` and
            ``sound_elevation_deg`` (if Z is live) of the mean direction; ``offset_deg``: turn of
            the sound to the left that fits best, in (-180, 180], and ``offset_confidence`` in
            [0, 1]; ``chance``: fraction of all turns that fit at least as well as none;
            ``moving_fraction`` of the sphere; ``silent_axis``: 1 to 3 for X, Y, Z if one is silent,
            otherwise 0; ``fit_NAME``: mean logarithm of the density of sources for each change.
        """
        if not len(self._sound.rows) or not len(self._motion.rows):
            return None
        rows = self._motion.rows.astype(np.float64)
        energy = rows[:, 2:].reshape(-1, sphere_maps.ROWS, sphere_maps.COLUMNS)
        vectors, weights = self._directions(rows[:, 0])
        total = float(weights.sum())
        moving = sphere_maps.mean((energy > 2 * self.config.noise_levels).astype(float))
        numbers = {"moments": total, "moving_fraction": float(moving.mean())}
        if total <= 0:
            return numbers
        used = weights > 0
        norms = np.linalg.norm(vectors[used], axis=1)
        densities = self.config.motion_model.densities(energy, rows[:, 1])
        moments = Moments(
            vectors[used] / norms[:, None],
            weights[used] / total,
            np.repeat(densities, NUM_BANDS, axis=0)[used],
            self._silent_axes(),
        )
        return numbers | {"directness": float(norms @ moments.weights)} | self._fits(moments)

    def _fits(self, moments: Moments) -> dict[str, float]:
        t = self.config
        independent = independent_directions(
            moments.directions, moments.weights, np.radians(t.direction_error_deg)
        )
        turned = moments.turned_fits(t.source_model)
        turns = 2 * np.pi * np.arange(len(turned)) / len(turned)
        likelihood = np.exp(independent * (turned - turned.max()))
        mean = complex(likelihood @ np.exp(1j * turns) / likelihood.sum())
        x, y, z = moments.weights @ moments.directions
        silent = moments.silent_axes
        numbers = {
            "independent_moments": independent,
            "sound_azimuth_deg": float(np.degrees(np.arctan2(y, x))),
            "offset_deg": float(np.degrees(np.angle(mean))),
            "offset_confidence": abs(mean),
            "chance": float(np.mean(turned >= turned[0])),
            "silent_axis": float(np.argmax(silent) + 1) if silent.sum() == 1 else 0.0,
        }
        if not silent[2]:
            numbers["sound_elevation_deg"] = float(np.degrees(np.arctan2(z, np.hypot(x, y))))
        fits = {f"fit_{change.name}": moments.fit(change, t.source_model) for change in CHANGES}
        return numbers | fits

    def _silent_axes(self) -> NDArray[np.bool_]:
        level_db = 10 * np.log10(self._axis_power / max(self._axis_power.max(), 1e-20) + 1e-20)
        return np.asarray(level_db < self.config.silent_axis_db)

    def _directions(self, times_s: Array) -> tuple[Array, Array]:
        """Return the mean intensity (N * bands, 3) around times (N,), and its weight (N * bands,).

        Bands are separate, because different sources may dominate them. The intensity is divided by
        the powers of W and of X, Y and Z, so that neither their gains nor the spectrum matter; its
        norm is 1 for a single plane wave. The weights of a moment have the sum 1 or less.
        """
        t = self.config
        rows = self._sound.rows.astype(np.float64)
        bands = rows[:, 1:].reshape(-1, NUM_BANDS, _COLUMNS)
        level_db = 10 * np.log10(bands[:, :, :2].sum(axis=2) + 1e-15)
        floor = np.maximum(np.quantile(level_db, 0.95, axis=0) - t.active_range_db, t.silent_dbfs)
        active = np.clip((level_db - floor) / (t.active_range_db / 2), 0, 1)
        scale = np.sqrt(bands[:, :, 0] * bands[:, :, 1]) + 1e-15
        intensity = bands[:, :, 2:] * (active / scale)[:, :, None]
        apart_s = np.abs(rows[:, 0] - times_s[:, None])
        # Rows of a thinned series may be farther apart than the window.
        near = (apart_s <= np.maximum(t.window_s, apart_s.min(axis=1, keepdims=True))).astype(float)
        sounding = near @ active
        vectors = np.einsum("nt,tbi->nbi", near, intensity) / np.maximum(sounding, 1e-9)[..., None]
        directness = np.linalg.norm(vectors, axis=2)
        full = t.full_directness - t.least_directness
        weight = np.clip((directness - t.least_directness) / full, 0, 1)
        weight *= sounding / (NUM_BANDS * near.sum(axis=1, keepdims=True))
        return vectors.reshape(-1, 3), weight.reshape(-1)
