"""The ground truth of synthetic scenes as a segmenter: for tests, and for labels without error."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from yt360.clips import parse_key
from yt360.errors import UserError
from yt360.labels.classes import NO_CLASS, NUM_THINGS
from yt360.labels.segmenters.base import ImageOrigin, Segmentation
from yt360.scenes.clip_audio import require_scenes_of
from yt360.scenes.collection import SceneCollection
from yt360.scenes.world.scene import Scene
from yt360.shards.format.reader import ShardReader


@dataclass(frozen=True, kw_only=True)
class TruthConfig:
    """The ground truth of synthetic scenes."""

    kind: str = "truth"
    scenes: Path
    """Folder that ``yt360 scenes`` wrote, from which the clips were cut; or one with several of
    them."""

    def build(self, device: torch.device) -> TruthSegmenter:  # noqa: ARG002
        """Return the segmenter; see `SegmenterConfig`."""
        return TruthSegmenter(self.scenes)


class TruthSegmenter:
    """Looks up the class of every direction in the scene; pixels are not used.

    Args:
        scenes: See `TruthConfig`.

    Raises:
        UserError: See `SceneCollection`.
    """

    def __init__(self, scenes: Path) -> None:
        self._scenes = SceneCollection(scenes)
        self._scene = lru_cache(maxsize=4)(self._scenes.scene)
        self._seconds = 0.0

    @property
    def network_s(self) -> float:
        """Seconds spent on lookups so far."""
        return self._seconds

    @property
    def facts(self) -> dict[str, Any]:
        """What determines the result."""
        return {"segmenter": "truth", "scenes": self._scenes.fingerprint}

    def check_clips(self, clips: ShardReader) -> None:
        """Check that clips were cut from the scenes; see `Segmenter`."""
        require_scenes_of(clips, self._scenes)

    def segment(self, images: Tensor, origins: Sequence[ImageOrigin]) -> list[Segmentation]:  # noqa: ARG002
        """Return the ground truth of images from clips of the scenes.

        Raises:
            UserError: An image is not from a clip of the scenes.
        """
        started = time.perf_counter()
        truth = [self._look_up(origin) for origin in origins]
        self._seconds += time.perf_counter() - started
        return truth

    def _look_up(self, origin: ImageOrigin) -> Segmentation:
        if origin.directions is None:
            raise UserError(
                "ground truth exists only for clips of synthetic scenes; segment ordinary images "
                "with another --segmenter",
                "unsupported",
            )
        name, start_s = _scene_of(origin.key)
        scene: Scene = self._scene(name)
        found = scene.class_at(origin.directions.cpu().numpy(), start_s + origin.time_s)
        classes = torch.from_numpy(np.ascontiguousarray(found))
        scores = (classes != NO_CLASS).float()
        return Segmentation(classes, scores, connected(found))


def _scene_of(key: str) -> tuple[str, int]:
    try:
        return parse_key(key)
    except ValueError as error:
        raise UserError(f"{key!r} is not a clip of a scene: {error}", key=key) from None


def connected(classes: np.ndarray) -> Tensor:
    """Number the connected patches of every thing class."""
    instances = np.zeros(classes.shape, dtype=np.int32)
    used = 0
    for label in np.unique(classes[classes < NUM_THINGS]):
        patches, count = ndimage.label(classes == label)
        instances[patches > 0] = patches[patches > 0] + used
        used += count
    return torch.from_numpy(instances)
