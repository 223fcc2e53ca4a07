"""3-D convolutions computed as 2-D ones where bfloat16 on a CPU asks for it.

Conv3d of torch 2.13 in bfloat16 gives other gradients in equal calls on some CPUs, NaN among them;
Conv2d does not (`avsa.training.repeatability` tests it). A factorized convolution is a 2-D one in
any case: (1, k, k) acts on frames, and (k, 1, 1) on an image whose axes are time and pixels. A
kernel with an extent in both, such as that of a stem, acts on frames whose channels are those of
all frames under the kernel.

Shapes: B batch, C and O channels, T frames, H height, W width, (t, h, w) kernel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FactorizedConv3d(nn.Conv3d):
    """A 3-D convolution without bias, dilation or groups; 2-D in bfloat16 on CPUs.

    Weights, their names and shapes are those of `torch.nn.Conv3d`, and so are the results, up to
    rounding.

    Args:
        in_channels: C.
        out_channels: O.
        kernel_size: (t, h, w).
        stride: Of time, height and width.
        padding: Zeros at either end of time, height and width.
    """

    stride: tuple[int, int, int]
    padding: tuple[int, int, int]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int, int],
        stride: tuple[int, int, int] = (1, 1, 1),
        padding: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Return (B, O, T', H', W') of (B, C, T, H, W)."""
        if _computes_in_bfloat16(input):
            return planar_conv3d(input, self.weight, self.stride, self.padding)
        return super().forward(input)


def planar_conv3d(
    video: Tensor,
    weight: Tensor,
    stride: tuple[int, int, int],
    padding: tuple[int, int, int],
) -> Tensor:
    """Return what `torch.nn.functional.conv3d` does, by one 2-D convolution.

    In the channels-last memory format, neither factor of a (1, k, k) and (k, 1, 1) pair moves data.

    Args:
        video: (B, C, T, H, W).
        weight: (O, C, t, h, w).
        stride: Of time, height and width.
        padding: Zeros at either end of time, height and width.

    Returns:
        (B, O, T', H', W'), in the memory format of `video`, or channels-last if `weight` is.
    """
    if weight.shape[3:] == (1, 1) and stride[1:] == (1, 1) and padding[1:] == (0, 0):
        images = F.conv2d(
            video.flatten(3), weight.flatten(3), stride=(stride[0], 1), padding=(padding[0], 0)
        )
        return images.unflatten(3, video.shape[3:])
    channels_last = any(map(_is_channels_last, (video, weight)))
    if padding[0]:
        video = F.pad(video, (0, 0, 0, 0, padding[0], padding[0]))
    windows = video.unfold(2, weight.shape[2], stride[0])  # (B, C, T', H, W, t)
    frames = windows.permute(0, 2, 1, 5, 3, 4).flatten(0, 1).flatten(1, 2)  # (B T', C t, H, W)
    if channels_last:
        frames = frames.contiguous(memory_format=torch.channels_last)
    images = F.conv2d(frames, weight.flatten(1, 2), stride=stride[1:], padding=padding[1:])
    maps = images.unflatten(0, (video.shape[0], -1)).transpose(1, 2)
    return maps.contiguous(
        memory_format=torch.channels_last_3d if channels_last else torch.contiguous_format
    )


def _is_channels_last(tensor: Tensor) -> bool:
    last = tensor.is_contiguous(memory_format=torch.channels_last_3d)
    return last and not tensor.is_contiguous()


def _computes_in_bfloat16(tensor: Tensor) -> bool:
    if tensor.device.type != "cpu":
        return False
    if torch.is_autocast_enabled("cpu"):
        return torch.get_autocast_dtype("cpu") == torch.bfloat16
    return tensor.dtype == torch.bfloat16
