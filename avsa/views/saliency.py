"""Maps over the sphere that say where it is worth looking: loud, moving, or labelled places.

A guide makes such a map of a sample: (20, 40), equirectangular, non-negative. Loaders ask it in
their threads, so guiding costs the training process nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from avsa.data.remote.mirror import is_mirror
from avsa.views.sampling import ViewConfig
from yt360.ambisonics.transforms import energy_map
from yt360.errors import BadItem, UserError, did_you_mean
from yt360.labels.classes import NAMES, NUM_CLASSES, NUM_THINGS, number_of
from yt360.labels.format.reader import LabelReader
from yt360.shards.format.reader import ShardReader

ROWS = 20
# A first-order beam is so wide that its power hardly varies; this exponent makes peaks of it.
SHARPNESS = 4.0

Map: TypeAlias = NDArray[np.float64]
# Makes the map of (key of the clip, second of the first frame, luma (T, H, W), sound (4, S)).
Guide: TypeAlias = Callable[[str, float, Tensor, Tensor], Map]


def open_guide(views: ViewConfig, clips: ShardReader) -> Guide | None:
    """Return the guide of a sampler of views, or None for those that follow none.

    Args:
        views: Its sampler, and which labels it follows.
        clips: The split that is read.

    Raises:
        UserError: The dataset has no such labels, or classes have unknown names.
    """
    if views.sampler == "energy":
        return lambda key, time_s, luma, sound: sound_energy(sound)  # noqa: ARG005
    if views.sampler == "motion":
        return lambda key, time_s, luma, sound: picture_motion(luma)  # noqa: ARG005
    if views.sampler == "labels":
        if is_mirror(clips.dataset):
            raise UserError(
                "views.sampler=labels needs label shards on this machine; copy the dataset here, "
                "or choose another sampler"
            )
        return LabelGuide(
            LabelReader(clips.dataset, clips.split, views.label_set), views.label_classes
        )
    return None


def sound_energy(sound: Tensor) -> Map:
    """Return how loud each direction is, (20, 40), from 0 (the quietest one) to 1.

    Args:
        sound: ambiX (4, S), int16 or float.
    """
    power = energy_map(sound.to(torch.float64), ROWS, 2 * ROWS)
    power = power - power.min()
    return (power / power.max().clamp(min=1e-12)).pow(SHARPNESS).numpy()


def picture_motion(luma: Tensor) -> Map:
    """Return how much the picture changes at each place, (20, 40), mean grey levels a frame.

    Noise of the codec, the median change over the sphere, is taken off.

    Args:
        luma: (T, H, W) uint8; a single frame does not move.
    """
    if len(luma) < 2:
        return np.zeros((ROWS, 2 * ROWS))
    frames = luma.to(torch.float32)
    change = (frames[1:] - frames[:-1]).abs().mean(0)
    pooled = _pooled(change)
    return (pooled - pooled.median()).clamp(min=0).numpy()


class LabelGuide:
    """Where objects of some classes are, by the labels of the clips.

    Args:
        labels: Of the split that is read.
        classes: Names of the classes; none for all things.

    Raises:
        UserError: A name is unknown.
    """

    def __init__(self, labels: LabelReader, classes: tuple[str, ...] = ()) -> None:
        self.labels = labels
        self._wanted = np.zeros(NUM_CLASSES + 1, dtype=bool)
        self._wanted[_numbers(classes)] = True

    def __call__(self, key: str, time_s: float, luma: Tensor, sound: Tensor) -> Map:  # noqa: ARG002
        """Return the share of each place, (20, 40), that shows such objects; 0 without labels."""
        try:
            maps = self.labels.read(key).joint
        except BadItem:
            return np.zeros((ROWS, 2 * ROWS))
        nearest = min(round(time_s * self.labels.info.fps), len(maps) - 1)
        return _pooled(torch.from_numpy(self._wanted[maps[nearest]]).float()).numpy()


def _numbers(names: tuple[str, ...]) -> list[int]:
    numbers = [number_of(name) for name in names]
    for name, number in zip(names, numbers, strict=True):
        if number is None:
            raise UserError(
                f"views.label_classes: unknown class {name!r}{did_you_mean(name, NAMES)}"
            )
    return [number for number in numbers if number is not None] or list(range(NUM_THINGS))


def _pooled(values: Tensor) -> Tensor:
    """Return the means (20, 40) of values (H, W) on the sphere."""
    return adaptive_avg_pool2d(values[None], (ROWS, 2 * ROWS))[0].to(torch.float64)
