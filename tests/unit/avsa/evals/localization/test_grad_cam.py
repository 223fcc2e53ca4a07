"""Grad-CAM equals its definition."""

from __future__ import annotations

import torch

from avsa.evals.localization.grad_cam import grad_cam
from avsa.models.translation import TranslationConfig
from avsa.tasks.avsa import AvsaConfig

VIEWS, CHANNELS, FRAMES, HEIGHT, WIDTH = 3, 4, 2, 2, 3


def literal_grad_cam(maps, score_of, step=1e-6):
    """Return the maps by central differences and loops, in float64."""
    gradient = torch.zeros_like(maps)
    for place in torch.cartesian_prod(*map(torch.arange, maps.shape)).tolist():
        up, down = maps.clone(), maps.clone()
        up[tuple(place)] += step
        down[tuple(place)] -= step
        gradient[tuple(place)] = (score_of(up).sum() - score_of(down).sum()) / (2 * step)
    cams = torch.zeros(VIEWS, HEIGHT, WIDTH, dtype=torch.float64)
    for view in range(VIEWS):
        for channel in range(CHANNELS):
            weight = gradient[view, channel].sum() / (FRAMES * HEIGHT * WIDTH)
            for frame in range(FRAMES):
                cams[view] += weight * maps[view, channel, frame] / FRAMES
    return cams.clamp(min=0)


def test_parity_with_the_definition_in_float64():
    task = AvsaConfig(embedding_dim=5, translation=TranslationConfig(kind="transformer", depth=1))
    task = task.build(CHANNELS).double().eval()
    audio = torch.randn(VIEWS, CHANNELS, dtype=torch.float64)

    def score_of(maps):
        video, heard = task.joint_embeddings(maps.amax((2, 3, 4)), audio)
        return (video * heard).sum(-1)

    maps = torch.rand(VIEWS, CHANNELS, FRAMES, HEIGHT, WIDTH, dtype=torch.float64)
    with torch.no_grad():
        cams, scores = grad_cam(maps, score_of)
        assert torch.equal(scores, score_of(maps))
        expected = literal_grad_cam(maps, score_of)
    assert expected.max() > 1e-3
    assert torch.allclose(cams, expected, atol=1e-8)
    assert not cams.requires_grad
