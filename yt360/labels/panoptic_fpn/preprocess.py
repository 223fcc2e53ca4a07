"""A picture as the network wants it: resized, BGR, mean removed, padded to multiples of 32."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

SHORT_SIDE = 800
LONG_SIDE = 1333
PIXEL_MEAN_BGR = (103.530, 116.280, 123.675)
PAD_TO = 32


def network_size(
    height: int, width: int, short_side: int = SHORT_SIDE, long_side: int = LONG_SIDE
) -> tuple[int, int]:
    """Return height and width after resizing.

    The short side becomes `short_side`, less when the long side would pass `long_side`.
    """
    scale = short_side / min(height, width)
    new_height = short_side if height < width else scale * height
    new_width = scale * width if height < width else short_side
    longest = max(new_height, new_width)
    if longest > long_side:
        shrink = long_side / longest
        new_height, new_width = new_height * shrink, new_width * shrink
    return int(new_height + 0.5), int(new_width + 0.5)


def to_network(
    pictures: list[np.ndarray], size: tuple[int, int], device: torch.device | str = "cpu"
) -> Tensor:
    """Resize, normalize and pad pictures of one size.

    Pictures of different sizes do not share a batch: group norm sees the padding, so it would
    change the answers.

    Args:
        pictures: uint8 (H, W, 3) RGB each, all of one shape.
        size: Height and width of the network input without padding.
        device: Where the result goes.

    Returns:
        (B, 3, H', W') float32, BGR, padded right and bottom with zeros.
    """
    height, width = size
    resized = np.stack([_resize(picture, height, width) for picture in pictures])
    x = torch.from_numpy(resized).to(device).flip(-1).permute(0, 3, 1, 2).float()
    x = x - torch.tensor(PIXEL_MEAN_BGR, device=x.device)[:, None, None]
    return F.pad(x, (0, -width % PAD_TO, 0, -height % PAD_TO))


def _resize(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    if picture.shape[:2] == (height, width):
        return picture
    image = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)
