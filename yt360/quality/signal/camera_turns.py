"""Whether the direction of audio follows the image when the camera turns.

In a recording, the sound field turns with the image. A source whose direction stays the same in all
turns is fixed to the camera.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yt360.media.video.frame_triplets import FrameTriplet
from yt360.quality.signal.timeline import Timeline
from yt360.quality.signal.turning import LEAST_CORRELATION, azimuth_shift

Array = NDArray[np.float64]


class CameraTurns:
    """Collects the turns of the camera in equirectangular video, and directions of the audio.

    Args:
        least_turn: Smallest turn that counts, in radians.
        least_directed: Least length of a direction, in [0, 1]: 1 is a plane wave.
        window_s: Directions up to this long before and after a frame are averaged.
        most_directions: Maximum number of directions that are kept.
        most_turns: Maximum number of turns that are kept.
    """

    def __init__(
        self,
        least_turn: float,
        least_directed: float,
        window_s: float,
        most_directions: int,
        most_turns: int,
    ) -> None:
        self._least_turn, self._least_directed = least_turn, least_directed
        self._window_s = window_s
        # Time, x, y.
        self._directions = Timeline(most_directions, 3)
        # Time before, time after, change of the azimuth of the image.
        self._turns = Timeline(most_turns, 3)
        # Later frames are compared with this one until the camera has turned enough.
        self._reference: FrameTriplet | None = None
        self._is_equirectangular = True

    def begin_part(self, is_equirectangular: bool) -> None:
        """Start the next part of the video; other projections show no turns."""
        self._reference = None
        self._is_equirectangular = is_equirectangular

    def add_direction(self, time_s: float, x: float, y: float) -> None:
        """Add the horizontal intensity of the audio at a time, relative to its power."""
        self._directions.add((time_s, x, y))

    def add_frames(self, frames: FrameTriplet) -> None:
        """Measure the turn of the camera since the reference frame."""
        if not self._is_equirectangular:
            return
        if self._reference is not None:
            angle, correlation = azimuth_shift(self._reference.small[0], frames.small[0])
            if correlation > LEAST_CORRELATION:
                if abs(angle) < self._least_turn:
                    return
                self._turns.add((self._reference.time_s, frames.time_s, angle))
        self._reference = frames

    @property
    def directions(self) -> Array:
        """Rows (time in seconds, x, y)."""
        return self._directions.rows.astype(np.float64)

    def followed_by(self, directions: Array) -> dict[str, float]:
        """Return how much better directions agree if they are turned with the camera than if not.

        Args:
            directions: Some rows of `directions`.

        Returns:
            ``turns``, the number of turns, and ``follows_picture``. 1: directions follow turns of
            180°; 0: undecided; negative: they ignore turns.
        """
        gain, weights, turns = 0.0, 0.0, 0
        for before_s, after_s, angle in self._turns.rows:
            before = self._direction_near(directions, float(before_s))
            after = self._direction_near(directions, float(after_s))
            weight = abs(before) * abs(after)
            if weight < self._least_directed**2:
                continue
            change = float(np.angle(after * np.conj(before)))
            gain += weight * float(np.cos(change - angle) - np.cos(change))
            weights += weight * (1 - np.cos(angle))
            turns += 1
        return {"turns": float(turns), "follows_picture": gain / weights if weights else 0.0}

    def _direction_near(self, directions: Array, time_s: float) -> complex:
        near = np.abs(directions[:, 0] - time_s) < self._window_s
        if not near.any():
            return 0j
        x, y = directions[near, 1:].mean(axis=0)
        return complex(x, y)
