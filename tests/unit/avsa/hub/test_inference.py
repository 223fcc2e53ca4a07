"""Options with which a trained model computes."""

import copy
from itertools import count

import pytest
import torch
from torch import nn

from avsa.hub.inference import Inference
from avsa.models.compute import ComputeConfig
from avsa.models.r2plus1d import R2Plus1DConfig


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return R2Plus1DConfig(base_channels=8, num_stages=2, blocks_per_stage=1).build().eval()


@pytest.fixture
def views():
    return torch.randn(10, 3, 4, 16, 16, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def features(encoder, views, compute, units):
    return Inference(compute, lambda: units).features("video", encoder, views)


class Unrepeatable(nn.Module):
    """Other features in each call, in bfloat16 alone."""

    def __init__(self, options):
        super().__init__()
        self.calls, self.options = count(), options

    def forward(self, views):
        last = views.is_contiguous(memory_format=torch.channels_last_3d)
        if (torch.is_autocast_enabled("cpu"), last) in self.options:
            return views.mean((2, 3, 4)) + next(self.calls) * 1e-6
        return views.mean((2, 3, 4))


@pytest.mark.parametrize(
    ("compute", "units"),
    [
        (ComputeConfig(), False),
        (ComputeConfig(bfloat16="on", channels_last="on"), False),
        (ComputeConfig(bfloat16="off"), True),
    ],
)
def test_without_units_or_if_turned_off_features_are_those_of_float32(
    encoder, views, compute, units
):
    with torch.inference_mode():
        assert torch.equal(features(encoder, views, compute, units), encoder(views))


def test_with_units_features_are_near_those_of_float32_and_repeat(encoder, views):
    weights = copy.deepcopy(encoder.state_dict())
    got = features(encoder, views, ComputeConfig(), True)
    assert got.dtype == torch.float32
    assert torch.equal(got, features(encoder, views, ComputeConfig(), True))
    with torch.inference_mode():
        expected = encoder(views)
    assert 0 < (got - expected).norm() < 0.03 * expected.norm()
    assert all(map(torch.equal, weights.values(), encoder.state_dict().values()))


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ([], ("on", "on")),
        ([(True, True)], ("on", "auto")),
        ([(True, True), (True, False)], ("auto", "auto")),
    ],
)
def test_what_does_not_repeat_is_not_used(views, broken, expected):
    inference = Inference(ComputeConfig(), lambda: True)
    with torch.inference_mode():
        chosen = inference.options(Unrepeatable(broken), views)
    assert (chosen.bfloat16, chosen.channels_last) == expected
