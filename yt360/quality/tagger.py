"""Audio taggers: networks that detect classes of audio in a window.

A tagger is a function or a class that takes mono audio and returns the probabilities of audio
classes. `yt360.quality.speech` has one for speech. For others, for example a network trained on
AudioSet, a module on the Python path or in the current folder, such as ::

    # my_tagger.py
    class Tagger:
        sample_rate_hz = 32000
        def __call__(self, mono):            # float32 (S,), about 10 s, full scale at 1
            return {"Background music": 0.8, "Narration, monologue": 0.1}

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
from yt360.quality.signal.windows import Window

WINDOW_S = 10.0
"""Duration of the windows that taggers get."""


@runtime_checkable
class AudioTagger(Protocol):
    """Detects classes in audio.

    Attributes:
        sample_rate_hz: Required sample rate.
    """

    sample_rate_hz: int

    def __call__(self, mono: NDArray[np.float32]) -> Mapping[str, float | NDArray[np.floating]]:
        """Return the probability of each label in audio (S,): one, or several over time (N,)."""
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


def tag(tagger: AudioTagger, window: Window) -> dict[str, NDArray[np.float64]]:
    """Return the probabilities of each label in the first channel of a window, (N,) over time.

    Raises:
        UserError: The tagger fails, which is not an error of the recording.
    """
    mono = soxr.resample(window.samples[0], window.sample_rate_hz, tagger.sample_rate_hz)
    try:
        return {
            name: np.asarray(values, dtype=np.float64).reshape(-1)
            for name, values in tagger(mono).items()
        }
    except Exception as error:
        raise UserError(f"the tagger fails: {_described(error)}", "dependency", "tagger") from error


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
