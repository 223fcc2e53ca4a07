"""Convolutions computed in two dimensions give what three-dimensional ones do."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from avsa.models.planar_conv import FactorizedConv3d, planar_conv3d
from avsa.models.r2plus1d import R2Plus1DConfig

CONVOLUTIONS = [
    ((1, 3, 3), (1, 1, 1), (0, 1, 1)),
    ((1, 3, 3), (1, 2, 2), (0, 1, 1)),
    ((3, 1, 1), (1, 1, 1), (1, 0, 0)),
    ((3, 1, 1), (2, 1, 1), (1, 0, 0)),
    ((3, 7, 7), (1, 2, 2), (1, 3, 3)),
    ((2, 3, 1), (2, 1, 3), (1, 0, 2)),
    ((1, 1, 1), (2, 2, 2), (0, 0, 0)),
    ((1, 1, 1), (1, 1, 1), (0, 0, 0)),
]
BFLOAT16 = {"device_type": "cpu", "dtype": torch.bfloat16}


@pytest.mark.parametrize(("kernel", "stride", "padding"), CONVOLUTIONS)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("frames", [5, 6])
def test_results_and_gradients_are_those_of_conv3d(kernel, stride, padding, memory_format, frames):
    generator = torch.Generator().manual_seed(0)
    video, weight = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        .contiguous(memory_format=memory_format)
        .requires_grad_()
        for shape in ((2, 3, frames, 9, 8), (4, 3, *kernel))
    )
    expected = F.conv3d(video, weight, stride=stride, padding=padding)
    got = planar_conv3d(video, weight, stride, padding)
    torch.testing.assert_close(got, expected)
    assert got.is_contiguous(memory_format=memory_format)
    upstream = torch.randn(expected.shape, generator=generator, dtype=torch.float64)
    for ours, theirs in zip(
        torch.autograd.grad(got, (video, weight), upstream),
        torch.autograd.grad(expected, (video, weight), upstream),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_factors_of_a_convolution_move_no_data_in_channels_last(monkeypatch):
    video = torch.randn(2, 4, 6, 8, 8).to(memory_format=torch.channels_last_3d)
    seen = []
    conv2d = F.conv2d
    monkeypatch.setattr(F, "conv2d", lambda x, *a, **k: seen.append(x) or conv2d(x, *a, **k))
    for kernel, padding in (((1, 3, 3), (0, 1, 1)), ((3, 1, 1), (1, 0, 0))):
        planar_conv3d(video, torch.randn(4, 4, *kernel), (1, 1, 1), padding)
    assert [each.data_ptr() for each in seen] == 2 * [video.data_ptr()]


def test_only_bfloat16_on_a_cpu_is_computed_in_two_dimensions():
    torch.manual_seed(0)
    conv = FactorizedConv3d(3, 4, (3, 1, 1), padding=(1, 0, 0))
    video = torch.randn(2, 3, 4, 5, 5)
    plain = F.conv3d(video, conv.weight, padding=(1, 0, 0))
    assert torch.equal(conv(video), plain)
    with torch.autocast(**BFLOAT16):
        assert torch.equal(
            conv(video), planar_conv3d(video, conv.weight, conv.stride, conv.padding)
        )
    torch.testing.assert_close(conv.bfloat16()(video.bfloat16()).float(), plain, rtol=0.1, atol=0.1)


def test_an_encoder_in_bfloat16_is_near_float32_and_keeps_float32_weights():
    torch.manual_seed(0)
    encoder = R2Plus1DConfig(base_channels=8, num_stages=2).build()
    assert not [m for m in encoder.modules() if type(m) is nn.Conv3d]
    video = torch.randn(4, 3, 4, 16, 16)
    gradients = []
    for enabled in (False, True):
        encoder.zero_grad()
        with torch.autocast(**BFLOAT16, enabled=enabled):
            encoder(video).float().square().sum().backward()
        gradients.append([weight.grad for weight in encoder.parameters()])
    assert all(each.dtype == torch.float32 for each in gradients[1])
    error = [a - b for a, b in zip(*gradients, strict=True)]
    assert 0 < nn.utils.get_total_norm(error) < 0.3 * nn.utils.get_total_norm(gradients[0])
