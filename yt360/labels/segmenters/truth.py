"""What synthetic scenes really show, as a segmenter: for proofs, and for labels without error."""

from __future__ import annotations

import time
from collections.abc import Sequence
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
from yt360.labels.segmenters.base import Segmentation, Source
from yt360.scenes.folder import load_scene, open_folder
from yt360.scenes.world.scene import Scene


class TruthSegmenter:
    """Looks up the class of every direction in the scene of the picture; pixels do not matter.

    Args:
        scenes: Folder that ``yt360 scenes`` wrote, from which the clips were cut.

    Raises:
        UserError: There are no scenes.
    """

    def __init__(self, scenes: Path) -> None:
        self._fingerprint = open_folder(scenes).fingerprint
        self._scene = lru_cache(maxsize=4)(lambda name: load_scene(scenes, name))
        self._seconds = 0.0

    @property
    def network_s(self) -> float:
        """Seconds spent looking up so far."""
        return self._seconds

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the answers."""
        return {"segmenter": "truth", "scenes": self._fingerprint}

    def segment(self, pictures: Tensor, sources: Sequence[Source]) -> list[Segmentation]:  # noqa: ARG002
        """Return the truth for pictures whose sources are clips of the scenes.

        Raises:
            UserError: A picture is from elsewhere.
        """
        started = time.perf_counter()
        answers = [self._look_up(source) for source in sources]
        self._seconds += time.perf_counter() - started
        return answers

    def _look_up(self, source: Source) -> Segmentation:
        if source.directions is None:
            raise UserError("the truth is known for clips of synthetic scenes alone, not pictures")
        name, start_s = _scene_of(source.key)
        scene: Scene = self._scene(name)
        found = scene.class_at(source.directions.cpu().numpy(), start_s + source.time_s)
        classes = torch.from_numpy(np.ascontiguousarray(found))
        scores = (classes != NO_CLASS).float()
        return Segmentation(classes, scores, connected(found))


def _scene_of(key: str) -> tuple[str, int]:
    try:
        return parse_key(key)
    except ValueError as error:
        raise UserError(f"no scene is behind {key!r}: {error}") from None


def connected(classes: np.ndarray) -> Tensor:
    """Number the connected patches of every thing class."""
    instances = np.zeros(classes.shape, dtype=np.int32)
    used = 0
    for label in np.unique(classes[classes < NUM_THINGS]):
        patches, count = ndimage.label(classes == label)
        instances[patches > 0] = patches[patches > 0] + used
        used += count
    return torch.from_numpy(instances)
