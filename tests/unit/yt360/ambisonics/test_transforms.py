"""Laws of encoding, rotation and beams."""

from __future__ import annotations

import math

import pytest
import torch

from yt360 import sphere
from yt360.ambisonics import transforms as ambisonics

S = 64


def sources(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Signals (count, S) and unit vectors (count, 3)."""
    vectors = torch.randn(count, 3, dtype=torch.float64)
    vectors = vectors / vectors.norm(dim=-1, keepdim=True)
    return torch.randn(count, S, dtype=torch.float64), vectors


def test_convention_channels_are_w_y_z_x():
    signal = torch.ones(1, dtype=torch.float64)
    left = ambisonics.encode(signal, sphere.direction(torch.tensor(math.pi / 2).double(), 0.0))
    up = ambisonics.encode(signal, sphere.direction(torch.tensor(0.0).double(), math.pi / 2))
    front = ambisonics.encode(signal, sphere.direction(torch.tensor(0.0).double(), 0.0))
    expected = torch.tensor([[1.0, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]]).double()
    torch.testing.assert_close(torch.stack([left, up, front])[..., 0], expected)


@pytest.mark.parametrize(
    ("azimuth", "elevation"),
    [(0.8, 0.0), (0.0, 0.6), (0.8, 0.6), (-2.5, -1.1)],
    ids=["yaw", "pitch", "yaw and pitch", "yaw and pitch, behind and below"],
)
def test_rotating_coefficients_equals_rotating_directions(azimuth, elevation):
    signal, vectors = sources(6)
    rotation = sphere.view_rotation(torch.tensor(azimuth).double(), elevation, roll=0.2)
    field = ambisonics.encode(signal, vectors).sum(0)
    turned = ambisonics.encode(signal, vectors @ rotation.T).sum(0)
    torch.testing.assert_close(ambisonics.rotate(field, rotation), turned)


def test_source_in_a_views_direction_has_only_w_and_x():
    signal, _ = sources(1)
    azimuth, elevation = torch.tensor(2.1).double(), torch.tensor(-0.7).double()
    field = ambisonics.encode(signal[0], sphere.direction(azimuth, elevation))
    w, y, z, x = ambisonics.rotate_to_view(field, azimuth, elevation)
    zero = torch.zeros(S, dtype=torch.float64)
    torch.testing.assert_close(y, zero)
    torch.testing.assert_close(z, zero)
    torch.testing.assert_close(x, w)


def test_rotation_keeps_energy():
    field = torch.randn(5, 4, S, dtype=torch.float64)
    turned = ambisonics.rotate_to_view(field, torch.randn(5).double(), torch.randn(5).double())
    torch.testing.assert_close(turned[:, 0], field[:, 0])
    torch.testing.assert_close(turned.square().sum(1), field.square().sum(1))


def test_rotation_commutes_with_the_fourier_transform():
    field = torch.randn(4, S, dtype=torch.float64)
    first = torch.fft.rfft(ambisonics.rotate_to_view(field, 0.4, 0.9))
    last = ambisonics.rotate_to_view(torch.fft.rfft(field), 0.4, 0.9)
    torch.testing.assert_close(first, last)


def test_moving_source_equals_still_sources_sample_by_sample():
    signal, vectors = sources(S)
    moving = ambisonics.encode(signal[0], vectors)
    still = torch.stack([ambisonics.encode(signal[0], v)[:, i] for i, v in enumerate(vectors)], -1)
    torch.testing.assert_close(moving, still)


def test_beam_has_unit_gain_ahead_and_a_cardioid_none_behind():
    signal, vectors = sources(1)
    field = ambisonics.encode(signal[0], vectors[0])
    for pattern in (0.0, 0.25, 0.5, 1.0):
        torch.testing.assert_close(ambisonics.beam(field, vectors[0], pattern), signal[0])
    silent = torch.zeros(S, dtype=torch.float64)
    torch.testing.assert_close(ambisonics.beam(field, -vectors[0]), silent)


def test_energy_map_is_the_power_of_beams_and_peaks_at_the_source():
    signal, _ = sources(1)
    truth = sphere.direction(torch.tensor(1.3).double(), -0.4)
    field = ambisonics.encode(signal[0], truth)
    energies = ambisonics.energy_map(field, 36, 72)
    grid = sphere.equirect_grid(36, 72, dtype=torch.float64)
    slow = ambisonics.beam(field, grid.reshape(-1, 3)).square().mean(-1).reshape(36, 72)
    torch.testing.assert_close(energies, slow)
    loudest = grid.reshape(-1, 3)[energies.argmax()]
    assert float(sphere.angle_between(loudest, truth)) < math.radians(5)


def test_dtype_is_kept():
    field = torch.randn(4, S)
    assert ambisonics.rotate_to_view(field, 0.1, 0.2).dtype == torch.float32
    assert ambisonics.energy_map(field.double(), 4, 8).dtype == torch.float64
