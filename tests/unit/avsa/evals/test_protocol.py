"""How evaluations draw views."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from avsa.data.loader import DataConfig
from avsa.evals.protocol import data_of, hflip_video, views_of
from avsa.evals.subject import open_subject


def test_views_are_uniform_whatever_the_recipe_trains_with(scene_run):
    recipe = open_subject(str(scene_run.run), "cpu").config
    assert recipe.views.sampler == "energy"
    paper = views_of(recipe, "paper", 1, augment=True)
    published = views_of(recipe, "published", 4, augment=False)
    for views in (paper, published):
        assert (views.sampler, views.audio_rotation) == ("uniform", "view")
        assert (views.height, views.width) == (32, 32)
    assert (paper.hfov_min_deg, paper.hflip_probability, paper.num_views) == (90.0, 0.5, 1)
    assert (published.hfov_min_deg, published.hflip_probability) == (25.05, 0.0)


@pytest.mark.parametrize(("protocol", "position"), [("paper", "middle"), ("published", "random")])
def test_a_clip_has_one_window_whatever_the_recipe_trains_with(protocol, position):
    trained = DataConfig(video_duration_s=0.25, windows_per_clip=2, video_position="middle")
    found = data_of(SimpleNamespace(data=trained), protocol)
    assert found == replace(trained, windows_per_clip=1, video_position=position)


def test_published_training_mirrors_half_of_the_videos_alone():
    video = torch.arange(6.0).expand(50, 4, 3, 2, 2, 6)
    raw = SimpleNamespace(epoch=0, positions=range(50))
    mirrored = hflip_video(SimpleNamespace(video=video, raw=raw), 0)
    flipped = (mirrored[..., 0] == 5).flatten(2)
    assert torch.equal(flipped.any(-1), flipped.all(-1))
    assert flipped[..., 0].float().mean() == pytest.approx(0.5, abs=0.1)
