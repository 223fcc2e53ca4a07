"""Turning a sound field about the vertical axis."""

import math

import numpy as np
import pytest
import torch

from yt360.ambisonics.transforms import rotate_to_view
from yt360.ambisonics.turning import turn_to_front


@pytest.mark.parametrize("azimuth_deg", [0.0, 90.0, -37.5, 180.0])
def test_it_is_the_rotation_to_a_view_without_elevation(azimuth_deg):
    ambix = np.random.default_rng(0).normal(size=(4, 20))
    expected = rotate_to_view(torch.from_numpy(ambix), math.radians(azimuth_deg), 0.0)
    np.testing.assert_allclose(turn_to_front(ambix, azimuth_deg), expected, atol=1e-6)
    assert turn_to_front(ambix.astype(np.float32), 1.0).dtype == np.float32
