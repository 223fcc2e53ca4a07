"""Targets of probes: the ground truth of scenes or labelled clips for each view of a sample.

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
from yt360.scenes.directions import LabelledDirections, label_vectors
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


@dataclass(frozen=True)
class Truth:
    """What is heard in a sample.

    Attributes:
        classes: Class of each source, (S,).
        directions: (S, 3) float64, unit vectors towards the sources.
        place: The place; empty if it is not known.
    """

    classes: NDArray[np.str_]
    directions: Tensor
    place: str = ""


def scene_targets(
    scenes: Mapping[str, Scene],
    keys: Sequence[str],
    times_s: Sequence[float],
    directions: Tensor,
    fov: Tensor,
) -> dict[str, Target]:
    """Return the targets of views of scenes; see `view_targets`.

    Args:
        scenes: From `scenes_of`.
        keys: Clip of each sample.
        times_s: Time of each sample in its clip.
        directions: (N, K, 3) centres of the views.
        fov: (N, K, 2) horizontal and vertical fields of view, radians.
    """
    truths = [
        _of_scene(scenes[parse_key(key)[0]], parse_key(key)[1] + time_s)
        for key, time_s in zip(keys, times_s, strict=True)
    ]
    return view_targets(truths, directions, fov)


def label_targets(
    labels: LabelledDirections,
    keys: Sequence[str],
    times_s: Sequence[float],
    directions: Tensor,
    fov: Tensor,
) -> dict[str, Target]:
    """Return the targets of views of labelled clips, without places; see `scene_targets`."""
    truths = []
    for key, time_s in zip(keys, times_s, strict=True):
        found = labels.labels(key, time_s)
        classes = np.array([str(each.class_number) for each in found], dtype=str)
        truths.append(Truth(classes, label_vectors(found)))
    return view_targets(truths, directions, fov)


def view_targets(truths: Sequence[Truth], directions: Tensor, fov: Tensor) -> dict[str, Target]:
    """Return the targets of views by name: of the sample, and of the source nearest to each view.

    ``place`` and ``count`` (of sources) are those of the sample. ``source`` is the class of the
    source nearest to the centre of the view, ``visible_source`` the same, but only of views in
    which its centre lies; ``azimuth`` and ``elevation`` are its direction in the coordinates of the
    view. Those of a source are defined where there is one.

    Args:
        truths: What is heard in each sample.
        directions: (N, K, 3) centres of the views.
        fov: (N, K, 2) horizontal and vertical fields of view, radians.
    """
    found = [
        _of_sample(truth, centres)
        for truth, centres in zip(truths, directions.double(), strict=True)
    ]
    place, count, source, local = (np.stack(column) for column in zip(*found, strict=True))
    azimuth, elevation = (angle.numpy() for angle in azimuth_elevation(torch.from_numpy(local)))
    heard, everywhere = count > 0, np.ones(count.shape, bool)
    visible = heard & is_inside(local, fov.double().numpy())
    return {
        "place": Target(place, False, place != ""),
        "source": Target(source, False, heard),
        "visible_source": Target(source, False, visible),
        "azimuth": Target(azimuth, True, heard),
        "elevation": Target(elevation, True, heard),
        "count": Target(count, False, everywhere),
    }


def _of_scene(scene: Scene, time_s: float) -> Truth:
    sounding = scene.sounding
    names = np.array([item.kind.name for item in scene.objects])[sounding]
    towards = torch.from_numpy(scene.directions(np.array([time_s]))[0][sounding])
    return Truth(names, towards, scene.place.name)


def _of_sample(truth: Truth, centres: Tensor) -> tuple[Values, ...]:
    """Return place (K,), count (K,), and class (K,) and direction (K, 3) of the nearest source."""
    views, count = len(centres), len(truth.classes)
    if count:
        nearest = (centres @ truth.directions.T).argmax(-1)
        towards = truth.directions[nearest, :, None]
        local = (view_rotation(*azimuth_elevation(centres)) @ towards)[..., 0].numpy()
        source = truth.classes[nearest.numpy()]
    else:
        local, source = np.zeros((views, 3)), np.full(views, "")
    return np.full(views, truth.place), np.full(views, count), source, local


def is_inside(local: Values, fov: Values) -> NDArray[np.bool_]:
    """Return whether directions (..., 3) in view coordinates lie in fields of view (..., 2)."""
    ahead = local[..., :1]
    return np.all((ahead > 0) & (np.abs(local[..., 1:]) <= ahead * np.tan(fov / 2)), axis=-1)
