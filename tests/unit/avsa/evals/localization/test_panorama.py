"""Maps of views are laid back on the panorama where the crop took them from."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.errors import user_error

from avsa.evals.localization.panorama import RINGS, covering_views, lay_back, peak
from yt360.sphere import angle_between, direction, equirect_grid, view_grid

SIDE, ROWS, COLUMNS = 24, 90, 180
GRID = equirect_grid(ROWS, COLUMNS, dtype=torch.float64)
PIXEL = math.radians(180 / ROWS)


@pytest.fixture(scope="module")
def views():
    return covering_views(80.0)


def pixels(views):
    """Return the directions (V, SIDE, SIDE, 3) of the pixels of all views."""
    azimuth, elevation = views.centers()
    return view_grid(azimuth, elevation, views.hfov, SIDE, SIDE)


# At the front, at the seam, near both poles and on the pole, and between views.
@pytest.mark.parametrize(
    ("azimuth_deg", "elevation_deg"),
    [(1, 1), (179.5, 10), (-179.5, -30), (30, 85), (-150, -88), (0, 90), (22, 33), (100, -45)],
)
def test_what_all_views_see_in_a_direction_peaks_there(views, azimuth_deg, elevation_deg):
    target = direction(*(torch.tensor(math.radians(a), dtype=torch.float64)
                         for a in (azimuth_deg, elevation_deg)))  # fmt: skip
    seen = torch.exp(8 * (pixels(views) @ target - 1))
    laid = lay_back(seen[:, None], views, ROWS, COLUMNS)[0]
    assert angle_between(peak(laid), target) < 1.5 * PIXEL
    assert torch.allclose(laid, torch.exp(8 * (GRID @ target - 1)), atol=0.02)


# In front, behind, above and below; corners, edges and the middle.
@pytest.mark.parametrize(
    ("view", "row", "column"), [(0, 12, 11), (4, 0, 0), (9, 3, 23), (15, 23, 9), (4, 11, 12)]
)
def test_a_pixel_of_one_view_lies_where_the_grid_of_the_view_says(views, view, row, column):
    maps = torch.zeros(len(views), 1, SIDE, SIDE, dtype=torch.float64)
    maps[view, 0, row, column] = 1
    laid = lay_back(maps, views, 2 * ROWS, 2 * COLUMNS)[0]
    grid = equirect_grid(2 * ROWS, 2 * COLUMNS, dtype=torch.float64)
    centre = pixels(views)[view, row, column]
    # Bilinear interpolation reaches to the next pixels, and not beyond.
    corner = 2 * math.tan(views.hfov / 2) / SIDE * math.sqrt(2)
    assert angle_between(grid[laid > 0], centre).max() < corner + PIXEL / 2
    assert laid.flatten()[angle_between(grid, centre).argmin()] > 0


def test_equal_maps_stay_equal_and_the_result_is_linear(views):
    maps = torch.rand(2, len(views), 3, 5, 5, dtype=torch.float64)
    ones = lay_back(torch.ones_like(maps[0]), views, ROWS, COLUMNS)
    assert torch.allclose(ones, torch.ones_like(ones))
    parts = [lay_back(each, views, ROWS, COLUMNS) for each in maps]
    assert torch.allclose(lay_back(maps.sum(0), views, ROWS, COLUMNS), sum(parts))


def test_a_map_without_evidence_has_no_peak():
    assert peak(torch.zeros(4, 8)) is None


def test_small_views_that_leave_gaps_are_refused():
    with user_error("out-of-range", "hfov_deg"):
        covering_views(60.0)
    assert len(covering_views(72.0)) == len(RINGS)
