"""Prepare an image for the network: resize, BGR, subtract the mean, pad to multiples of 32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from yt360.labels.panoptic_fpn.resize import resize_like_pillow

SHORT_SIDE = 800
LONG_SIDE = 1333
PIXEL_MEAN_BGR = (103.530, 116.280, 123.675)
PAD_TO = 32


def network_size(
    height: int, width: int, short_side: int = SHORT_SIDE, long_side: int = LONG_SIDE
) -> tuple[int, int]:
    """Return height and width after resizing.

    The short side becomes `short_side`, or less if the long side would exceed `long_side`, but at
    least one pixel.
    """
    scale = short_side / min(height, width)
    new_height = short_side if height < width else scale * height
    new_width = scale * width if height < width else short_side
    longest = max(new_height, new_width)
    if longest > long_side:
        shrink = long_side / longest
        new_height, new_width = new_height * shrink, new_width * shrink
    return max(1, int(new_height + 0.5)), max(1, int(new_width + 0.5))


def to_network(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize, normalize and pad images of one size.

    Images in a batch must have equal sizes, because padding affects group norm and thus the result.

    Args:
        images: (B, H, W, 3) uint8 RGB.
        size: Height and width of the network input without padding.

    Returns:
        (B, 3, H', W') float32, BGR, padded right and bottom with zeros; on the images' device.
        It is contiguous; with channels last, convolutions would round differently than detectron2.
    """
    height, width = size
    x = resize_like_pillow(images, height, width).flip(-1).permute(0, 3, 1, 2).float()
    x = x - torch.tensor(PIXEL_MEAN_BGR, device=x.device)[:, None, None]
    return F.pad(x, (0, -width % PAD_TO, 0, -height % PAD_TO)).contiguous()
