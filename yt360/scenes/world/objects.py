"""Objects of a scene: their classes, positions, and the directions that they cover."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from yt360.scenes.audio.voices import SoundSource
from yt360.scenes.world.classes import SceneClass
from yt360.scenes.world.motion import Motion

Array = NDArray[np.floating]

FLASH_HOLD_S = 0.07
FLASH_DECAY_S = 0.09
FLASH_GROWTH = 0.16


@dataclass(frozen=True, eq=False)
class SceneObject:
    """One object of a scene.

    Attributes:
        kind: Its class.
        motion: Its path.
        radius: Angular radius at rest, radians.
        distance_m: Distance from the camera; nearer objects hide farther ones.
        hue_shift: Offset to the hue of its class, in turns.
        facing: 1 or -1: whether its look is mirrored.
        spin: Angular rate of its moving parts (ball, clock hands, wings), rad/s.
        tilt: (2,) amplitude in radians and frequency in Hz of its sway about the centre.
        flashing: Whether it glows and grows with its onsets.
        level_db: Level relative to other sources.
        source: Its sound source; None for a silent object.
    """

    kind: SceneClass
    motion: Motion
    radius: float
    distance_m: float
    hue_shift: float
    facing: int
    spin: float
    tilt: tuple[float, float]
    flashing: bool
    level_db: float
    source: SoundSource | None

    @property
    def onsets(self) -> Array:
        """Times (M,) in seconds at which its events begin; none for a silent object."""
        return self.source.onsets if self.source is not None else np.zeros(0)

    def flash(self, times: Array) -> Array:
        """Return the flash intensity (T,) at `times`, 0 to 1.

        The flash lasts for a frame after each onset, then fades.
        """
        times = np.asarray(times, dtype=np.float64)
        onsets = self.onsets
        if not self.flashing or not len(onsets):
            return np.zeros_like(times)
        last = np.searchsorted(onsets, times, side="right") - 1
        since = times - onsets[np.maximum(last, 0)]
        fading = np.exp(-np.maximum(since - FLASH_HOLD_S, 0) / FLASH_DECAY_S)
        return np.where(last >= 0, fading, 0.0)

    def radius_at(self, times: Array) -> Array:
        """Return the angular radius (T,) at `times`, radians."""
        return self.radius * (1 + FLASH_GROWTH * self.flash(times))


def object_plane(
    right: NDArray[np.float32], up: NDArray[np.float32], ahead: NDArray[np.float32], radius: Array
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the position x, y of directions in an object's plane, in units of its radius.

    The distance from the origin is the great-circle angle from the object's centre (azimuthal
    equidistant projection), so a disc in the plane is a round cap on the sphere.

    Args:
        right: (n,) component of unit vectors along the object's right.
        up: (n,) component along its up.
        ahead: (n,) component along its direction.
        radius: Its angular radius, radians; a number or (n,).
    """
    sine = np.sqrt(right * right + up * up)
    angle = np.arctan2(sine, ahead)
    scale: NDArray[np.float32] = (angle / np.maximum(sine, 1e-12) / radius).astype(np.float32)
    return right * scale, up * scale
