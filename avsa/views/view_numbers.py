"""The numbers that a device needs of the views of a batch, in one tensor: one copy for each batch.

Shapes: B batch size, K views.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from avsa.views.sampling import Views, rotation_entries, unit_vectors
from yt360.sphere import pooling_of_view

MAX_POOLING = 8


@dataclass(frozen=True)
class ViewNumbers:
    """What crops and spectrograms need of the views of a batch.

    Attributes:
        numbers: float32 (B, K, 31), on any device; the properties are its parts.
        poolings: Distinct values of `pooling`, known without asking the device.
    """

    numbers: Tensor
    poolings: tuple[int, ...]

    @classmethod
    def of(cls, views: Views, size: tuple[int, int], panorama: tuple[int, int]) -> ViewNumbers:
        """Return the numbers of views on the CPU.

        Args:
            views: Views (B, K).
            size: Height and width of a view in pixels.
            panorama: Rows and columns of the luma plane of the panorama.
        """
        angles = torch.stack(
            [
                views.azimuth, views.elevation, views.audio_azimuth, views.audio_elevation,
                views.hfov / 2, views.vfov / 2,
            ]
        ).double().numpy()  # fmt: skip
        cos, sin = np.cos(angles[:4]), np.sin(angles[:4])
        half_width, half_height = np.tan(angles[4:])
        hflip = views.hflip.numpy()
        pooling = pooling_of_view(
            torch.from_numpy(half_width), torch.from_numpy(half_height), size, panorama, MAX_POOLING
        ).numpy()
        numbers = np.empty((*hflip.shape, 31), dtype=np.float32)
        scalars = [
            (0.5 - angles[0] / (2 * math.pi)) * panorama[1],
            cos[1],
            sin[1],
            np.where(hflip, half_width, -half_width),
            -half_height,
            pooling,
            views.gain_db.numpy(),
            *unit_vectors(cos[:2], sin[:2]),
            *rotation_entries(cos[2:], sin[2:], hflip),
        ]
        for column, scalar in enumerate(scalars):
            numbers[..., column] = scalar
        numbers[..., len(scalars) :] = views.color.flatten(-2).numpy()
        return cls(torch.from_numpy(numbers), tuple(sorted(set(pooling.ravel().tolist()))))

    def to(self, device: torch.device) -> ViewNumbers:
        """Copy the numbers to a device; to a CUDA device from page-locked memory, asynchronously.

        The copy is ordered before later work on the current stream.
        """
        numbers = self.numbers
        if device.type == "cuda":
            numbers = numbers.pin_memory()  # kept by the allocator until the copy has ended
        return replace(self, numbers=numbers.to(device, non_blocking=True))

    def sample(self, row: int) -> ViewNumbers:
        """Return the numbers of the views of one sample, (1, K)."""
        return replace(self, numbers=self.numbers[row : row + 1])

    @property
    def geometry(self) -> Tensor:
        """(B, K, 5) numbers that determine the sampling grid of a view.

        The column of the panorama at the view's centre, measured from its left side; the cosine and
        sine of the elevation; and the factors from positions on the view, -1 to 1 rightwards and
        downwards, to the left and upwards on the image plane at distance 1.
        """
        return self.numbers[..., :5]

    @property
    def pooling(self) -> Tensor:
        """(B, K) pooling factor of luma along each side, applied before the lookup."""
        return self.numbers[..., 5]

    @property
    def gain_db(self) -> Tensor:
        """(B, K) gain of the audio."""
        return self.numbers[..., 6]

    @property
    def directions(self) -> Tensor:
        """(B, K, 3), as in `Views`."""
        return self.numbers[..., 7:10]

    @property
    def rotations(self) -> Tensor:
        """(B, K, 3, 3), as in `Views`."""
        return self.numbers[..., 10:19].unflatten(-1, (3, 3))

    @property
    def color(self) -> Tensor:
        """(B, K, 3, 4), as in `Views`."""
        return self.numbers[..., 19:31].unflatten(-1, (3, 4))
