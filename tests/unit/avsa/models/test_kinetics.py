"""The network of torchvision as an encoder."""

from __future__ import annotations

import pytest
import torch
from helpers.errors import user_error

from avsa.models.kinetics import load_kinetics
from avsa.views.colors import RGB_MEAN, RGB_STD


@pytest.fixture(scope="module")
def published():
    """The module of torchvision; imported here, not at collection, because it takes 1.4 s."""
    from torchvision.models import video

    return video


@pytest.fixture(scope="module")
def weights(published, tmp_path_factory):
    """A file in the layout of torchvision, with random weights."""
    path = tmp_path_factory.mktemp("kinetics") / "weights.pth"
    torch.save(published.r2plus1d_18(num_classes=400).state_dict(), path)
    return path


def per_channel(values):
    return torch.tensor(values, dtype=torch.float32).view(3, 1, 1, 1)


def test_maps_and_features_are_those_of_torchvision(published, weights):
    theirs = published.r2plus1d_18(num_classes=400)
    theirs.load_state_dict(torch.load(weights))
    theirs.eval()
    pixels = torch.rand(1, 3, 8, 112, 112)
    mean, std = (
        torch.tensor(each, dtype=torch.float32).view(3, 1, 1, 1) for each in (RGB_MEAN, RGB_STD)
    )
    prepared = published.R2Plus1D_18_Weights.KINETICS400_V1.transforms()
    of_kinetics = (
        torch.tensor(each, dtype=torch.float32).view(3, 1, 1, 1)
        for each in (prepared.mean, prepared.std)
    )
    k_mean, k_std = of_kinetics
    encoder = load_kinetics(weights).eval()
    with torch.no_grad():
        maps = encoder.forward_maps((pixels - mean) / std)
        logits = theirs((pixels - k_mean) / k_std)
        ours = theirs.fc(maps[-1].mean((2, 3, 4)))
        features = encoder((pixels - mean) / std)
    assert torch.equal(features, maps[-1].amax((2, 3, 4))) and features.shape == (1, 512)
    assert [tuple(each.shape[1:]) for each in maps] == [
        (64, 8, 56, 56), (128, 4, 28, 28), (256, 2, 14, 14), (512, 1, 7, 7),
    ]  # fmt: skip
    torch.testing.assert_close(ours, logits, rtol=1e-3, atol=1e-4)


def test_missing_and_foreign_weights_are_refused(tmp_path):
    with user_error("missing", "--kinetics-weights"):
        load_kinetics(tmp_path / "none.pth")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with user_error("invalid", tmp_path / "other.pth"):
        load_kinetics(tmp_path / "other.pth")
