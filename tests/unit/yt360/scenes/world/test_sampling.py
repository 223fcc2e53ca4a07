from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.errors import user_error

from yt360.scenes.video.places import sample_place
from yt360.scenes.world.classes import (
    CLASSES,
    SILENT_CLASSES,
    SOUNDING_CLASSES,
    STUFF,
)
from yt360.scenes.world.parameters import PLACES, PRESETS, SceneParameters, choose_parameters
from yt360.scenes.world.sampling import sample_scene, scene_name
from yt360.sphere import equirect_grid


@pytest.mark.parametrize("preset", PRESETS)
def test_scenes_keep_to_their_parameters(preset: str) -> None:
    parameters = PRESETS[preset]
    times = np.linspace(0, 10, 51)
    flashing = sources = 0
    for index in range(40):
        scene = sample_scene(0, index, parameters)
        sounding = [item for item in scene.objects if item.source]
        silent = [item.kind.name for item in scene.objects if not item.source]
        assert parameters.sources[0] <= len(sounding) <= parameters.sources[1]
        names = [item.kind.name for item in sounding]
        assert len(set(names)) == len(names), "sources are of different classes"
        assert set(names) <= set(SOUNDING_CLASSES)
        lookalikes = sum(name in SOUNDING_CLASSES for name in silent)
        distractors = sum(name in SILENT_CLASSES for name in silent)
        assert parameters.lookalikes[0] <= lookalikes <= parameters.lookalikes[1]
        assert parameters.distractors[0] <= distractors <= parameters.distractors[1]
        elevation = np.rad2deg(np.arcsin(scene.directions(times)[..., 2]))
        assert np.abs(elevation).max() <= parameters.max_elevation_deg + 1e-6
        assert parameters.reverberation_s[0] <= scene.reverberation_s
        assert scene.reverberation_s <= parameters.reverberation_s[1]
        for item in scene.objects:
            assert parameters.radius_deg[0] <= np.rad2deg(item.radius) <= parameters.radius_deg[1]
            assert item.source or not item.flashing
        flashing += sum(item.flashing for item in sounding)
        sources += len(sounding)
    assert flashing / sources == pytest.approx(parameters.flashing_fraction, abs=0.17)


def test_scenes_of_one_seed_differ_and_their_places_vary() -> None:
    scenes = [sample_scene(0, index, PRESETS["default"]) for index in range(40)]
    assert {scene.place.name for scene in scenes} == set(PLACES)
    first = [tuple(np.round(scene.directions(np.zeros(1)).ravel(), 6)) for scene in scenes]
    assert len(set(first)) == len(first)
    assert sample_scene(1, 0, PRESETS["default"]).place.mood != scenes[0].place.mood


def test_most_objects_never_meet() -> None:
    times = np.linspace(0, 10, 81)
    meetings = pairs = 0
    for index in range(30):
        scene = sample_scene(0, index, PRESETS["default"])
        directions = scene.directions(times)
        for a in range(len(scene.objects)):
            for b in range(a):
                cosine = (directions[:, a] * directions[:, b]).sum(-1).max()
                gap = np.arccos(min(cosine, 1)) - scene.objects[a].radius - scene.objects[b].radius
                meetings += gap < -0.02
                pairs += 1
    assert meetings / pairs < 0.05


def test_no_scene_name_reads_as_a_clip_of_another_video() -> None:
    clip_name = re.compile(r"^[A-Za-z0-9_-]{11}-\d+$")
    for seed in (0, 7, 9999, 10_000, 12_345, 99_999, 123_456, 10**9):
        for index in (0, 7, 9999, 10_000, 123_456):
            assert not clip_name.match(scene_name(seed, index))
    assert scene_name(3, 17) == "scene-0003-0017"


def test_negative_seeds_are_refused() -> None:
    with user_error("out-of-range", "seed"):
        sample_scene(-1, 0, SceneParameters())


@pytest.mark.parametrize("name", PLACES)
def test_places_have_sky_or_ceiling_above_and_their_ground_below(name: str) -> None:
    above = {"hall": "ceiling"}.get(name, "sky")
    below = {
        "meadow": "grass",
        "desert": "sand",
        "snow": "snow",
        "city": "pavement",
        "sea": "sea",
        "hall": "floor-wood",
    }[name]
    place = sample_place(np.random.default_rng(0), name)
    up_down = np.array([[0, 0, 1.0], [0, 0, -1.0]])
    assert list(place.classes(up_down)) == [STUFF[above], STUFF[below]]
    classes = place.classes(equirect_grid(60, 120).numpy())
    assert set(np.unique(classes)) <= set(STUFF.values())
    colours = place.paint(equirect_grid(60, 120).numpy(), np.pi / 60)
    assert np.isfinite(colours).all()
    assert 0 <= colours.min() <= colours.max() <= 1
    assert colours.std() > 0.02


def test_places_of_a_kind_differ_in_colour_everywhere() -> None:
    grid = equirect_grid(20, 40).numpy()
    moods = [sample_place(np.random.default_rng(k), "meadow") for k in range(8)]
    means = np.array([p.paint(grid, np.pi / 20).reshape(2, -1, 3).mean(1) for p in moods])
    for half in range(2):
        gaps = np.abs(means[:, None, half] - means[None, :, half]).max(-1)
        assert np.median(gaps) > 0.08


def test_class_numbers_are_those_of_the_panoptic_list(real_data) -> None:
    names = (real_data / "yt360-release" / "panoptic-classes.txt").read_text().splitlines()
    for item in CLASSES.values():
        assert names[item.number].strip() == item.name
    for name, number in STUFF.items():
        assert names[number].strip().removesuffix("-other-merged").removesuffix("-merged") in (
            name,
            f"{name}-stuff",
        )


def test_objects_in_a_hall_stay_inside_it() -> None:
    parameters = replace(PRESETS["hard"], places=("hall",))
    times = np.linspace(0, 10, 41)
    for index in range(15):
        scene = sample_scene(0, index, parameters)
        hall = scene.place.backdrop
        for number, item in enumerate(scene.objects):
            path = scene.directions(times)[:, number] * item.distance_m
            assert (np.abs(path[:, :2]) < hall.half_size_m).all()
            assert path[:, 2].max() < hall.ceiling_m
            assert path[:, 2].min() > -1.6


def test_parameters_change_only_what_they_name() -> None:
    first = sample_scene(0, 5, PRESETS["default"])
    second = sample_scene(0, 5, choose_parameters("default", ["noise_db=-5", "ambience_db=0"]))
    times = np.linspace(0, 10, 5)
    np.testing.assert_array_equal(first.directions(times), second.directions(times))
    assert first.place.mood == second.place.mood
