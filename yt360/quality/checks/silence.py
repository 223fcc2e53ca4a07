"""Is there sound? The level of W in each clip, with hysteresis.

W is the sound pressure: its mean square over a clip, in decibels relative to a square wave of full
scale (0 dBFS), is how loud the clip is. The paper keeps clips above a level that it does not
print; the one here is far below a quiet recording (a beach at -39, speech at -37) and above the
hiss of a microphone and the dither of an empty track.

A level that wanders around the threshold would cut a recording to shreds. Therefore a clip must be
clearly loud to begin a sounding stretch, and clearly silent to end one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from yt360.quality.thresholds import DEFAULTS, SilenceThresholds
from yt360.quality.verdict import Verdict, judge, probability_above, unsure

NAME = "silence"
_FLOOR_DBFS = -150.0


class SilenceTest:
    """Accumulates the power of W second by second (8 bytes a second), counted from time 0.

    Args:
        sample_rate_hz: Sampling rate of the stream.
        thresholds: See there.
        first_sample: Where on the file's clock, in samples, the stream begins. What lies between
            time 0 and a later begin is silence; what lies before time 0 is left out.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        thresholds: SilenceThresholds = DEFAULTS.silence,
        first_sample: int = 0,
    ) -> None:
        self.thresholds = thresholds
        self.sample_rate_hz = sample_rate_hz
        self._samples = max(first_sample, 0)
        self._first_second, self._open_samples = divmod(self._samples, sample_rate_hz)
        self._energies = [0.0] * self._first_second
        self._open_energy = 0.0
        self._early_samples = max(-first_sample, 0)

    def feed(self, w: NDArray[np.float32]) -> None:
        """Take the next samples of W (S,)."""
        early = min(self._early_samples, len(w))
        self._early_samples -= early
        w = w[early:]
        self._samples += len(w)
        while len(w):
            part = w[: self.sample_rate_hz - self._open_samples]
            self._open_energy += float(np.dot(part, part))
            self._open_samples += len(part)
            if self._open_samples == self.sample_rate_hz:
                self._energies.append(self._open_energy)
                self._open_energy, self._open_samples = 0.0, 0
            w = w[len(part) :]

    def verdict(self) -> Verdict:
        """Return the verdict on clips of the default length that lie end to end."""
        return silence_verdict(self.default_clips_dbfs(), thresholds=self.thresholds)

    def default_clips_dbfs(self) -> list[float]:
        """Return the levels of clips of the default length that lie end to end in the sound."""
        clip_s, first = self.thresholds.clip_s, self._first_second
        end = self._samples // self.sample_rate_hz
        if end - first < clip_s:
            seconds = -(-self._samples // self.sample_rate_hz) - first
            return self.clip_levels_dbfs([first], seconds) if seconds else []
        starts = range(first, int(end - clip_s) + 1, int(clip_s))
        return self.clip_levels_dbfs(list(starts), clip_s)

    def clip_levels_dbfs(self, starts_s: Sequence[int], clip_s: float) -> list[float]:
        """Return the level of W of each clip, -150 where there is no sound.

        Args:
            starts_s: Whole seconds of the file.
            clip_s: Length of every clip; what lies outside of the sound is silence.
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
        """Level of each second of the file from time 0 on, for the report."""
        mean = np.array(self._all_energies()) / self.sample_rate_hz
        return 10 * np.log10(np.maximum(mean, 1e-15))

    def _all_energies(self) -> list[float]:
        if self._open_samples == 0:
            return self._energies
        scale = self.sample_rate_hz / self._open_samples
        return [*self._energies, self._open_energy * scale]


def silence_verdict(
    *stretches_dbfs: Sequence[float], thresholds: SilenceThresholds = DEFAULTS.silence
) -> Verdict:
    """Return the verdict on clips with these levels.

    Args:
        stretches_dbfs: Of each stretch of clips that follow each other, in order of time.
        thresholds: See there.
    """
    levels_dbfs = [level for stretch in stretches_dbfs for level in stretch]
    if not levels_dbfs:
        return unsure(NAME, "too-little-sound", "there is no sound")
    sounding = [each for levels in stretches_dbfs for each in sounding_clips(levels, thresholds)]
    silent_share = 1 - float(np.mean(sounding))
    mean = float(np.mean(10 ** (np.array(levels_dbfs) / 10)))
    numbers = {
        "level_dbfs": 10 * float(np.log10(mean)),
        "silent_share": silent_share,
        "loudest_clip_dbfs": max(levels_dbfs),
        "quietest_clip_dbfs": min(levels_dbfs),
        "clips": float(len(levels_dbfs)),
    }
    detail = f"{silent_share:.0%} of the clips are silent; W is at {numbers['level_dbfs']:.1f} dBFS"
    probability = probability_above(
        silent_share, thresholds.silent_share, thresholds.silent_softness
    )
    return judge(NAME, probability, ("sounding", "silent"), detail, numbers)


def sounding_clips(
    levels_dbfs: Sequence[float], thresholds: SilenceThresholds = DEFAULTS.silence
) -> list[bool]:
    """Return which clips, in order of time, are not silent.

    Above `open_dbfs` a clip sounds, below `close_dbfs` it does not; between the two it does what
    the clip before it does (the first one: what its nearer threshold says).
    """
    middle = (thresholds.open_dbfs + thresholds.close_dbfs) / 2
    state = bool(levels_dbfs) and levels_dbfs[0] >= middle
    result = []
    for level in levels_dbfs:
        if level >= thresholds.open_dbfs:
            state = True
        elif level < thresholds.close_dbfs:
            state = False
        result.append(state)
    return result
