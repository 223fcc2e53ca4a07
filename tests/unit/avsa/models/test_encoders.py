import pytest
import torch
from helpers.errors import user_error
from torch import nn
from torch.nn.modules.conv import _ConvNd

from avsa.models.conv2d import Conv2DConfig
from avsa.models.encoders import Encoders
from avsa.models.r2plus1d import R2Plus1DConfig


def test_video_features_have_the_published_size_and_stage_sizes():
    encoder = R2Plus1DConfig().build().eval()
    with torch.no_grad():
        maps = encoder.forward_maps(torch.zeros(1, 3, 8, 112, 112))
    assert [tuple(stage.shape[1:]) for stage in maps] == [
        (64, 8, 56, 56),
        (128, 4, 28, 28),
        (256, 2, 14, 14),
        (512, 1, 7, 7),
    ]


def test_audio_features_have_the_published_size_and_block_sizes():
    encoder = Conv2DConfig().build().eval()
    with torch.no_grad():
        maps = encoder.forward_maps(torch.zeros(1, 4, 100, 128))
    assert [tuple(block.shape[1:]) for block in maps] == [
        (64, 50, 64),
        (128, 25, 32),
        (256, 13, 16),
        (512, 13, 16),
    ]


def test_no_convolution_has_a_bias():
    for encoder in (
        R2Plus1DConfig(base_channels=2).build(),
        Conv2DConfig().build(),
    ):
        layers = [module for module in encoder.modules() if isinstance(module, _ConvNd)]
        assert layers
        assert all(layer.bias is None for layer in layers)


def test_video_keys_are_the_published_ones():
    keys = set(R2Plus1DConfig().build().state_dict())
    assert {"conv1.0.weight", "conv1.1.running_mean", "conv2x.0.spt_conv1.weight"} <= keys
    assert {"conv3x.0.res_conv.weight", "conv5x.1.out_bn.weight"} <= keys
    assert "conv2x.0.res_conv.weight" not in keys


@pytest.mark.parametrize(
    "sizes", [{"base_channels": 4}, {"base_channels": 2, "num_stages": 2, "blocks_per_stage": 1}]
)
def test_width_and_depth_set_the_feature_size(sizes):
    config = R2Plus1DConfig(**sizes)
    features = config.build()(torch.randn(2, 3, 4, 16, 16))
    assert features.shape == (2, config.feature_dim)


def test_features_do_not_depend_on_where_in_time_and_space_something_is():
    encoder = Conv2DConfig(base_channels=2).build().eval()
    audio = torch.zeros(1, 4, 64, 64)
    audio[..., 24:28, 24:28] = 1
    with torch.no_grad():
        torch.testing.assert_close(encoder(audio), encoder(audio.roll((8, 8), (2, 3))))


@pytest.mark.parametrize(("wrong", "audio_shape"), [("audio", (2, 3, 5)), ("video", (2, 3, 4))])
def test_an_encoder_of_another_feature_dim_is_refused(wrong, audio_shape):
    video = torch.zeros(2, 3, 4 if wrong == "audio" else 6)
    with user_error("invalid", f"encoders.{wrong}"):
        Encoders(nn.Identity(), nn.Identity(), 4)(video, torch.zeros(audio_shape))
