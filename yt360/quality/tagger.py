"""User-supplied audio taggers, loaded by import path.

A tagger is a function or a class that takes mono audio and returns the probabilities of audio
classes, for example a network trained on AudioSet. None is included. A module on the Python path
or in the current folder, such as ::

    # my_tagger.py
    class Tagger:
        sample_rate_hz = 32000
        def __call__(self, mono):            # float32 (S,), about 10 s, full scale at 1
            return {"Background music": 0.8, "Speech": 0.1}

is used with ``yt360 inspect --tagger my_tagger:Tagger``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np
import soxr
from numpy.typing import NDArray

from yt360.errors import UserError
from yt360.plugins import load_object

WINDOW_S = 10.0


@runtime_checkable
class AudioTagger(Protocol):
    """Detects classes in audio.

    Attributes:
        sample_rate_hz: Required sample rate.
    """

    sample_rate_hz: int

    def __call__(self, mono: NDArray[np.float32]) -> Mapping[str, float]:
        """Return the probability of each label in audio (S,)."""
        ...


@cache
def load_tagger(path: str) -> AudioTagger:
    """Import a tagger, once per process because it may be a large network.

    Args:
        path: ``"package.module:name"`` of a tagger, or of a class or function without arguments
            that returns one.

    Raises:
        UserError: The import fails, or the object is not a tagger.
    """
    found = load_object(path, "tagger")
    makes = isinstance(found, type) or not hasattr(found, "sample_rate_hz")
    try:
        tagger = found() if makes and callable(found) else found
    except Exception as error:
        raise UserError(
            f"cannot load tagger {path!r}: {_described(error)}", "dependency", path
        ) from error
    if not isinstance(tagger, AudioTagger):
        raise UserError(
            f"{path!r} is not a tagger; it must have sample_rate_hz and be callable", key=path
        )
    return tagger


class TagMeans:
    """Passes windows of a stream to a tagger and averages its probabilities.

    Args:
        tagger: The tagger.
        sample_rate_hz: Sample rate of the stream.
    """

    def __init__(self, tagger: AudioTagger, sample_rate_hz: int) -> None:
        self.tagger = tagger
        self.sample_rate_hz = sample_rate_hz
        self._resampler = soxr.ResampleStream(sample_rate_hz, tagger.sample_rate_hz, 1, "float32")
        self._rest = np.zeros(0, dtype=np.float32)
        self._sums: dict[str, float] = {}
        self._windows = 0

    def feed(self, w: NDArray[np.float32]) -> None:
        """Process the next samples of W (S,).

        Raises:
            UserError: The tagger fails, which is not an error of the recording.
        """
        resampled = self._resampler.resample_chunk(np.ascontiguousarray(w))
        self._rest = np.concatenate([self._rest, resampled])
        size = int(WINDOW_S * self.tagger.sample_rate_hz)
        while len(self._rest) >= size:
            self._tag(self._rest[:size])
            self._rest = self._rest[size:]

    def means(self) -> dict[str, float]:
        """Return the mean probability of each label; a short recording counts as one window."""
        if self._windows == 0 and len(self._rest):
            self._tag(self._rest)
        return {name: total / self._windows for name, total in self._sums.items()}

    def _tag(self, mono: NDArray[np.float32]) -> None:
        try:
            found = {name: float(value) for name, value in self.tagger(mono).items()}
        except Exception as error:
            raise UserError(
                f"the tagger fails: {_described(error)}", "dependency", "tagger"
            ) from error
        for name, probability in found.items():
            self._sums[name] = self._sums.get(name, 0.0) + probability
        self._windows += 1


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
