import math

import numpy as np
import pytest
import torch

from yt360.ambisonics.energy_overlay import (
    FLOOR_DB,
    OPACITY,
    SHOWN_DB,
    energy_db,
    energy_overlay,
    inferno,
    peak_deg,
    shown_range_db,
)
from yt360.ambisonics.transforms import encode
from yt360.sphere import angle_between, direction, equirect_grid

SIZE = 90, 180
GREY = np.full((*SIZE, 3), 100, np.uint8)


def plane_wave(azimuth, elevation):
    noise = torch.randn(2400, generator=torch.Generator().manual_seed(0))
    return encode(noise, direction(azimuth, elevation))


@pytest.mark.parametrize("azimuth_deg", [-86.0, 20.0, 179.0])
@pytest.mark.parametrize("elevation_deg", [-61.0, 0.0, 17.0])
def test_the_level_of_a_plane_wave_is_that_of_a_cardioid(azimuth_deg, elevation_deg):
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    level_db = energy_db(plane_wave(azimuth, elevation), *SIZE)
    angle = angle_between(equirect_grid(*SIZE), direction(azimuth, elevation)).numpy()
    gain_db = 20 * np.log10(np.maximum((1 + np.cos(angle)) / 2, 10 ** (FLOOR_DB / 20)))
    np.testing.assert_allclose(level_db[angle < 2], gain_db[angle < 2], atol=0.05)
    assert level_db.max() == 0 and level_db.min() >= FLOOR_DB
    assert peak_deg(level_db) == pytest.approx((azimuth_deg, elevation_deg), abs=1.5)
    drawn = energy_overlay(GREY, level_db)
    brightest = drawn[..., 1] == drawn[..., 1].max()
    assert brightest[level_db == 0].all() and level_db[brightest].min() > -0.05
    assert (drawn[level_db <= -SHOWN_DB] == 100).all()


def test_the_loudest_direction_has_the_brightest_color_and_the_quietest_none():
    level_db = np.linspace(-6, 0, SIZE[1], dtype=np.float32)[None].repeat(SIZE[0], 0)
    assert shown_range_db(level_db) == -6
    drawn = energy_overlay(GREY, level_db)
    assert (drawn[:, 0] == 100).all()
    loudest = 100 * (1 - OPACITY) + inferno(np.ones(1))[0] * OPACITY
    assert np.abs(drawn[:, -1] - loudest).max() <= 1


def test_silence_draws_nothing():
    level_db = energy_db(torch.zeros(4, 100), *SIZE)
    assert (level_db == FLOOR_DB).all()
    assert (energy_overlay(GREY, level_db) == GREY).all()
