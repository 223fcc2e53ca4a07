"""Every set of views shows the whole sphere, and agrees with the camera of `yt360.sphere`."""

import math

import pytest
import torch
from helpers.errors import user_error

from yt360.labels.sphere.fusion import make_fusion_table
from yt360.labels.sphere.views import VIEW_SETS, ViewSet, view_set
from yt360.sphere import equirect_grid


@pytest.mark.parametrize("views", VIEW_SETS.values(), ids=lambda views: views.name)
@pytest.mark.parametrize("height", [2, 30, 161])
def test_every_pixel_is_in_some_view(views, height):
    grid = equirect_grid(height, 2 * height, dtype=torch.float64)
    assert views.in_view(grid)[1].any(0).all()


def test_a_hole_is_noticed():
    with user_error("invalid", key="--views"):
        make_fusion_table(ViewSet("front", ((0.0, 0.0),), 90), 16, 60, 120)


@pytest.mark.parametrize("views", VIEW_SETS.values(), ids=lambda views: views.name)
def test_a_pixel_of_a_view_is_found_again_where_it_was(views):
    side = 8
    directions = views.directions(side)
    for number in range(len(views)):
        plane, inside = views.in_view(directions[number])
        assert inside[number].all()
        columns = ((plane[number, ..., 0] + 1) * side / 2).floor()
        rows = ((plane[number, ..., 1] + 1) * side / 2).floor()
        assert (columns == torch.arange(side)).all()
        assert (rows == torch.arange(side)[:, None]).all()


def test_what_lies_behind_is_in_no_front_view():
    views = ViewSet("front", ((0.0, 0.0),), 120)
    behind = torch.tensor([[-1.0, 0.0, 0.0], [-1.0, 0.1, 0.1], [0.0, 1.0, 0.0]]).double()
    assert not views.in_view(behind)[1].any()


def test_the_rim_lies_at_half_the_field_of_view():
    views = ViewSet("front", ((0.0, 0.0),), 100)
    angle = torch.tensor([49.9, 50.1], dtype=torch.float64).deg2rad()
    directions = torch.stack([angle.cos(), angle.sin(), torch.zeros(2).double()], -1)
    assert views.in_view(directions)[1].tolist() == [[True, False]]
    assert views.hfov == pytest.approx(math.radians(100))


def test_an_unknown_set_is_told_the_nearest():
    with user_error("unknown-name", key="--views"):
        view_set("cube90")
