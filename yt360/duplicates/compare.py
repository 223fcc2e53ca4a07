"""Align two recordings and decide what they have in common.

Panoramas that agree after a rotation about the vertical axis show the same place. Motion and audio
show whether it is the same moment: two cuts of a tripod recording have the same background but
different motion, so they are not the same footage.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from yt360.duplicates import audio, picture
from yt360.duplicates.alignment import (
    Overlap,
    best_lag,
    correlation,
    local_correlation,
    longest_run,
)
from yt360.duplicates.config import DedupConfig
from yt360.duplicates.fingerprint import Fingerprint
from yt360.duplicates.kinds import Kind

_MOMENTS = 8
_SMOOTHED_S = 1.0
_AUDIO_WINDOW_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Match:
    """What two recordings have in common.

    Attributes:
        kind: See `yt360.duplicates.kinds`.
        score: Confidence in [0, 1]: `place` for the same place, otherwise the larger one of
            `motion` and `audio`.
        start_a_s: Second of the first video at which the common part starts.
        start_b_s: Second of the second video.
        duration_s: Length of the common part.
        yaw_deg: Rotation of the second relative to the first, counter-clockwise seen from above.
        place: Correlation of the panoramas in [-1, 1].
        motion: Correlation of the motion; None if the common part is too short.
        audio: Correlation of the audio; None without audio.
    """

    kind: Kind
    score: float
    start_a_s: float
    start_b_s: float
    duration_s: float
    yaw_deg: float
    place: float
    motion: float | None
    audio: float | None


class Comparable:
    """A recording with what comparisons derive from its fingerprint."""

    def __init__(self, fingerprint: Fingerprint) -> None:
        self.fingerprint = fingerprint
        self.start_s = fingerprint.facts.start_s

    @cached_property
    def frames(self) -> picture.Coefficients:
        """Coefficients of the frames."""
        return picture.coefficients(self.fingerprint.grids)

    @cached_property
    def unit_frames(self) -> picture.Coefficients:
        """Frames of unit norm."""
        return picture.unit(self.frames)

    @cached_property
    def motion(self) -> NDArray[np.float32]:
        """Changes from frame to frame."""
        return picture.motion(self.frames)

    @cached_property
    def audio(self) -> NDArray[np.float32]:
        """Features of the audio."""
        return self.fingerprint.features.astype(np.float32)


@dataclass(frozen=True)
class _Audio:
    """The common audio: its overlap in features, and its correlation."""

    overlap: Overlap
    score: float

    @property
    def lag_s(self) -> float:
        return (self.overlap.a - self.overlap.b) / audio.FPS


@dataclass(frozen=True)
class _Picture:
    """The common picture: its overlap in frames, turn, and correlations."""

    overlap: Overlap
    yaw: float
    place: float
    motion: float | None


def compare(
    a: Comparable, b: Comparable, moments: NDArray[np.int64], config: DedupConfig
) -> Match | None:
    """Return what two recordings have in common; None if nothing.

    Args:
        a: One recording.
        b: The other one.
        moments: Numbers (N, 2) of frames that may show the same.
        config: Thresholds.
    """
    common = _common_audio(a, b, config)
    found = _common_picture(a, b, moments, common, config)
    heard = None if common is None else round(common.score, 4)
    if found is None:
        if common is None or common.score < config.min_audio:
            return None
        overlap, fps, place, yaw, moved = common.overlap, audio.FPS, 0.0, 0.0, None
        kind: Kind = "same-audio"
    else:
        overlap, fps, place, yaw = found.overlap, picture.FPS, found.place, found.yaw
        moved = found.motion
        long_enough = overlap.length >= config.min_match_s * fps
        if common is not None:
            # Audio tells the moment only where both agree on the offset.
            apart_s = abs((overlap.a - overlap.b) / fps - common.lag_s)
            heard = heard if apart_s <= 1.5 / picture.FPS else _audio_at(a, b, overlap)
        moves = moved is not None and moved >= config.min_motion
        sounds = heard is not None and heard >= config.min_audio
        kind = "same-footage" if long_enough and (moves or sounds) else "same-place"
    by_moment = max(moved or 0.0, heard or 0.0)
    return Match(
        kind=kind,
        score=round(min(max(place if kind == "same-place" else by_moment, 0.0), 1.0), 4),
        start_a_s=round(a.start_s + overlap.a / fps, 2),
        start_b_s=round(b.start_s + overlap.b / fps, 2),
        duration_s=round(overlap.length / fps, 2),
        yaw_deg=round(float(np.degrees(yaw)), 1),
        place=round(place, 4),
        motion=None if moved is None else round(moved, 4),
        audio=heard,
    )


def _common_audio(a: Comparable, b: Comparable, config: DedupConfig) -> _Audio | None:
    """Return the longest common audio, or the overlap that agrees best; None if it is too short."""
    window, least = round(_AUDIO_WINDOW_S * audio.FPS), round(config.min_match_s * audio.FPS)
    lag = best_lag(a.audio, b.audio, least)
    if lag is None:
        return None
    overlap = Overlap.at(lag, len(a.audio), len(b.audio))
    agrees = local_correlation(*overlap.of(a.audio, b.audio), window) >= config.min_audio
    start, length = longest_run(agrees)
    if length:
        overlap = overlap.part(start, length + window - 1)
    return _Audio(overlap, correlation(*overlap.of(a.audio, b.audio)))


def _audio_at(a: Comparable, b: Comparable, frames: Overlap) -> float | None:
    """Return the correlation of the audio of an overlap of frames; None without audio."""
    ratio = audio.FPS / picture.FPS
    part = Overlap(round(frames.a * ratio), round(frames.b * ratio), round(frames.length * ratio))
    parts = part.of(a.audio, b.audio)
    length = min(map(len, parts))
    if not length:
        return None
    return round(correlation(parts[0][:length], parts[1][:length]), 4)


def _common_picture(
    a: Comparable,
    b: Comparable,
    moments: NDArray[np.int64],
    common: _Audio | None,
    config: DedupConfig,
) -> _Picture | None:
    """Return the common picture; None if the two do not show the same place."""
    lag_of_audio = None
    if common is not None and common.score >= config.min_audio:
        lag_of_audio = round(common.lag_s * picture.FPS)
        overlap = Overlap.at(lag_of_audio, len(a.frames), len(b.frames))
        steps = np.linspace(0, overlap.length - 1, _MOMENTS).astype(int)
        if overlap.length:
            aligned = np.stack([overlap.a + steps, overlap.b + steps], axis=1)
            moments = np.concatenate([aligned, moments])
    if not len(moments):
        return None
    scores, yaws = picture.best_turn(a.unit_frames[moments[:, 0]], b.unit_frames[moments[:, 1]])
    best = int(scores.argmax())
    if scores[best] < config.min_place:
        return None
    yaw = float(yaws[best])
    least = round(config.min_match_s * picture.FPS)
    # The audio is the better clock: what moves may repeat itself.
    lags = [] if lag_of_audio is None else [lag_of_audio - 1, lag_of_audio, lag_of_audio + 1]
    found = [each for each in _at_lags(a, b, yaw, lags, config) if each.overlap.length >= least]
    if not found:
        lag = best_lag(a.motion, picture.motion(picture.turned(b.frames, -yaw)), max(least - 3, 1))
        found = list(_at_lags(a, b, yaw, [] if lag is None else [lag], config))
    if found:
        return max(found, key=lambda each: (each.motion or 0.0, each.place))
    moment = Overlap(int(moments[best, 0]), int(moments[best, 1]), 1)
    return _Picture(moment, yaw, float(scores[best]), None)


def _at_lags(
    a: Comparable, b: Comparable, yaw: float, lags: Sequence[int], config: DedupConfig
) -> Iterator[_Picture]:
    """Yield the longest common picture at offsets in frames."""
    if not lags:
        return
    turned = picture.turned(b.unit_frames, -yaw)
    moving = picture.motion(picture.turned(b.frames, -yaw))
    least = round(config.min_match_s * picture.FPS)
    window = round(_SMOOTHED_S * picture.FPS)
    for lag in lags:
        overlap = Overlap.at(lag, len(a.frames), len(b.frames))
        frames_a, frames_b = overlap.of(a.unit_frames, turned)
        places = (frames_a.conj() * frames_b).real.sum((1, 2))
        if len(places) < window:
            continue
        smoothed = np.convolve(places, np.ones(window) / window, "valid")
        start, length = longest_run(smoothed >= config.min_place)
        if not length:
            continue
        part = overlap.part(start, length + window - 1)
        place = float(places[start : start + part.length].mean())
        moved = None
        if part.length >= least:
            changes = Overlap(part.a, part.b, part.length - 3)
            moved = correlation(*changes.of(a.motion, moving))
        yield _Picture(part, yaw, place, moved)
