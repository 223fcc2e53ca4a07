"""The benchmark is fair only when both ways make the same sample."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from avsa.views.crops import crop_views
from avsa.views.sampling import ViewConfig, draw_views
from avsa.views.spectrogram import AudioConfig
from avsa.views.view_spectrograms import view_spectrograms


@pytest.fixture(scope="module")
def paper():
    """The paper's code; imported here, not at collection, because torchvision takes 1.4 s."""
    from benchmarks import paper

    return paper


def test_the_papers_crops_show_the_same(paper):
    # A smooth grey panorama, so that rounding to whole levels is the only difference.
    v, u = np.meshgrid(
        np.linspace(0, math.pi, 160), np.linspace(0, 2 * math.pi, 320), indexing="ij"
    )
    grey = (120 + 80 * np.sin(v) * np.cos(u + 1)).round().astype(np.uint8)
    identity = np.concatenate([np.eye(3), np.zeros((3, 1))], 1)
    config = ViewConfig(augment=False, height=40, width=40)
    views = draw_views(config, 0, 0, [0])
    views.color.copy_(torch.tensor(identity, dtype=torch.float32).expand_as(views.color))
    luma = torch.from_numpy(grey)[None, None]
    chroma = torch.full((1, 2, 1, 80, 160), 128, dtype=torch.uint8)
    ours = crop_views(luma, chroma, views, 40, 40)[0, :, 0, 0].numpy()
    frame = np.repeat(grey[..., None], 3, 2)
    for k in range(config.num_views):
        angles = (float(each[0, k]) for each in (views.azimuth, views.elevation, views.hfov))
        theirs = paper.crop_frame(frame, *paper.view_map(*angles, 40, 160, 320))
        assert np.abs(theirs[..., 0] - ours[k]).max() < 1.01


def test_the_papers_log_mels_are_the_same(paper):
    sound = np.random.default_rng(0).normal(0, 0.1, (4, 24000)).astype(np.float32)
    rotations = draw_views(ViewConfig(), 0, 0, [0]).rotations
    flat = torch.zeros(128), torch.ones(128)
    ours = view_spectrograms(torch.from_numpy(sound)[None], rotations, AudioConfig(), *flat)[0]
    theirs = paper.view_log_mels(sound, rotations[0].numpy(), 24000)
    assert np.abs(theirs.swapaxes(-1, -2) - ours.numpy()).max() < 0.015
