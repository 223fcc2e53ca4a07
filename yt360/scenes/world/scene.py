"""A scene, and its ground truth at any time and in any direction."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from yt360.randomness import keyed_generator
from yt360.scenes.video.places import Place
from yt360.scenes.world.motion import Axes, upright_axes
from yt360.scenes.world.objects import SceneObject, object_plane
from yt360.scenes.world.parameters import SceneParameters
from yt360.scenes.world.pools import Pool, scene_key

Array = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Scene:
    """A synthetic 360° scene.

    Attributes:
        name: Its file stem.
        seed: Seed of the collection.
        index: Number of the scene in the collection.
        parameters: Parameters that it was sampled from.
        place: The background.
        objects: Sources, lookalikes and distractors, the sources first.
        reverberation_s: Reverberation time, 0 for none.
        yaw: Rotation of the whole scene about the vertical axis, radians, counter-clockwise from
            above.
    """

    name: str
    seed: int
    index: int
    parameters: SceneParameters
    place: Place
    objects: tuple[SceneObject, ...]
    reverberation_s: float = 0.0
    yaw: float = 0.0

    @property
    def class_ids(self) -> NDArray[np.uint8]:
        """Return the panoptic class (N,) of each object."""
        return np.array([item.kind.number for item in self.objects], dtype=np.uint8)

    @property
    def sounding(self) -> NDArray[np.bool_]:
        """Return which objects (N,) are sources."""
        return np.array([item.source is not None for item in self.objects], dtype=bool)

    @property
    def turn(self) -> NDArray[np.float64]:
        """Return the rotation matrix (3, 3) of `yaw`; place and room are described before it."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])

    def generator(self, *purpose: int | str) -> np.random.Generator:
        """Return the random generator of one part of this scene."""
        return keyed_generator(*scene_key(self.seed, self.index, self.parameters.pool), *purpose)

    @property
    def pool(self) -> Pool:
        """Return the pool that its instances are drawn from."""
        return Pool(self.parameters.pool, self.parameters.instances)

    def turned(self, yaw: float) -> Scene:
        """Return the scene rotated about the vertical axis by `yaw` radians, video and audio."""
        return replace(self, yaw=self.yaw + yaw)

    def axes_of(self, item: SceneObject, times: Array) -> Axes:
        """Return the axes (T, 3) of an object at `times` in seconds, with its swaying."""
        azimuth, elevation = item.motion.angles(times)
        axes = upright_axes(azimuth + self.yaw, elevation)
        tilt = item.tilt[0] * np.sin(2 * np.pi * item.tilt[1] * np.asarray(times))
        cos, sin = np.cos(tilt)[..., None], np.sin(tilt)[..., None]
        right, up = cos * axes.right + sin * axes.up, cos * axes.up - sin * axes.right
        return Axes(axes.forward, item.facing * right, up)

    def directions(self, times: Array) -> Array:
        """Return the unit vectors (T, N, 3) towards all objects at `times` (T,) in seconds."""
        times = np.asarray(times, dtype=np.float64)
        paths = [self.axes_of(item, times).forward for item in self.objects]
        return np.stack(paths, axis=1) if paths else np.zeros((len(times), 0, 3))

    def class_at(self, directions: Array, time_s: float) -> NDArray[np.uint8]:
        """Return the class that is visible in each direction, exact at any resolution.

        Args:
            directions: (..., 3) unit vectors.
            time_s: Time in the scene.

        Returns:
            Panoptic class numbers (...) as in `yt360.scenes.world.classes`.
        """
        flat = np.asarray(directions, dtype=np.float32).reshape(-1, 3)
        classes = self.background_classes(flat)
        for item in self.back_to_front():
            inside = np.flatnonzero(self._inside(item, flat, time_s))
            classes[inside] = item.kind.number
        return classes.reshape(np.shape(directions)[:-1])

    def background_classes(self, directions: Array) -> NDArray[np.uint8]:
        """Return the class (...) of the background in directions (..., 3)."""
        flat = np.asarray(directions, dtype=np.float32).reshape(-1, 3)
        return self.place.classes(flat @ self.turn.astype(np.float32)).reshape(
            np.shape(directions)[:-1]
        )

    def back_to_front(self) -> list[SceneObject]:
        """Return the objects in the order in which they are painted."""
        return sorted(self.objects, key=lambda item: -item.distance_m)

    def paint_background(self, directions: Array, pixel: float) -> NDArray[np.float32]:
        """Return the colours (..., 3) in [0, 1] of the background; `pixel` is a pixel's angle."""
        flat = np.asarray(directions, dtype=np.float32).reshape(-1, 3)
        return self.place.paint(flat @ self.turn.astype(np.float32), pixel).reshape(
            np.shape(directions)
        )

    def _inside(
        self, item: SceneObject, directions: NDArray[np.float32], time_s: float
    ) -> NDArray[np.bool_]:
        times = np.array([time_s])
        axes = self.axes_of(item, times)
        radius = item.radius_at(times)[0]
        ahead = directions @ axes.forward[0].astype(np.float32)
        inside = ahead > np.cos(min(1.1 * radius, np.pi))
        near = directions[inside]
        x, y = object_plane(
            near @ axes.right[0].astype(np.float32),
            near @ axes.up[0].astype(np.float32),
            ahead[inside],
            radius,
        )
        inside[inside] = item.kind.look.outline(x, y) < 0
        return inside
