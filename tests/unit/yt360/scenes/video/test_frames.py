from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from yt360.scenes.video.frames import cap_fragments, render, render_background, render_classes
from yt360.scenes.world.classes import CLASSES
from yt360.scenes.world.motion import Wander
from yt360.scenes.world.objects import SceneObject
from yt360.scenes.world.parameters import PLACES, PRESETS
from yt360.scenes.world.sampling import sample_scene
from yt360.scenes.world.scene import Scene
from yt360.sphere import equirect_grid, sample_equirect, view_grid

HEIGHT, WIDTH = 80, 160
MakeObject = Callable[..., SceneObject]
MakeScene = Callable[..., Scene]


def _picture(scene: Scene, time_s: float = 0.5, height: int = HEIGHT) -> np.ndarray:
    return next(iter(render(scene, np.array([time_s]), height, 2 * height))).astype(int)


def _hard_scenes() -> list[Scene]:
    """One scene with many objects for every place."""
    return [
        sample_scene(5, number, replace(PRESETS["hard"], places=(place,)), 2.0)
        for number, place in enumerate(PLACES)
    ]


@pytest.mark.parametrize("scene", _hard_scenes(), ids=PLACES)
def test_turning_a_scene_rolls_its_picture_and_classes(scene: Scene) -> None:
    columns = 37
    turned = scene.turned(-columns * 2 * np.pi / WIDTH)
    rolled = np.roll(_picture(scene), columns, axis=1)
    differs = np.abs(_picture(turned) - rolled).max(-1) > 6
    assert differs.mean() < 0.004, "only rounding at hard edges may differ"
    times = np.array([0.5])
    classes = render_classes(scene, times, HEIGHT, WIDTH)[0]
    turned_classes = render_classes(turned, times, HEIGHT, WIDTH)[0]
    assert (np.roll(classes, columns, axis=1) != turned_classes).mean() < 0.004


@pytest.mark.parametrize("scene", _hard_scenes(), ids=PLACES)
def test_the_seam_is_no_different_from_any_other_column(scene: Scene) -> None:
    picture = render_background(scene, HEIGHT, WIDTH).astype(int)
    steps = np.abs(picture - np.roll(picture, 1, axis=1)).mean((0, 2))
    assert steps[0] <= 1.5 * np.quantile(steps, 0.9) + 1


def test_an_object_on_the_seam_is_whole(place_object: MakeObject, make_scene: MakeScene) -> None:
    ball = place_object("sports ball", 180, 10)
    behind = _picture(make_scene(ball)) - render_background(make_scene(), HEIGHT, WIDTH)
    touched = np.abs(behind).max(-1) > 25
    assert touched[:, 0].any()
    assert touched[:, -1].any()
    front = replace(ball, motion=Wander(0.0, np.deg2rad(10)))
    other = render_classes(make_scene(front), np.array([0.5]), HEIGHT, WIDTH)[0] == 32
    seam = render_classes(make_scene(ball), np.array([0.5]), HEIGHT, WIDTH)[0] == 32
    np.testing.assert_array_equal(np.roll(seam, WIDTH // 2, axis=1), other)


@pytest.mark.parametrize("elevation_deg", [90, 84, -88, 45, 0])
def test_a_ball_is_round_in_a_view_anywhere_on_the_sphere(
    place_object: MakeObject, make_scene: MakeScene, elevation_deg: float
) -> None:
    scene = make_scene(place_object("sports ball", 60, elevation_deg))
    azimuth, elevation = np.deg2rad(60), np.deg2rad(elevation_deg)
    grid = view_grid(azimuth, elevation, np.deg2rad(60), 121, 121)
    inside = scene.class_at(grid.numpy(), 0.5) == 32
    assert inside.any()
    # The outline lies at 0.96 of the radius of 14°, on a plane that spans ±tan(30°).
    expected = np.tan(np.deg2rad(0.96 * 14)) / np.tan(np.deg2rad(30)) * 60.5
    rows, columns = np.nonzero(inside)
    radii = np.hypot(rows - 60, columns - 60)
    assert radii.max() == pytest.approx(expected, abs=1.0)
    assert inside.sum() == pytest.approx(np.pi * expected**2, rel=0.02)


@pytest.mark.parametrize("elevation_deg", [90, -88, 45])
def test_the_rendered_pixels_of_a_ball_are_round_in_a_view(
    place_object: MakeObject, make_scene: MakeScene, elevation_deg: float
) -> None:
    height = 160
    empty, filled = make_scene(), make_scene(place_object("sports ball", -130, elevation_deg))
    pictures = [torch.from_numpy(_picture(scene, height=height)) for scene in (empty, filled)]
    grid = view_grid(np.deg2rad(-130), np.deg2rad(elevation_deg), np.deg2rad(60), 81, 81)
    views = [
        sample_equirect(picture.permute(2, 0, 1).double(), grid.double()) for picture in pictures
    ]
    touched = ((views[1] - views[0]).abs().amax(0) > 25).numpy()
    rows, columns = np.nonzero(touched)
    expected = np.tan(np.deg2rad(0.96 * 14)) / np.tan(np.deg2rad(30)) * 40.5
    assert np.ptp(rows) == pytest.approx(2 * expected, abs=3.5)
    assert np.ptp(columns) == pytest.approx(2 * expected, abs=3.5)


def test_cap_fragments_hold_every_pixel_of_a_cap_once_and_few_others() -> None:
    generator = np.random.default_rng(1)
    directions = generator.standard_normal((12, 3))
    directions[:3] = [[0, 0, 1], [0, 0.02, -1], [-1, 1e-4, 0]]
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    radii = generator.uniform(0.05, 0.9, size=12)
    radii[5] = 0.0
    grid = equirect_grid(HEIGHT, WIDTH, dtype=torch.float64).numpy().reshape(-1, 3)
    fragments = cap_fragments(directions, radii, HEIGHT, WIDTH)
    found = np.zeros((12, HEIGHT * WIDTH), dtype=int)
    np.add.at(found, (fragments.frame, fragments.pixel), 1)
    angles = np.arccos(np.clip(directions @ grid.T, -1, 1))
    assert found.max() == 1
    assert (found[angles < radii[:, None] - 1e-9] == 1).all()
    assert (found[angles > radii[:, None] + 1e-6] == 0).all()


@pytest.mark.parametrize("scene", _hard_scenes(), ids=PLACES)
def test_class_maps_agree_with_the_picture_and_with_class_at(scene: Scene) -> None:
    scene = replace(scene, objects=tuple(replace(o, flashing=False) for o in scene.objects))
    classes = render_classes(scene, np.array([0.5]), HEIGHT, WIDTH)[0]
    grid = equirect_grid(HEIGHT, WIDTH).numpy()
    assert (scene.class_at(grid, 0.5) != classes).mean() < 1e-3
    # What the objects change lies on them, or just beside or below (edges and shadows).
    without = replace(scene, place=scene.place, objects=())
    changed = np.abs(_picture(scene) - _picture(without)).max(-1)
    things = classes < 80
    assert things.any()
    assert (changed[things] > 12).mean() > 0.85
    near = things
    for axis in (0, 1, 0, 1):
        near = near | np.roll(near, 1, axis) | np.roll(near, -1, axis)
    brighter = (_picture(scene) - _picture(without)).max(-1)
    assert brighter[~near].max() <= 2, "away from objects there are only shadows"


def test_nearer_objects_hide_farther_ones(place_object: MakeObject, make_scene: MakeScene) -> None:
    ball, clock = place_object("sports ball", 0, 0), place_object("clock", 4, 0)
    direction = np.array([1.0, 0.0, 0.0])
    for near, number in ((ball, 32), (clock, 74)):
        objects = [replace(o, distance_m=1.0 if o is near else 3.0) for o in (ball, clock)]
        assert make_scene(*objects).class_at(direction, 0.0) == number


def test_a_chunk_of_frames_equals_frames_one_by_one() -> None:
    scene = sample_scene(2, 3, PRESETS["hard"], 2.0)
    times = np.arange(5) / 4
    together = list(render(scene, times, 40, 80))
    for time, frame in zip(times, together, strict=True):
        alone = next(iter(render(scene, np.array([time]), 40, 80)))
        assert np.abs(frame.astype(int) - alone).max() <= 1


def test_objects_look_different_from_each_other(
    place_object: MakeObject, make_scene: MakeScene
) -> None:
    background = render_background(make_scene(), HEIGHT, WIDTH).astype(int)
    pictures = [_picture(make_scene(place_object(name, 0, 20)))[20:40, 70:90] for name in CLASSES]
    for number, first in enumerate(pictures):
        assert np.abs(first - background[20:40, 70:90]).mean() > 5
        for second in pictures[:number]:
            assert np.abs(first - second).mean() > 5
