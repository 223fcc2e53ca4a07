"""The feature pyramid: sizes of the paper, and the same numbers as its layers written out."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d, group_norm, interpolate

from avsa.evals.segmentation.head import SegmentationHead

PAPER = [(64, 8), (128, 4), (256, 2), (512, 1)]
TINY = [(2, 4), (4, 2), (8, 1), (16, 1)]


@pytest.mark.parametrize("conditioning", [0, 512, 1536])
def test_the_number_of_weights_is_that_of_the_paper(conditioning):
    head = SegmentationHead(PAPER, conditioning, 32)
    lateral = 256 * (64 + 128 + 256 + 512 + conditioning) + 4 * 256
    output = 4 * (256 * 256 * 9 + 256)
    branches = 4 * 256 * 128 * 9 + (1 + 2) * 128 * 128 * 9 + (1 + 1 + 2 + 3) * 2 * 128
    predictor, time = 128 * 32 + 32, 8 + 4 + 2 + 1
    counted = sum(each.numel() for each in head.parameters())
    assert counted == lateral + output + branches + predictor + time
    weights = torch.cat([p.flatten() for n, p in head.named_parameters() if p.ndim == 4])
    assert weights.mean().abs() < 1e-5 and weights.std().item() == pytest.approx(1e-3, rel=0.01)
    assert [each.tolist() for each in head.time_weights] == [[1 / t] * t for _, t in PAPER]


def test_scores_are_those_of_the_layers_written_out():
    head = SegmentationHead(TINY, 3, 5).double()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    maps = [torch.randn(2, c, t, 16 >> i, 16 >> i).double() for i, (c, t) in enumerate(TINY)]
    condition = torch.randn(2, 3).double()

    weights = dict(head.named_parameters())
    c2, c3, c4, c5 = (
        sum(weights[f"time_weights.{i}"][t] * x[:, :, t] for t in range(x.shape[2]))
        for i, x in enumerate(maps)
    )
    c5 = torch.cat([c5, condition[:, :, None, None].repeat(1, 1, 2, 2)], 1)

    def conv(x, name, padding=0):
        bias = weights.get(f"pyramid.{name}.bias")
        return conv2d(x, weights[f"pyramid.{name}.weight"], bias, padding=padding)

    def block(x, name):
        normed = group_norm(conv(x, f"{name}.0", 1), 32, weights[f"pyramid.{name}.1.weight"],
                            weights[f"pyramid.{name}.1.bias"])  # fmt: skip
        return normed.clamp(min=0)

    def twice(x, mode):
        return interpolate(x, scale_factor=2, mode=mode)

    p5 = conv(c5, "lateral.3")
    p4 = conv(c4, "lateral.2") + twice(p5, "nearest")
    p3 = conv(c3, "lateral.1") + twice(p4, "nearest")
    p2 = conv(c2, "lateral.0") + twice(p3, "nearest")
    p2, p3, p4, p5 = (conv(p, f"output.{i}", 1) for i, p in enumerate((p2, p3, p4, p5)))
    s2 = block(p2, "branches.0.0")
    s3 = twice(block(p3, "branches.1.0"), "bilinear")
    s4 = twice(block(p4, "branches.2.0"), "bilinear")
    s4 = twice(block(s4, "branches.2.1"), "bilinear")
    s5 = twice(block(p5, "branches.3.0"), "bilinear")
    s5 = twice(block(s5, "branches.3.1"), "bilinear")
    s5 = twice(block(s5, "branches.3.2"), "bilinear")
    scores = twice(conv(s2 + s3 + s4 + s5, "predictor"), "bilinear")
    torch.testing.assert_close(head(maps, condition, (32, 32)), scores)


def test_views_whose_maps_are_not_halves_have_scores_at_their_size():
    maps = [torch.randn(1, c, t, n, n + 1) for (c, t), n in zip(TINY, (25, 13, 7, 4), strict=True)]
    head = SegmentationHead(TINY, 0, 5)
    assert head(maps, torch.zeros(1, 0), (50, 52)).shape == (1, 5, 50, 52)
