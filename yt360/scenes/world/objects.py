"""Objects of a scene: what each is, where it is, and which directions it covers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        distance_m: From the camera; nearer objects hide farther ones.
        hue_shift: Added to the hue of its class, in turns.
        facing: 1 or -1: whether its look is mirrored.
        spin: Rate of its own clock (turning ball, clock's hands, wings), rad/s.
        tilt: (2,) amplitude in radians and frequency in Hz of a swaying about its middle.
        sounding: Whether it is a source of sound.
        flashing: Whether it glows and grows with the onsets of its sound.
        onsets: (M,) moments in seconds at which events of its sound begin; empty if silent.
        period_s: Mean time between onsets, 0 if silent.
        pitch: Factor on the frequencies of its voice.
        level_db: Level relative to other sources.
    """

    kind: SceneClass
    motion: Motion
    radius: float
    distance_m: float
    hue_shift: float
    facing: int
    spin: float
    tilt: tuple[float, float]
    sounding: bool
    flashing: bool
    onsets: Array
    period_s: float
    pitch: float
    level_db: float

    def flash(self, times: Array) -> Array:
        """Return how strongly (T,) the object flashes at `times`, 0 to 1.

        It holds full strength for a frame's time after each onset, then fades.
        """
        times = np.asarray(times, dtype=np.float64)
        if not self.flashing or not len(self.onsets):
            return np.zeros_like(times)
        last = np.searchsorted(self.onsets, times, side="right") - 1
        since = times - self.onsets[np.maximum(last, 0)]
        fading = np.exp(-np.maximum(since - FLASH_HOLD_S, 0) / FLASH_DECAY_S)
        return np.where(last >= 0, fading, 0.0)

    def radius_at(self, times: Array) -> Array:
        """Return the angular radius (T,) at `times`, radians."""
        return self.radius * (1 + FLASH_GROWTH * self.flash(times))


def object_plane(
    right: NDArray[np.float32], up: NDArray[np.float32], ahead: NDArray[np.float32], radius: Array
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the place x, y of directions in an object's plane, in units of its radius.

    The distance from the origin is the great-circle angle from the object's middle (azimuthal
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
