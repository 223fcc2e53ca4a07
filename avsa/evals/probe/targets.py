"""Targets of probes: the ground truth of synthetic scenes for each view of a sample.

Shapes: N samples, K views of a sample, S sources of a scene.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from yt360.clips import parse_key
from yt360.errors import UserError
from yt360.scenes.collection import SceneCollection
from yt360.scenes.world.scene import Scene
from yt360.sphere import azimuth_elevation, view_rotation

Values = NDArray[Any]
TARGETS = ("place", "source", "visible_source", "azimuth", "elevation", "count")
"""Names of all targets (`scene_targets`)."""


@dataclass(frozen=True)
class Target:
    """A value of each view, which a probe predicts.

    Attributes:
        values: (N, K) classes, or angles in radians.
        is_angle: Whether they are angles.
        views: bool (N, K), the views in which it is defined.
    """

    values: Values
    is_angle: bool
    views: NDArray[np.bool_]


def scenes_of(known: SceneCollection, keys: Sequence[str]) -> dict[str, Scene]:
    """Return the scene of each video of clips, by video id.

    Args:
        known: The scenes from which the clips were cut.
        keys: Keys of the clips.

    Raises:
        UserError: A clip is not from one of the scenes.
    """
    scenes: dict[str, Scene] = {}
    for key in keys:
        name = parse_key(key)[0]
        if name not in known:
            raise UserError(
                f"the clip {key} is not from a scene of {known.path}; give the --scenes from which "
                "the dataset was built",
                "conflict",
                "--scenes",
            )
        if name not in scenes:
            scenes[name] = known.scene(name)
    return scenes


def scene_targets(
    scenes: Mapping[str, Scene],
    keys: Sequence[str],
    times_s: Sequence[float],
    directions: Tensor,
    fov: Tensor,
) -> dict[str, Target]:
    """Return the targets of views by name: of the scene, and of the source nearest to each view.

    ``place`` and ``count`` (of sources) are those of the scene. ``source`` is the class of the
    source nearest to the centre of the view, ``visible_source`` the same, but only of views in
    which its centre lies; ``azimuth`` and ``elevation`` are its direction in the coordinates of the
    view.

    Args:
        scenes: From `scenes_of`.
        keys: Clip of each sample.
        times_s: Time of each sample in its clip.
        directions: (N, K, 3) centres of the views.
        fov: (N, K, 2) horizontal and vertical fields of view, radians.
    """
    found = [
        _of_sample(scenes[parse_key(key)[0]], parse_key(key)[1] + time_s, centres)
        for key, time_s, centres in zip(keys, times_s, directions.double(), strict=True)
    ]
    place, count, source, local = (np.stack(column) for column in zip(*found, strict=True))
    azimuth, elevation = (angle.numpy() for angle in azimuth_elevation(torch.from_numpy(local)))
    everywhere = np.ones(source.shape, bool)
    return {
        "place": Target(place, False, everywhere),
        "source": Target(source, False, everywhere),
        "visible_source": Target(source, False, is_inside(local, fov.double().numpy())),
        "azimuth": Target(azimuth, True, everywhere),
        "elevation": Target(elevation, True, everywhere),
        "count": Target(count, False, everywhere),
    }


def _of_sample(scene: Scene, time_s: float, centres: Tensor) -> tuple[Values, ...]:
    """Return place (K,), count (K,), and class (K,) and direction (K, 3) of the nearest source."""
    sounding, views = scene.sounding, len(centres)
    towards = torch.from_numpy(scene.directions(np.array([time_s]))[0][sounding])
    nearest = (centres @ towards.T).argmax(-1)
    names = np.array([item.kind.name for item in scene.objects])[sounding]
    local = view_rotation(*azimuth_elevation(centres)) @ towards[nearest, :, None]
    return (
        np.full(views, scene.place.name),
        np.full(views, len(names)),
        names[nearest.numpy()],
        local[..., 0].numpy(),
    )


def is_inside(local: Values, fov: Values) -> NDArray[np.bool_]:
    """Return whether directions (..., 3) in view coordinates lie in fields of view (..., 2)."""
    ahead = local[..., :1]
    return np.all((ahead > 0) & (np.abs(local[..., 1:]) <= ahead * np.tan(fov / 2)), axis=-1)
