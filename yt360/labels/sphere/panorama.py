"""Labelling panoramas: views cut out of the sphere, segmented, and fused on it.

Networks trained on photographs do badly on the distorted parts of an equirectangular picture, and
split objects at its seam. Perspective views have neither fault.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from yt360.errors import UserError
from yt360.labels.segmenters.base import ImageOrigin, Segmentation
from yt360.labels.segmenters.batches import Batches
from yt360.labels.sphere.fusion import fuse, plan_fusion, render_views
from yt360.labels.sphere.views import PANORAMA, view_set
from yt360.sphere import equirect_grid

MIN_SIDE = 16


class PanoramaLabeller:
    """Segments equirectangular frames into equirectangular maps.

    Args:
        batches: What segments, and how many pictures at once.
        views: Name of a set of views, or ``"panorama"`` to segment the distorted picture itself.
        side: Pixels along each side of a view; a panorama that is segmented itself is not resized.
        height: Rows of the maps, even; they are twice as wide.
        device: Where views are cut out of panoramas; None means the CPU.

    Attributes:
        frames_at_once: How many frames fill a batch.

    Raises:
        UserError: An unknown set of views, or an impossible size.
    """

    def __init__(
        self,
        batches: Batches,
        views: str,
        side: int,
        height: int,
        device: torch.device | None = None,
    ) -> None:
        if height < MIN_SIDE or height % 2 or side < MIN_SIDE:
            raise UserError(
                f"maps of {height} rows from views of {side} pixels are impossible; rows must be "
                f"even, and both at least {MIN_SIDE}"
            )
        self.batches, self.height, self.width = batches, height, 2 * height
        self.views = None if views == PANORAMA else view_set(views)
        self.device = device or torch.device("cpu")
        if self.views is not None:
            self._directions = self.views.directions(side).float().to(self.device)
            self._plan = plan_fusion(self.views, side, height, self.width)

    @property
    def frames_at_once(self) -> int:
        """How many frames fill a batch now."""
        return max(1, self.batches.size // (1 if self.views is None else len(self.views)))

    def segment(
        self, frames: Tensor, keys: Sequence[str], times_s: Sequence[float], *, instances: bool
    ) -> list[Segmentation]:
        """Segment panoramas.

        Args:
            frames: (T, H, W, 3) uint8 RGB, any size.
            keys: Clip of each frame.
            times_s: Seconds of each frame since its clip's start.
            instances: Also tell the objects of one class apart.

        Returns:
            A map (height, 2 height) for each frame.

        Raises:
            UserError: Not even one picture fits the device's memory.
        """
        if self.views is None:
            return self._directly(frames, keys, times_s)
        maps: list[Segmentation] = []
        while len(maps) < len(frames):
            part = slice(len(maps), len(maps) + self.frames_at_once)
            try:
                pictures = self._cut(frames[part])
            except torch.OutOfMemoryError:
                self._halve(frames[part])
            else:
                maps += self._fused(pictures, keys[part], times_s[part], instances)
        return maps

    def _cut(self, frames: Tensor) -> Tensor:
        """Return the views of frames, one frame after the other."""
        return render_views(frames.to(self.device), self._directions).flatten(0, 1)

    def _halve(self, frames: Tensor) -> None:
        _, height, width, _ = frames.shape
        if len(frames) == 1:
            raise UserError(
                f"the device has no memory to cut a single panorama of {width}x{height} into "
                "views; use another --device"
            ) from None
        side = self._directions.shape[1]
        self.batches.halve(len(frames) * len(self._directions), (side, side))

    def _fused(
        self, pictures: Tensor, keys: Sequence[str], times_s: Sequence[float], instances: bool
    ) -> list[Segmentation]:
        sources = [
            ImageOrigin(key, time_s, directions)
            for key, time_s in zip(keys, times_s, strict=True)
            for directions in self._directions
        ]
        answers = self.batches.segment(pictures, sources)
        number = len(self._directions)
        return [
            fuse(answers[first : first + number], self._plan, with_instances=instances)
            for first in range(0, len(answers), number)
        ]

    def _directly(
        self, frames: Tensor, keys: Sequence[str], times_s: Sequence[float]
    ) -> list[Segmentation]:
        grid = equirect_grid(*frames.shape[1:3])
        sources = [ImageOrigin(key, at, grid) for key, at in zip(keys, times_s, strict=True)]
        answers = self.batches.segment(frames, sources)
        return [self._resized(answer) for answer in answers]

    def _resized(self, answer: Segmentation) -> Segmentation:
        layers = torch.stack([answer.classes.float(), answer.scores, answer.instances.float()])[
            None
        ]
        size = (self.height, self.width)
        classes, scores, instances = F.interpolate(layers, size, mode="nearest-exact")[0]
        return Segmentation(classes.to(torch.uint8), scores, instances.to(torch.int32))
