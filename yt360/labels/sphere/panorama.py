"""Segment panoramas by perspective views.

Networks trained on photographs fail on the distorted parts of an equirectangular image, and split
objects at its seam. Perspective views avoid both.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from yt360.errors import UserError
from yt360.labels.segmenters.base import Finish, ImageOrigin, Segmentation
from yt360.labels.segmenters.batches import Batches
from yt360.labels.sphere.fusion import (
    fuse,
    make_fusion_table,
    pixels_around,
    render_views,
)
from yt360.labels.sphere.views import PANORAMA, view_set
from yt360.sphere import equirect_grid

MIN_SIDE = 16


class PanoramaLabeller:
    """Segments equirectangular frames into equirectangular maps.

    Args:
        batches: Segments images in batches.
        views: Name of a set of views, or ``"panorama"`` to segment the equirectangular image.
        side: Width and height of a view in pixels; equirectangular images are not resized.
        height: Rows of the maps, even; they are twice as wide.
        device: Cuts views out of panoramas; None means the CPU.

    Raises:
        UserError: An unknown set of views, or an invalid size.
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
                f"cannot make maps of {height} rows from views of {side} pixels; rows must be "
                f"even, and both at least {MIN_SIDE}",
                code="out-of-range",
                key="--height",
            )
        self.batches, self.height, self.width = batches, height, 2 * height
        self.views = None if views == PANORAMA else view_set(views)
        self.device = device or torch.device("cpu")
        if self.views is not None:
            directions = self.views.directions(side).float()
            self._pixels_around = pixels_around(directions)  # reading it from a GPU would wait
            self._directions = directions.to(self.device)
            self._table = make_fusion_table(self.views, side, height, self.width)

    @property
    def frames_at_once(self) -> int:
        """The number of frames that fill a batch now."""
        return max(1, self.batches.size // (1 if self.views is None else len(self.views)))

    def segment(
        self, frames: Tensor, keys: Sequence[str], times_s: Sequence[float], *, instances: bool
    ) -> list[Segmentation]:
        """Segment panoramas.

        Args:
            frames: (T, H, W, 3) uint8 RGB, any size.
            keys: Clip of each frame.
            times_s: Time of each frame since the start of its clip, in seconds.
            instances: Also distinguish the objects of one class.

        Returns:
            A map (height, 2 height) for each frame.

        Raises:
            UserError: A single image does not fit the device's memory.
        """
        maps: list[Segmentation] = []
        while len(maps) < len(frames):
            part = slice(len(maps), len(maps) + self.frames_at_once)
            images = self.cut(frames[part])
            if images is None:
                self._halve(frames[part])
            else:
                maps += self.start(images, keys[part], times_s[part], instances=instances)()
        return maps

    def cut(self, frames: Tensor) -> Tensor | None:
        """Return the images to segment, those of one frame after those of another.

        None if the device runs out of memory; `segment` then takes fewer frames at a time.
        """
        if self.views is None:
            return frames
        try:
            if self.device.type == "cuda":
                frames = frames.pin_memory().to(self.device, non_blocking=True)
            images = render_views(frames, self._directions, self._pixels_around)
        except torch.OutOfMemoryError:
            return None
        return images.flatten(0, 1)

    def start(
        self, images: Tensor, keys: Sequence[str], times_s: Sequence[float], *, instances: bool
    ) -> Finish:
        """Run the network on the images of frames.

        Args:
            images: From `cut`.
            keys: See `segment`.
            times_s: See `segment`.
            instances: See `segment`.

        Returns:
            A function that completes the maps of the frames; it may be called in any thread.

        Raises:
            UserError: See `segment`.
        """
        if self.views is None:
            return self._start_equirect(images, keys, times_s)
        origins = [
            ImageOrigin(key, time_s, directions)
            for key, time_s in zip(keys, times_s, strict=True)
            for directions in self._directions
        ]
        finish, number = self.batches.start(images, origins), len(self._directions)

        def fused() -> list[Segmentation]:
            found = finish()
            return [
                fuse(found[first : first + number], self._table, with_instances=instances)
                for first in range(0, len(found), number)
            ]

        return fused

    def _halve(self, frames: Tensor) -> None:
        _, height, width, _ = frames.shape
        if len(frames) == 1:
            raise UserError(
                f"the device runs out of memory while extracting views of a panorama of "
                f"{width}x{height}; use another --device",
                code="system",
                key="--device",
            ) from None
        side = self._directions.shape[1]
        self.batches.halve(len(frames) * len(self._directions), (side, side))

    def _start_equirect(
        self, frames: Tensor, keys: Sequence[str], times_s: Sequence[float]
    ) -> Finish:
        grid = equirect_grid(*frames.shape[1:3])
        origins = [ImageOrigin(key, at, grid) for key, at in zip(keys, times_s, strict=True)]
        finish = self.batches.start(frames, origins)
        return lambda: [self._resized(found) for found in finish()]

    def _resized(self, answer: Segmentation) -> Segmentation:
        layers = torch.stack([answer.classes.float(), answer.scores, answer.instances.float()])[
            None
        ]
        size = (self.height, self.width)
        classes, scores, instances = F.interpolate(layers, size, mode="nearest-exact")[0]
        return Segmentation(classes.to(torch.uint8), scores, instances.to(torch.int32))
