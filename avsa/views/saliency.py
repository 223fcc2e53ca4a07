"""Saliency maps for view samplers: audio energy, motion, or labels.

A map is equirectangular (20, 40) and non-negative. It is computed in the threads of the loader.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from avsa.data.clips import Clips
from avsa.data.joined_clips import JoinedClips
from avsa.data.remote.mirror import is_mirror
from avsa.views.sampling import ViewConfig
from yt360.ambisonics.transforms import energy_map
from yt360.errors import BadItem, UserError, did_you_mean
from yt360.labels.classes import NAMES, NUM_CLASSES, NUM_THINGS, number_of
from yt360.labels.format.reader import LabelReader
from yt360.shards.format.reader import ShardReader

ROWS = 20
# First-order beams are so wide that their power hardly varies; this exponent sharpens the peaks.
SHARPNESS = 4.0

SaliencyMap: TypeAlias = NDArray[np.float64]
# Arguments: number of the clip, time of the first frame, luma (T, H, W), audio (4, S).
Saliency: TypeAlias = Callable[[int, float, Tensor, Tensor], SaliencyMap]


def open_saliency(views: ViewConfig, clips: Clips) -> Saliency | None:
    """Return the saliency function of a view sampler, or None if the sampler does not use one.

    Args:
        views: View configuration.
        clips: Clips of the split.

    Raises:
        UserError: The dataset has no such label set, or a class is unknown.
    """
    if views.sampler == "energy":
        return lambda clip, time_s, luma, audio: energy_saliency(audio)  # noqa: ARG005
    if views.sampler == "motion":
        return lambda clip, time_s, luma, audio: motion_saliency(luma)  # noqa: ARG005
    if views.sampler == "labels":
        if isinstance(clips, JoinedClips):
            return _JoinedSaliency(clips, [_open_labels(views, part) for part in clips.parts])
        return _open_labels(views, clips)
    return None


def _open_labels(views: ViewConfig, clips: ShardReader) -> LabelSaliency:
    if is_mirror(clips.dataset):
        raise UserError(
            "views.sampler=labels needs label shards on this machine; copy the dataset here, "
            "or choose another sampler",
            code="unsupported",
            key="views.sampler",
        )
    labels = LabelReader(clips.dataset, clips.split, views.label_set)
    return LabelSaliency(labels, clips.keys, views.label_classes)


class _JoinedSaliency:
    """Saliency maps of the clips of several datasets, from that of each dataset."""

    def __init__(self, clips: JoinedClips, parts: Sequence[Saliency]) -> None:
        self._clips, self._parts = clips, parts

    def __call__(self, clip: int, time_s: float, luma: Tensor, audio: Tensor) -> SaliencyMap:
        part = self._parts[self._clips.part_numbers[clip]]
        return part(int(self._clips.rows[clip]), time_s, luma, audio)


def energy_saliency(audio: Tensor) -> SaliencyMap:
    """Return the energy of each direction (20, 40), from 0 (minimum) to 1 (maximum).

    Args:
        audio: ambiX (4, S), int16 or float.
    """
    power = energy_map(audio.to(torch.float64), ROWS, 2 * ROWS)
    power = power - power.min()
    return (power / power.max().clamp(min=1e-12)).pow(SHARPNESS).numpy()


def motion_saliency(luma: Tensor) -> SaliencyMap:
    """Return the mean change of luma per frame (20, 40), in grey levels.

    The median over the sphere, an estimate of coding noise, is subtracted.

    Args:
        luma: (T, H, W) uint8; a single frame gives zeros.
    """
    if len(luma) < 2:
        return np.zeros((ROWS, 2 * ROWS))
    frames = luma.to(torch.float32)
    change = _pooled((frames[1:] - frames[:-1]).abs().mean(0))
    return (change - change.median()).clamp(min=0).numpy()


class LabelSaliency:
    """Saliency map of labels of given classes.

    Args:
        labels: Labels of the split.
        keys: Key of each clip of the split.
        classes: Class names; empty for all thing classes.

    Raises:
        UserError: A class is unknown.
    """

    def __init__(
        self, labels: LabelReader, keys: Sequence[str], classes: tuple[str, ...] = ()
    ) -> None:
        self.labels, self._keys = labels, keys
        self._wanted = np.zeros(NUM_CLASSES + 1, dtype=bool)
        self._wanted[_class_numbers(classes)] = True

    def __call__(self, clip: int, time_s: float, luma: Tensor, audio: Tensor) -> SaliencyMap:  # noqa: ARG002
        """Return the fraction of each cell (20, 40) that shows the classes; 0 without labels."""
        try:
            maps = self.labels.read(self._keys[clip]).joint
        except BadItem:
            return np.zeros((ROWS, 2 * ROWS))
        nearest = min(round(time_s * self.labels.info.fps), len(maps) - 1)
        return _pooled(torch.from_numpy(self._wanted[maps[nearest]]).float()).numpy()


def _class_numbers(names: tuple[str, ...]) -> list[int]:
    numbers = []
    for name in names:
        number = number_of(name)
        if number is None:
            raise UserError(
                f"views.label_classes: unknown class {name!r}{did_you_mean(name, NAMES)}",
                code="unknown-name",
                key="views.label_classes",
            )
        numbers.append(number)
    return numbers or list(range(NUM_THINGS))


def _pooled(values: Tensor) -> Tensor:
    """Return the means (20, 40) of values (H, W) on the sphere."""
    return adaptive_avg_pool2d(values[None], (ROWS, 2 * ROWS))[0].to(torch.float64)
