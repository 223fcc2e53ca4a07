"""Windows of a stream, for processing that is too slow for all of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """A part of a stream.

    Attributes:
        start_s: Time of the first sample.
        samples: (C, S).
        sample_rate_hz: Sample rate.
    """

    start_s: float
    samples: NDArray[np.float32]
    sample_rate_hz: int

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return self.samples.shape[1] / self.sample_rate_hz


class SpreadWindows:
    """Cuts a stream into consecutive windows and returns some of them, evenly spread.

    Args:
        window_s: Duration of a window. What remains at the end is a window if it is at least half
            as long, or the only one.
        most: Maximum number of windows returned.
        start_s: Time of the first sample.
        duration_s: Duration of the stream, from which the spread follows.
    """

    def __init__(self, window_s: float, most: int, start_s: float, duration_s: float) -> None:
        self.window_s = window_s
        self.start_s = start_s
        self._stride = max(ceil(duration_s / window_s / most), 1)
        self._number = 0
        self._blocks: list[NDArray[np.float32]] = []
        self._sample_rate_hz = 0
        self._samples = 0

    def feed(self, samples: NDArray[np.float32], sample_rate_hz: int) -> Iterator[Window]:
        """Add the next samples (C, S) and yield the windows that are complete."""
        self._sample_rate_hz = sample_rate_hz
        size = round(self.window_s * sample_rate_hz)
        while samples.shape[1]:
            part = samples[:, : size - self._samples]
            samples = samples[:, part.shape[1] :]
            self._samples += part.shape[1]
            if self._number % self._stride == 0:
                self._blocks.append(part)
            if self._samples == size:
                yield from self._end()

    def finish(self) -> Iterator[Window]:
        """Yield what remains at the end of the stream."""
        held_s = self._samples / max(self._sample_rate_hz, 1)
        if held_s >= self.window_s / 2 or (self._number == 0 and held_s > 0):
            yield from self._end()

    def _end(self) -> Iterator[Window]:
        blocks, self._blocks = self._blocks, []
        start_s = self.start_s + self._number * self.window_s
        self._number += 1
        self._samples = 0
        if blocks:
            yield Window(start_s, np.concatenate(blocks, axis=1), self._sample_rate_hz)
