import pytest
import torch

from avsa.views.log_mel.signals import mixing_matrices, signals_of_views
from yt360.ambisonics.transforms import rotate


def some_rotations():
    return torch.linalg.qr(torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0)))[0]


def test_channels_of_views_are_rotated_ambix():
    field = torch.rand(4, 5, generator=torch.Generator().manual_seed(1))
    signals = mixing_matrices(some_rotations(), "ambix") @ field
    for rotation, channels in zip(some_rotations(), signals_of_views(2, "ambix"), strict=True):
        torch.testing.assert_close(signals[channels], rotate(field, rotation))


@pytest.mark.parametrize(("inputs", "channels"), [("mono", 1), ("stereo", 2), ("ambix", 4)])
def test_every_signal_is_a_channel_of_some_view(inputs, channels):
    numbers = signals_of_views(2, inputs)
    assert numbers.shape == (2, channels)
    assert {*numbers.flat} == {*range(mixing_matrices(some_rotations(), inputs).shape[0])}
