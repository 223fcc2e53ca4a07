"""Targets of views are the classes at the directions of their pixels."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from avsa.config.recipe import load_config
from avsa.evals.segmentation.targets import (
    CLASS_NAMES,
    TargetReader,
    to_joint,
    view_targets,
)
from avsa.views.crops import crop_views
from avsa.views.sampling import draw_views
from yt360.clips import parse_key
from yt360.labels.classes import NO_CLASS, SUBSET
from yt360.labels.format.reader import LabelReader
from yt360.scenes.collection import SceneCollection
from yt360.sphere import view_grid

VIEWS = replace(load_config("small").views, sampler="uniform", num_views=4, hflip_per_view=True)
SIZE = 16


@pytest.fixture
def views():
    return draw_views(VIEWS, 0, 0, range(2))


def noise(height=32):
    return torch.randint(0, 32, (2, height, 2 * height), dtype=torch.uint8)


def test_targets_are_the_nearest_pixels_of_the_map(views):
    maps = noise()
    found = view_targets(maps, views, SIZE, SIZE)
    assert views.hflip.any() and not views.hflip.all()
    for b, k, i, j in np.ndindex(2, 4, SIZE, SIZE):
        one = replace(views, **{n: e[b, k].double() for n, e in vars(views).items()})
        x, y = (2 * (n + 0.5) / SIZE - 1 for n in (j, i))
        left = (1 if one.hflip else -1) * math.tan(one.hfov / 2) * x
        up = -math.tan(one.vfov / 2) * y
        cos, sin = math.cos(one.elevation), math.sin(one.elevation)
        azimuth = one.azimuth + math.atan2(left, cos - sin * up)
        elevation = math.atan2(sin + cos * up, math.hypot(cos - sin * up, left))
        column, row = (0.5 - azimuth / (2 * math.pi)) * 64, (0.5 - elevation / math.pi) * 32
        if min(abs(v - round(float(v))) for v in (column, row)) > 1e-3:
            assert found[b, k, i, j] == maps[b, int(row), int(column // 1) % 64]


def test_a_mirrored_view_is_a_view_of_the_mirrored_panorama(views):
    maps = noise()
    mirrored = replace(views, hflip=~views.hflip)
    found = view_targets(maps, views, SIZE, SIZE)
    assert torch.equal(view_targets(maps, mirrored, SIZE, SIZE), found.flip(-1))
    other_side = replace(mirrored, azimuth=-views.azimuth)
    same = view_targets(maps.flip(-1), other_side, SIZE, SIZE) == found
    assert same.float().mean() > 0.999  # but for directions on borders of pixels


def test_targets_lie_on_the_video(views):
    """Classes are painted as grey levels of large patches; views show these grey levels."""
    patches = torch.randint(0, 12, (2, 4, 8), dtype=torch.uint8)
    maps = patches.repeat_interleave(8, 1).repeat_interleave(8, 2)
    grey = torch.full((2, 2, 1, 32, 64), 128, dtype=torch.uint8)
    plain = replace(VIEWS, brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
    drawn = draw_views(plain, 0, 0, range(2))
    video = crop_views((16 + 18 * maps)[:, None], grey, drawn, SIZE, SIZE)
    shown = crop_views(torch.full_like(maps, 16)[:, None], grey, drawn, SIZE, SIZE)
    step = 18 / 219 / 0.229
    found = ((video - shown)[:, :, 0, 0] / step).round()
    targets = view_targets(maps, drawn, SIZE, SIZE)
    around = targets.unfold(2, 3, 1).unfold(3, 3, 1).flatten(4)
    inside = (around == around[..., :1]).all(-1)  # away from borders of patches
    same = (found == targets)[:, :, 1:-1, 1:-1][inside]
    assert inside.float().mean() > 0.3 and same.float().mean() > 0.98


def test_targets_are_the_classes_of_the_scene(scene_dataset):
    reader = TargetReader(scene_dataset.dataset, "test", "panoptic")
    key = reader.keys[0]
    name, start_s = parse_key(key)
    scene = SceneCollection(scene_dataset.scenes).scene(name)
    drawn = draw_views(VIEWS, 0, 0, [0])
    found = view_targets(torch.from_numpy(reader.read(key, 1.1))[None], drawn, SIZE, SIZE)
    angles = (drawn.azimuth, drawn.elevation, drawn.hfov)
    grid = view_grid(*angles, SIZE, SIZE, vfov=drawn.vfov)
    grid = torch.where(drawn.hflip[..., None, None, None], grid.flip(-2), grid)
    truth = scene.class_at(grid.numpy(), start_s + 1.0)
    truth[~np.isin(truth, SUBSET)] = NO_CLASS
    assert (to_joint(found.numpy()) == truth).mean() > 0.97
    assert len({*truth.flat}) > 2


def test_labels_are_the_latest_before_a_time(scene_dataset):
    reader = TargetReader(scene_dataset.dataset, "train", "panoptic")
    labels = LabelReader(scene_dataset.dataset, "train")
    maps = labels.read(labels.keys[0]).joint
    outside = ~np.isin(maps, SUBSET)
    assert labels.info.fps == 4 and outside.any() and len(CLASS_NAMES) == 32
    for time_s, frame in ((0.0, 0), (0.24, 0), (0.25, 1), (1.3, 5), (99.0, len(maps) - 1)):
        found = reader.read(labels.keys[0], time_s)
        assert ((found == 255) == outside[frame]).all()
        assert (to_joint(found) == np.where(outside, NO_CLASS, maps)[frame]).all()
    assert (reader.read("no such clip", 0.0) == 255).all()
