"""The level of W per second and per clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from yt360.clips import DEFAULT_CLIP_S

_FLOOR_DBFS = -150.0


class LevelMeter:
    """Accumulates the power of W per second from time 0 (8 bytes per second).

    Levels are mean squares in decibels relative to a full-scale square wave (0 dBFS).

    Args:
        sample_rate_hz: Sample rate of the stream.
        first_sample: Index of the first sample relative to time 0. Time before a later start counts
            as silence; samples before time 0 are ignored.
    """

    def __init__(self, sample_rate_hz: int, first_sample: int = 0) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._samples = max(first_sample, 0)
        self._first_second, self._open_samples = divmod(self._samples, sample_rate_hz)
        self._energies = [0.0] * self._first_second
        self._open_energy = 0.0
        self._early_samples = max(-first_sample, 0)

    def feed(self, w: NDArray[np.float32]) -> None:
        """Process the next samples of W (S,)."""
        early = min(self._early_samples, len(w))
        self._early_samples -= early
        w = w[early:]
        self._samples += len(w)
        while len(w):
            piece = w[: self.sample_rate_hz - self._open_samples]
            self._open_energy += float(np.dot(piece, piece))
            self._open_samples += len(piece)
            if self._open_samples == self.sample_rate_hz:
                self._energies.append(self._open_energy)
                self._open_energy, self._open_samples = 0.0, 0
            w = w[len(piece) :]

    def default_clips_dbfs(self) -> list[float]:
        """Return the levels of consecutive clips of the default length."""
        first, end = self._first_second, self._samples // self.sample_rate_hz
        if end - first < DEFAULT_CLIP_S:
            seconds = -(-self._samples // self.sample_rate_hz) - first
            return self.clip_levels_dbfs([first], seconds) if seconds else []
        starts = range(first, end - DEFAULT_CLIP_S + 1, DEFAULT_CLIP_S)
        return self.clip_levels_dbfs(starts, DEFAULT_CLIP_S)

    def clip_levels_dbfs(self, starts_s: Sequence[int], clip_s: float) -> list[float]:
        """Return the level of W in each clip; -150 without audio.

        Args:
            starts_s: Start times in whole seconds.
            clip_s: Duration of each clip; time outside the audio is silent.
        """
        sums = np.concatenate([[0.0], np.cumsum(self._all_energies())])
        samples = clip_s * self.sample_rate_hz
        last = len(sums) - 1
        levels = []
        for start in starts_s:
            begin, end = min(max(start, 0), last), min(start + int(np.ceil(clip_s)), last)
            mean = (sums[end] - sums[begin]) / samples
            levels.append(max(10 * float(np.log10(max(mean, 1e-15))), _FLOOR_DBFS))
        return levels

    @property
    def levels_dbfs(self) -> NDArray[np.float64]:
        """Level of each second of the file from time 0 on."""
        mean = np.array(self._all_energies()) / self.sample_rate_hz
        return 10 * np.log10(np.maximum(mean, 1e-15))

    def _all_energies(self) -> list[float]:
        if self._open_samples == 0:
            return self._energies
        scale = self.sample_rate_hz / self._open_samples
        return [*self._energies, self._open_energy * scale]
