"""The projections of the page are those of `yt360.sphere`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.viewer_site import viewer_page

from yt360.randomness import keyed_generator
from yt360.sphere import (
    azimuth_elevation,
    direction,
    direction_to_equirect,
    equirect_to_direction,
    view_grid,
    view_rotation,
)

CLOSE = {"rtol": 0.0, "atol": 1e-9}
LIBRARY = 'const p = await import("/static/viewer/projection.js");'


@pytest.fixture(scope="module")
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with viewer_page(browser, Path(tmp_path_factory.mktemp("site"))) as opened:
        yield opened


def run(page: Any, body: str, argument: object = None) -> np.ndarray:
    """Return what the body of a function of `a` returns, with the module's functions in `p`."""
    return np.array(page.evaluate(f"async (a) => {{ {LIBRARY} {body} }}", argument))


def angles(count: int, purpose: str) -> torch.Tensor:
    """Return (N, 3): azimuths, elevations and rolls on the whole sphere."""
    draws = keyed_generator(0, purpose).uniform(-1, 1, (count, 3))
    return torch.from_numpy(draws) * torch.tensor([torch.pi, torch.pi / 2, 1.0])


def test_directions_and_pixels_are_those_of_python(page):
    drawn = angles(50, "directions")
    ours = run(page, "return a.map(([x, y]) => p.direction(x, y));", drawn.tolist())
    theirs = direction(drawn[:, 0], drawn[:, 1])
    np.testing.assert_allclose(ours, theirs, **CLOSE)
    uv = run(page, "return a.map((v) => p.directionToEquirect(v));", theirs.tolist())
    np.testing.assert_allclose(uv, direction_to_equirect(theirs), **CLOSE)
    back = run(page, "return a.map((uv) => p.equirectToDirection(uv));", uv.tolist())
    np.testing.assert_allclose(back, equirect_to_direction(torch.from_numpy(uv)), **CLOSE)


def test_the_rotation_into_a_view_is_that_of_python(page):
    drawn = angles(50, "rotations")
    ours = run(page, "return a.map((each) => p.viewRotation(...each));", drawn.tolist())
    np.testing.assert_allclose(ours.reshape(-1, 3, 3), view_rotation(*drawn.T), **CLOSE)


def test_pixels_of_a_view_look_where_pixels_of_python_look(page):
    view = {"azimuth": 2.9, "elevation": -0.8, "roll": 0.3, "hfov": 1.7, "vfov": 0.9}
    height, width = 4, 6
    right = (np.arange(width) + 0.5) / width * 2 - 1
    up = 1 - (np.arange(height) + 0.5) / height * 2
    points = [[[x, y] for x in right] for y in up]
    rays = run(
        page,
        "return a[1].map((row) => row.map((at) => p.viewToDirection(a[0], at)));",
        [view, points],
    )
    named = {name: torch.tensor(value, dtype=torch.float64) for name, value in view.items()}
    theirs = view_grid(**named, height=height, width=width)
    ours = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    np.testing.assert_allclose(ours, theirs, **CLOSE)
    back = run(
        page,
        "return a[1].map((row) => row.map((v) => p.directionToView(a[0], v)));",
        [view, ours.tolist()],
    )
    np.testing.assert_allclose(back, points, **CLOSE)


def test_a_direction_behind_the_camera_is_not_in_its_picture(page):
    view = {"azimuth": 0.5, "elevation": 0.2, "hfov": 1.5, "vfov": 1.0}
    assert run(page, "return p.directionToView(a, p.direction(0.5 + Math.PI, 0.2));", view) == [
        None
    ]


def test_the_outline_of_a_frame_goes_through_its_corners_and_closes(page):
    view = {"azimuth": -2.0, "elevation": 0.7, "hfov": 1.0, "vfov": 0.8}
    at = run(page, "return p.frameOutline(a, 2).map((v) => p.directionToView(a, v));", view)
    corners = [[-1, 1], [0, 1], [1, 1], [1, 0], [1, -1], [0, -1], [-1, -1], [-1, 0], [-1, 1]]
    np.testing.assert_allclose(at, corners, **CLOSE)


def test_a_grasped_direction_stays_under_the_pointer(page):
    """From any view without roll, the view that has its own direction at the ray is the view."""
    drawn = angles(30, "drag") * torch.tensor([1.0, 0.5, 1.0])
    ours = run(
        page,
        """return a.map(([azimuth, elevation, shift]) => {
            const view = { azimuth, elevation, hfov: 1.6, vfov: 1.0 };
            const to = [0.7 * shift, -0.5 * shift];
            const grasped = p.viewToDirection(view, [0.2, 0.1]);
            const ray = [1, -to[0] * Math.tan(0.8), to[1] * Math.tan(0.5)];
            return p.directionToView({ ...view, ...p.viewWithDirectionAt(grasped, ray) }, grasped);
        });""",
        drawn.tolist(),
    )
    shift = drawn[:, 2:].numpy()
    np.testing.assert_allclose(ours, shift * [0.7, -0.5], rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("alpha", "beta", "gamma", "screen", "azimuth", "elevation", "roll"),
    [
        (0, 90, 0, 0, 0, 0, 0),  # upright, to the north
        (90, 90, 0, 0, 90, 0, 0),  # turned to the left
        (0, 120, 0, 0, 0, 30, 0),  # tilted back: looks up
        (0, 60, 0, 0, 0, -30, 0),
        (0, 0, -90, 90, -90, 0, 0),  # on its side: its right is up and its back is to the east
    ],
)
def test_a_held_device_looks_out_of_its_back(
    page, alpha, beta, gamma, screen, azimuth, elevation, roll
):
    held = np.deg2rad([alpha, beta, gamma, screen]).tolist()
    view = page.evaluate(f"async (a) => {{ {LIBRARY} return p.viewOfDevice(...a); }}", held)
    found = np.rad2deg([view["azimuth"], view["elevation"], view["roll"]])
    assert found == pytest.approx([azimuth, elevation, roll], abs=1e-6)


def test_an_eye_of_a_headset_sees_what_a_view_of_its_pose_sees(page):
    """The quaternion of a turn to the left by 1 and then a tilt up by 0.5 (WebXR's axes)."""
    rays = run(
        page,
        """const [turn, tilt] = [0.5, 0.25];
        const q = {
            w: Math.cos(turn) * Math.cos(tilt), x: Math.cos(turn) * Math.sin(tilt),
            y: Math.sin(turn) * Math.cos(tilt), z: -Math.sin(turn) * Math.sin(tilt),
        };
        const view = { azimuth: 1, elevation: 0.5, hfov: 1.6, vfov: 1.2 };
        const projection = new Array(16).fill(0);
        projection[0] = 1 / Math.tan(0.8);
        projection[5] = 1 / Math.tan(0.6);
        const pose = p.viewOfQuaternion(q);
        return [p.raysOfEye(projection, q), p.raysOfView(view),
                [pose.azimuth, pose.elevation, pose.roll]].map((each) => [...each]).flat();""",
    )
    np.testing.assert_allclose(rays[:9], rays[9:18], **CLOSE)
    np.testing.assert_allclose(rays[18:], [1, 0.5, 0], **CLOSE)


def test_the_azimuth_of_a_vector_is_that_of_python(page):
    vectors = torch.tensor([[0.0, 2.0, 0.0], [-3.0, 0.0, 0.0], [0.0, 0.0, 1.0], [1.0, -1.0, 1.0]])
    ours = run(page, "return a.map((v) => p.azimuthElevation(v));", vectors.tolist())
    np.testing.assert_allclose(ours, torch.stack(azimuth_elevation(vectors), -1), atol=1e-6)
