from __future__ import annotations

import numpy as np
import pytest

from yt360.scenes.world.motion import Orbit, sample_motion, upright_axes

TIMES = np.linspace(0, 10, 2001)


def _angle(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.arctan2(np.linalg.norm(np.cross(first, second), axis=-1), (first * second).sum(-1))


@pytest.mark.parametrize("limit_deg", [10, 30, 60])
def test_paths_keep_the_elevation_and_speed_limits_and_never_jump(limit_deg: int) -> None:
    generator = np.random.default_rng(limit_deg)
    limit, speed = np.deg2rad(limit_deg), np.deg2rad(40)
    kinds = set()
    for _ in range(60):
        motion = sample_motion(generator, limit, speed, still_fraction=0.2)
        azimuth, elevation = motion.angles(TIMES)
        assert np.abs(elevation).max() <= limit + 1e-9
        path = upright_axes(azimuth, elevation).forward
        rate = _angle(path[1:], path[:-1]) / (TIMES[1] - TIMES[0])
        assert rate.max() <= speed * 1.001
        kinds.add("still" if rate.max() < 1e-6 else type(motion).__name__)
    assert kinds == {"still", "Orbit", "Wander"}


def test_an_orbit_is_a_great_circle_at_constant_speed() -> None:
    orbit = Orbit(azimuth=0.7, inclination=0.5, phase=-3.0, rate=1.3)
    azimuth, elevation = orbit.angles(TIMES)
    path = upright_axes(azimuth, elevation).forward
    normals = np.cross(path[:-1], path[1:])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    np.testing.assert_allclose(normals, np.broadcast_to(normals[0], normals.shape), atol=1e-9)
    steps = _angle(path[1:], path[:-1])
    np.testing.assert_allclose(steps, 1.3 * (TIMES[1] - TIMES[0]), rtol=1e-9)
    assert np.abs(np.diff(azimuth)).max() < 0.05, "the azimuth must not wrap"
    assert elevation.max() == pytest.approx(0.5, abs=1e-4)


def test_frames_are_upright_and_orthonormal_with_left_at_growing_azimuth() -> None:
    azimuth, elevation = np.array([0.0, 2.0, -1.0]), np.array([0.0, 0.6, -1.2])
    axes = upright_axes(azimuth, elevation)
    matrix = np.stack(axes, axis=1)
    np.testing.assert_allclose(
        matrix @ matrix.transpose(0, 2, 1), np.eye(3)[None].repeat(3, 0), atol=1e-12
    )
    np.testing.assert_allclose(axes.right[0], [0, -1, 0], atol=1e-12)
    assert (axes.up[:, 2] > 0).all()


def test_nothing_moves_when_the_speed_is_zero() -> None:
    motion = sample_motion(np.random.default_rng(0), 0.5, 0.0, still_fraction=0.0)
    azimuth, elevation = motion.angles(TIMES)
    assert np.ptp(azimuth) == 0
    assert np.ptp(elevation) == 0
