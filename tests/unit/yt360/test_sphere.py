"""Laws of directions, rotations, equirectangular images and gnomonic views."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from yt360 import sphere

RADIANS = math.pi / 180
DIRECTIONS = [(0, 0), (90, 0), (-90, 0), (180, 0), (33, 21), (-140, -65), (12, 90), (0, -90)]


def scene(directions: torch.Tensor) -> torch.Tensor:
    """A smooth colour picture defined on the sphere by formula: (..., 3) -> (3, ...)."""
    x, y, z = directions.unbind(-1)
    return torch.stack([0.5 + 0.4 * x * y, 0.5 + 0.3 * y + 0.1 * z * z, 0.5 + 0.3 * z - 0.2 * x])


def random_angles(count: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    azimuth = (torch.rand(count, dtype=dtype) * 2 - 1) * math.pi
    elevation = torch.asin(torch.rand(count, dtype=dtype) * 2 - 1)
    return azimuth, elevation


def test_convention_axes_are_front_left_up():
    azimuth = torch.tensor([0.0, 90.0, -90.0, 0.0]) * RADIANS
    elevation = torch.tensor([0.0, 0.0, 0.0, 90.0]) * RADIANS
    expected = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1]])
    torch.testing.assert_close(sphere.direction(azimuth, elevation), expected)


def test_convention_equirect_left_quarter_is_azimuth_plus_90():
    uv = torch.tensor([[0.5, 0.5], [0.25, 0.5], [0.75, 0.5], [0.5, 0.0]])
    expected = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1]])
    torch.testing.assert_close(sphere.equirect_to_direction(uv), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equirect_to_direction_and_back_is_the_identity(dtype):
    uv = torch.rand(500, 2, dtype=dtype) * 0.98 + 0.01
    back = sphere.direction_to_equirect(sphere.equirect_to_direction(uv))
    assert back.dtype == dtype
    torch.testing.assert_close(back, uv, atol=2e-6, rtol=0)


def test_angles_to_direction_and_back_is_the_identity():
    azimuth, elevation = random_angles(200)
    back = sphere.azimuth_elevation(sphere.direction(azimuth, elevation))
    torch.testing.assert_close(back, (azimuth, elevation))


def test_equirect_grid_holds_the_directions_of_pixel_centres():
    grid = sphere.equirect_grid(4, 8, dtype=torch.float64)
    azimuth, elevation = sphere.azimuth_elevation(grid)
    torch.testing.assert_close(azimuth[0, :2] / RADIANS, torch.tensor([157.5, 112.5]).double())
    torch.testing.assert_close(elevation[:2, 0] / RADIANS, torch.tensor([67.5, 22.5]).double())


def test_view_rotation_is_a_rotation_and_brings_its_direction_to_the_front():
    azimuth, elevation = random_angles(100)
    rotation = sphere.view_rotation(azimuth, elevation, roll=0.3)
    eye = torch.eye(3, dtype=torch.float64).expand(100, 3, 3)
    torch.testing.assert_close(rotation @ rotation.transpose(-1, -2), eye)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(100, dtype=torch.float64))
    ahead = rotation @ sphere.direction(azimuth, elevation)[..., None]
    torch.testing.assert_close(ahead[..., 0], eye[:, 0])


def test_convention_view_keeps_left_on_the_left_and_up_upwards():
    azimuth, elevation = torch.tensor(0.7), torch.tensor(0.4)
    rotation = sphere.view_rotation(azimuth, elevation)
    to_the_left = rotation @ sphere.direction(azimuth + 0.1, elevation)
    above = rotation @ sphere.direction(azimuth, elevation + 0.1)
    assert to_the_left[1] > 0.05
    assert above[2] > 0.05
    assert abs(above[1]) < 1e-6


def test_convention_positive_roll_turns_the_camera_clockwise():
    rotation = sphere.view_rotation(0.0, 0.0, roll=0.5)
    up_in_view = rotation @ torch.tensor([0.0, 0.0, 1.0])
    # A camera that leans to its right sees "up" lean to its left (+y).
    assert up_in_view[1] > 0.4


def test_middle_of_a_view_is_its_direction():
    azimuth, elevation = random_angles(50)
    grid = sphere.view_grid(azimuth, elevation, 1.2, 5, 7, roll=0.4)
    expected = sphere.direction(azimuth, elevation)
    torch.testing.assert_close(grid[:, 2, 3], expected)


def test_edges_of_a_view_span_its_field_of_view():
    width = 1001
    grid = sphere.view_grid(0.3, -0.2, torch.tensor(math.pi / 2, dtype=torch.float64), 3, width)
    corner_to_corner = sphere.angle_between(grid[1, 0], grid[1, -1]) / RADIANS
    assert corner_to_corner == pytest.approx(90, abs=0.1)  # pixel centres lie half a pixel inside


def test_vertical_field_of_view_is_honoured_when_given():
    vfov = torch.tensor(40 * RADIANS, dtype=torch.float64)
    grid = sphere.view_grid(0.0, 0.0, 1.5, 1001, 3, vfov=vfov)
    assert sphere.angle_between(grid[0, 1], grid[-1, 1]) / RADIANS == pytest.approx(40, abs=0.1)


@pytest.mark.parametrize("hfov", [0.0, -1.0, math.pi, 7.0])
def test_impossible_field_of_view_fails(hfov):
    with pytest.raises(ValueError, match="hfov must be between 0 and pi"):
        sphere.view_grid(0.0, 0.0, hfov, 4, 4)


@pytest.mark.parametrize(("azimuth", "elevation"), DIRECTIONS)
def test_view_of_a_drawn_scene_agrees_with_its_formula(azimuth, elevation):
    """Everywhere on the sphere: across the seam and over both poles."""
    panorama = scene(sphere.equirect_grid(160, 320, dtype=torch.float64))
    grid = sphere.view_grid(
        torch.tensor(azimuth * RADIANS, dtype=torch.float64),
        elevation * RADIANS,
        math.pi / 2,
        64,
        64,
    )
    view = sphere.sample_equirect(panorama, grid)
    torch.testing.assert_close(view, scene(grid), atol=2e-3, rtol=0)


def test_view_across_the_seam_equals_the_view_of_the_rolled_image():
    image = torch.rand(3, 32, 64, dtype=torch.float64)
    behind = sphere.view_grid(torch.tensor(math.pi, dtype=torch.float64), 0.2, 1.4, 24, 24)
    front = sphere.view_grid(torch.tensor(0.0, dtype=torch.float64), 0.2, 1.4, 24, 24)
    rolled = image.roll(32, -1)
    torch.testing.assert_close(
        sphere.sample_equirect(image, behind), sphere.sample_equirect(rolled, front)
    )


def test_sampling_at_pixel_centres_returns_the_image():
    image = torch.rand(2, 8, 16, dtype=torch.float64)
    grid = sphere.equirect_grid(8, 16, dtype=torch.float64)
    torch.testing.assert_close(sphere.sample_equirect(image, grid), image)
    labels = torch.randint(0, 134, (1, 8, 16), dtype=torch.uint8)
    assert torch.equal(sphere.sample_equirect(labels, grid, "nearest"), labels)


def test_sampling_broadcasts_views_over_frames():
    frames = torch.rand(5, 1, 3, 8, 16, dtype=torch.float64)
    azimuth = torch.tensor([0.0, 1.0], dtype=torch.float64)
    grid = sphere.view_grid(azimuth, 0.1, 1.0, 4, 6)
    views = sphere.sample_equirect(frames, grid)
    assert views.shape == (5, 2, 3, 4, 6)
    torch.testing.assert_close(views[3, 1], sphere.sample_equirect(frames[3, 0], grid[1]))


def test_odd_width_fails():
    with pytest.raises(ValueError, match="even width, not 15"):
        sphere.sample_equirect(torch.rand(1, 8, 15), sphere.equirect_grid(4, 8))


def test_angle_between_is_exact_near_0_and_pi():
    first = sphere.direction(torch.tensor(0.0, dtype=torch.float64), 0.0)
    for angle in (1e-7, 0.5, math.pi - 1e-7):
        second = sphere.direction(torch.tensor(angle, dtype=torch.float64), 0.0)
        assert float(sphere.angle_between(first, second)) == pytest.approx(angle, rel=1e-6)


@pytest.mark.real
@pytest.mark.parametrize(
    ("azimuth", "looks_like"),
    [
        (0, lambda r, g, b: b > r + 40 and b > g + 20),
        (-90, lambda r, _, b: r > b + 60),
        (90, lambda r, g, b: r > g + 30 and r > b + 30 and r < 200),
    ],
    ids=["blue ball in front", "red-yellow target on the right", "dark red square on the left"],
)
def test_test_room_shows_its_landmarks_where_they_are(real_data: Path, azimuth, looks_like):
    picture = np.array(Image.open(real_data / "panorama" / "test-room-mono.jpg").convert("RGB"))
    image = torch.from_numpy(picture).permute(2, 0, 1).double()
    grid = sphere.view_grid(torch.tensor(azimuth * RADIANS, dtype=torch.float64), 0.0, 0.05, 16, 16)
    red, green, blue = sphere.sample_equirect(image, grid).mean((1, 2)).tolist()
    assert looks_like(red, green, blue), (red, green, blue)


@pytest.mark.parametrize("margin", [1, 2, 4])
def test_padding_continues_an_image_over_the_seam_and_the_poles(margin):
    image = torch.randint(0, 256, (2, 3, 8, 16), dtype=torch.uint8)
    padded = sphere.pad_sphere(image, margin)
    assert padded.dtype == torch.uint8 and padded.shape == (2, 3, 8 + 2 * margin, 16 + 2 * margin)
    for row in range(-margin, 8 + margin):
        for column in range(-margin, 16 + margin):
            beyond = not 0 <= row < 8
            mirrored = -1 - row if row < 0 else 15 - row if row > 7 else row
            expected = image[..., mirrored, (column + 8 * beyond) % 16]
            assert torch.equal(padded[..., row + margin, column + margin], expected)
