"""Compare two images block by block, relative to coding noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 4

Blocks = NDArray[np.float32]
Image = NDArray[np.float32]


def block_means(image: Image, size: int = BLOCK) -> Blocks:
    """Return the mean of each square block: (..., H, W) -> (..., H / size, W / size)."""
    *front, height, width = image.shape
    rows = image.reshape(*front, height // size, size, width).sum(axis=-2)
    blocks = rows.reshape(*front, height // size, width // size, size).sum(axis=-1)
    return np.asarray(blocks * np.float32(1 / size**2))


def texture(image: Image, size: int = BLOCK) -> Blocks:
    """Return the mean gradient of each block, in levels per pixel: (H, W) -> (H / s, W / s)."""
    return block_means(np.sum(np.abs(np.gradient(image)), axis=0), size)


def changed_blocks(source: Image, target: Image, levels: float, texture_part: float) -> Blocks:
    """Return 1 for each block whose difference exceeds coding noise, else 0.

    Args:
        source: Luma (H, W) in [0, 255].
        target: Luma (H, W) of a later frame.
        levels: Allowed difference of any block.
        texture_part: Additional allowed difference as a fraction of the mean gradient of the block
            (levels per pixel), which corresponds to a shift of edges by this fraction of a pixel.
    """
    difference = block_means(np.abs(source - target))
    return (difference > levels + texture_part * texture(target)).astype(np.float32)
