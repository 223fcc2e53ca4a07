"""Measure windows of a recording: the power that its sound adds to the channels, speech, and tags.

Windows are spread evenly, so the cost per recording is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt360.quality.checks.base import AudioBlock, Part
from yt360.quality.signal.added_sound import Moments
from yt360.quality.signal.statistics import weighted_quantile
from yt360.quality.signal.windows import SpreadWindows, Window
from yt360.quality.speech import FRAME_S, LABEL
from yt360.quality.tagger import WINDOW_S, AudioTagger, tag

TAG = "tag "
"""Prefix of the names of the numbers of taggers."""
_MOST_OFF_LATERAL = 10.0
# A recording may be shorter than a window.
_LEAST_WINDOW_S = 1.0

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ListeningOptions:
    """How windows are measured.

    Attributes:
        most_windows: Maximum number of windows of the first file of a recording; the second gets
            half as many, the third a third, and every one at least one.
        speech_probability: Probability from which a moment is speech.
        least_speech_s: Minimum duration of speech in a window of which its direction is measured.
        rising_bands: Thirds of an octave in which the added sound must dominate.
        lateral_bands: Thirds of an octave in which it must be on the left-right axis.
        fraction: Fraction of the time (of the speech) with the least direction that is reported.
    """

    most_windows: int
    speech_probability: float
    least_speech_s: float
    rising_bands: int
    lateral_bands: int
    fraction: float


class Listener:
    """Measures windows of a recording, file by file.

    Args:
        options: How windows are measured.
        taggers: Networks to ask about each window. If two give the same label, the last counts.
    """

    def __init__(self, options: ListeningOptions, taggers: list[AudioTagger]) -> None:
        self.options = options
        self.taggers = taggers
        self._parts = 0
        self._windows = self._spread(0.0, 0.0)
        self._added_db: list[float] = []
        # Per window with speech: its duration, and what it adds.
        self._spoken: list[tuple[float, float, float]] = []
        # Per window: times and probabilities of speech.
        self._speech: list[tuple[Array, Array]] = []
        # Per tagger: probabilities of each label in each window.
        self._tags: list[dict[str, list[float]]] = [{} for _ in taggers]

    def begin_part(self, part: Part) -> None:
        """Start the next file."""
        self._finish()
        self._parts += 1
        if part.audio is not None:
            start_s, end_s = part.audio.start_s, part.audio.end_s
            self._windows = self._spread(part.start_s + start_s, end_s - start_s)

    def feed(self, block: AudioBlock) -> None:
        """Process the next block of audio, if it has W, Y, Z and X."""
        if len(block.samples) >= 4:
            for window in self._windows.feed(block.samples[:4], block.sample_rate_hz):
                self._hear(window)

    def numbers(self) -> dict[str, float]:
        """Return the measurements on all files so far.

        ``added_db``: what the sound adds to X, Y and Z relative to W, in the windows where it is
        least. ``speech_share``: share of the time; ``speech_added_db`` and ``speech_off_lateral``:
        see `yt360.quality.signal.added_sound`.
        """
        self._finish()
        fraction = self.options.fraction
        numbers: dict[str, float] = {}
        if self._added_db:
            numbers["added_db"] = float(np.quantile(self._added_db, fraction))
        if self._speech:
            heard = np.concatenate([values for _, values in self._speech])
            numbers["speech_share"] = float(np.mean(heard > self.options.speech_probability))
        if self._spoken:
            speech_s, added_db, off_lateral = np.array(self._spoken).T
            numbers["speech_added_db"] = weighted_quantile(added_db, speech_s, fraction)
            numbers["speech_off_lateral"] = weighted_quantile(off_lateral, speech_s, fraction)
        for tags in self._tags:
            numbers |= {TAG + name: float(np.mean(values)) for name, values in tags.items()}
        return numbers

    @property
    def hears_speech(self) -> bool:
        """Whether a tagger has told when there is speech."""
        return bool(self._speech)

    def is_speech(self, times_s: Array) -> NDArray[np.bool_]:
        """Return whether there is speech at `times_s`; False between windows."""
        probability = np.zeros(len(times_s))
        for window_s, values in self._speech:
            inside = (times_s >= window_s[0] - FRAME_S) & (times_s <= window_s[-1] + FRAME_S)
            probability[inside] = np.interp(times_s[inside], window_s, values)
        return probability > self.options.speech_probability

    def _spread(self, start_s: float, duration_s: float) -> SpreadWindows:
        most = max(self.options.most_windows // max(self._parts, 1), 1)
        return SpreadWindows(WINDOW_S, most, start_s, duration_s)

    def _finish(self) -> None:
        for window in self._windows.finish():
            self._hear(window)

    def _hear(self, window: Window) -> None:
        if window.duration_s < _LEAST_WINDOW_S:
            return
        moments = Moments(window.samples, window.sample_rate_hz)
        always = np.ones(len(moments.times_s), dtype=bool)
        self._added_db.append(moments.added(always).undirected_db(self.options.rising_bands))
        for tagger, tags in zip(self.taggers, self._tags, strict=True):
            for name, values in tag(tagger, window).items():
                tags.setdefault(name, []).append(float(values.mean()))
                if name == LABEL and len(values) > 1:
                    self._hear_speech(window, values, moments)

    def _hear_speech(self, window: Window, probability: Array, moments: Moments) -> None:
        """Measure what speech adds to a window, given its probability over time."""
        options = self.options
        inside_s = (np.arange(len(probability)) + 0.5) * window.duration_s / len(probability)
        self._speech.append((window.start_s + inside_s, probability))
        heard = np.interp(moments.times_s, inside_s, probability) > options.speech_probability
        if not heard.any():
            return
        speech_s = float(heard.mean()) * window.duration_s
        if speech_s >= options.least_speech_s:
            added = moments.added(heard)
            off_lateral = min(added.off_lateral(options.lateral_bands), _MOST_OFF_LATERAL)
            self._spoken.append((speech_s, added.undirected_db(options.rising_bands), off_lateral))
