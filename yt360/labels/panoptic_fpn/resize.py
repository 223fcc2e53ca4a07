"""Resize images exactly as Pillow does, on any device.

The published network was trained on images that Pillow resized. Its bilinear filter is antialiased
and computes in integers: weights have 22 fractional bits, columns are resized before rows, and each
pass rounds to 8 bits (``Resample.c``). `torch.nn.functional.interpolate` rounds differently, which
changes labels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_FRACTION_BITS = 22


def resize_like_pillow(images: Tensor, height: int, width: int) -> Tensor:
    """Return images as ``Image.resize((width, height), Resampling.BILINEAR)`` gives them.

    Pillow 13 shrinks rows before columns if an image is much taller than wide, which may differ by
    one grey level. Other images, and all images with earlier versions, are equal to the bit.

    Args:
        images: (B, H, W, C) uint8.
        height: New number of rows.
        width: New number of columns.

    Returns:
        (B, height, width, C) uint8.
    """
    return _resize_axis(_resize_axis(images, 2, width), 1, height)


def _resize_axis(images: Tensor, axis: int, size: int) -> Tensor:
    if images.shape[axis] == size:
        return images
    places, weights = _taps(images.shape[axis], size)
    shape = [1] * images.dim()
    shape[axis] = size
    total: Tensor | None = None
    for place, weight in zip(places, weights, strict=True):
        tap = images.index_select(axis, torch.from_numpy(place).to(images.device)).int()
        tap *= torch.from_numpy(weight).to(images.device).reshape(shape)
        total = tap if total is None else total.add_(tap)
    assert total is not None
    total += 1 << (_FRACTION_BITS - 1)
    return (total >> _FRACTION_BITS).clamp_(0, 255).to(torch.uint8)


@lru_cache(maxsize=16)
def _taps(size: int, new_size: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the pixels that form each new pixel, and their weights.

    Args:
        size: Pixels along the axis.
        new_size: New pixels along the axis.

    Returns:
        Places (K, new_size) and fixed-point weights (K, new_size); unused taps have the weight 0.
    """
    scale = size / new_size
    support = max(scale, 1.0)
    center = (np.arange(new_size) + 0.5) * scale
    first = np.maximum((center - support + 0.5).astype(np.int64), 0)
    end = np.minimum((center + support + 0.5).astype(np.int64), size)
    places = first + np.arange((end - first).max())[:, None]
    weights = np.maximum(1 - np.abs((places - center + 0.5) * (1 / support)), 0.0)
    weights[places >= end] = 0
    total = np.zeros(new_size)
    for tap in weights:  # in Pillow's order: a sum in another order rounds differently
        total += tap
    weights /= np.where(total > 0, total, 1)
    fixed = (weights * (1 << _FRACTION_BITS) + 0.5).astype(np.int32)
    return np.minimum(places, size - 1).astype(np.int32), fixed
