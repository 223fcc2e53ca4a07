"""One tensor holds what crops and spectrograms need of the views of a batch."""

from __future__ import annotations

import math

import torch

from avsa.views.sampling import ViewConfig, draw_views
from avsa.views.view_numbers import ViewNumbers
from yt360.sphere import direction, pooling_of_view, view_grid

VIEWS = draw_views(ViewConfig(gain_per_view=True), 0, 0, range(5))


def test_the_numbers_hold_the_fields_of_the_views():
    numbers = ViewNumbers.of(VIEWS, (20, 30), (64, 128))
    assert torch.equal(numbers.directions, VIEWS.directions)
    assert torch.equal(numbers.rotations, VIEWS.rotations)
    assert torch.equal(numbers.color, VIEWS.color)
    assert torch.equal(numbers.gain_db, VIEWS.gain_db)
    assert torch.equal(numbers.sample(3).numbers, numbers.numbers[3:4])


def test_the_geometry_gives_the_rays_of_the_views():
    numbers = ViewNumbers.of(VIEWS, (20, 30), (64, 128))
    middle, cos, sin, to_left, to_up = numbers.geometry.double().unbind(-1)
    azimuth = (0.5 - middle / 128) * 2 * math.pi
    # Of two pixels side by side, the right one is halfway to the right side of the view.
    angles = (azimuth, torch.atan2(sin, cos), VIEWS.hfov)
    left, right = view_grid(*angles, 1, 2, vfov=VIEWS.vfov)[:, :, 0].unbind(-2)
    seen = torch.where(VIEWS.hflip[..., None], left, right)
    ahead = direction(azimuth, torch.atan2(sin, cos))
    leftwards = direction(azimuth + math.pi / 2, torch.zeros_like(azimuth))
    expected = ahead + 0.5 * to_left[..., None] * leftwards
    assert torch.allclose(seen, expected / expected.norm(dim=-1, keepdim=True), atol=1e-5)
    assert torch.allclose(to_up.float(), -torch.tan(VIEWS.vfov / 2))


def test_poolings_are_those_of_all_views():
    for size in ((4, 4), (8, 8), (40, 40)):
        numbers = ViewNumbers.of(VIEWS, size, (64, 128))
        half = torch.tan(VIEWS.hfov.double() / 2), torch.tan(VIEWS.vfov.double() / 2)
        expected = pooling_of_view(*half, size, (64, 128), 8)
        assert torch.equal(numbers.pooling, expected.float())
        assert numbers.poolings == tuple(expected.unique().tolist())
