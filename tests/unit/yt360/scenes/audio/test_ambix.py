from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from yt360.ambisonics.transforms import beam, energy_map
from yt360.scenes.audio import diffuse, reverberation
from yt360.scenes.audio.ambix import ambience_cue, render_audio
from yt360.scenes.video.frames import render
from yt360.scenes.world.motion import Wander
from yt360.scenes.world.objects import SceneObject
from yt360.scenes.world.parameters import SceneParameters, choose_parameters
from yt360.scenes.world.sampling import sample_scene
from yt360.scenes.world.scene import Scene
from yt360.sphere import angle_between, equirect_grid

RATE = 24000
MakeObject = Callable[..., SceneObject]
MakeScene = Callable[..., Scene]


def _ambix(scene: Scene, duration_s: float = 2.0) -> np.ndarray:
    return render_audio(scene, int(duration_s * RATE), RATE).ambix


def test_the_loudest_direction_follows_the_source(quiet: SceneParameters) -> None:
    one = replace(quiet, sources=(1, 1), distractors=(2, 2), max_elevation_deg=50.0)
    grid = equirect_grid(60, 120).reshape(-1, 3)
    for index in range(6):
        scene = sample_scene(11, index, one, 6.0)
        ambix = torch.from_numpy(_ambix(scene, 6.0))
        assert list(scene.sounding) == [True, False, False]
        for time in (0.8, 2.9, 5.2):
            around = ambix[:, int((time - 0.4) * RATE) : int((time + 0.4) * RATE)]
            loudest = grid[int(energy_map(around, 60, 120).argmax())]
            path = scene.directions(np.linspace(time - 0.4, time + 0.4, 9))[:, 0]
            errors = angle_between(loudest[None].double(), torch.from_numpy(path))
            # Half a pixel of the map, diagonally, is about 2°.
            assert np.rad2deg(float(errors.min())) < 3


def test_picture_and_sound_point_the_same_way(
    place_object: MakeObject, make_scene: MakeScene
) -> None:
    scene = make_scene(place_object("boat", 90, 20))
    ambix = torch.from_numpy(_ambix(scene))
    left_up = torch.tensor([0.0, np.cos(0.349), np.sin(0.349)], dtype=torch.float32)
    toward, away = (beam(ambix, d).square().mean() for d in (left_up, -left_up))
    assert toward > 1000 * away
    assert scene.class_at(left_up.numpy(), 1.0) == 8


def test_turning_a_scene_rotates_its_sound(quiet: SceneParameters) -> None:
    scene = sample_scene(3, 1, replace(quiet, reverberation_s=(0.4, 0.4)), 1.0)
    dry = replace(scene, reverberation_s=0.0)
    w, y, z, x = _ambix(dry, 1.0)
    turned = _ambix(dry.turned(np.pi / 2), 1.0)
    np.testing.assert_allclose(turned, np.stack([w, x, z, -y]), atol=1e-5)
    # Reflections turn, too; the tail, which has no direction, cancels in differences.
    by_0, by_90, by_180 = (_ambix(scene.turned(turns * np.pi / 2), 1.0) for turns in range(3))
    w, y, z, x = by_90 - by_0
    assert np.abs(y).max() > 0.01
    np.testing.assert_allclose(by_180 - by_90, np.stack([w, x, z, -y]), atol=1e-4)


def test_a_moving_source_has_no_steps_between_samples(
    place_object: MakeObject, make_scene: MakeScene
) -> None:
    moving = place_object("boat", 0, 0, motion=Wander(0.0, 0.3, turn=2.0))
    scene = make_scene(moving)
    w, y, z, x = _ambix(scene).astype(np.float64)
    loud = np.abs(w) > 0.02
    w, y, z, x = w[loud], y[loud], z[loud], x[loud]
    times = (np.arange(2 * RATE) / RATE)[loud]
    np.testing.assert_allclose(np.unwrap(np.arctan2(y / w, x / w)), 2.0 * times, atol=2e-4)
    np.testing.assert_allclose(z / w, np.sin(0.3), atol=2e-4)


def test_onsets_are_heard_and_seen_within_one_frame(
    place_object: MakeObject, make_scene: MakeScene
) -> None:
    clock = place_object("clock", 0, 0, flashing=True)
    scene = make_scene(clock)
    w = np.abs(_ambix(scene)[0])
    fps = 30
    times = np.arange(2 * fps) / fps
    middle = [frame[28:52, 68:92].mean() for frame in render(scene, times, 80, 160)]
    onsets = clock.onsets[(clock.onsets > 0.1) & (clock.onsets < 1.9)]
    assert len(onsets) >= 4
    for onset in onsets:
        start = int(onset * RATE)
        assert w[start : start + 240].max() > 20 * w[start - 480 : start - 2].max()
        frame = int(np.ceil(onset * fps))
        assert middle[frame] > middle[frame - 1] + 8, "the first frame after the onset is brighter"


def test_flashing_shows_onsets_and_resting_objects_do_not_flash(
    place_object: MakeObject,
) -> None:
    times = np.linspace(0, 2, 400)
    clock = place_object("clock", 0, 0, flashing=True)
    assert clock.flash(clock.onsets).min() == 1
    assert clock.flash(clock.onsets - 1e-3)[1:].max() < 0.5
    assert place_object("clock", 0, 0).flash(times).max() == 0
    assert place_object("donut", 0, 0, flashing=True).flash(times).max() == 0


def test_isotropic_noise_has_the_covariance_of_a_diffuse_field() -> None:
    count = 60001
    frequencies = diffuse.spectrum_frequencies(count, RATE)
    noise = diffuse.isotropic(np.random.default_rng(0), diffuse.pink_db(frequencies), count)
    assert noise.shape == (4, count)
    covariance = noise @ noise.T / count
    np.testing.assert_allclose(covariance, np.diag([1, 1 / 3, 1 / 3, 1 / 3]), atol=0.05)


def test_levels_are_relative_to_a_source(
    place_object: MakeObject, make_scene: MakeScene, quiet: SceneParameters
) -> None:
    source = _ambix(make_scene(place_object("boat", 0, 0)))[0]
    noisy = replace(quiet, noise_db=-12.0)
    noise = _ambix(replace(make_scene(), parameters=noisy, objects=()))[0]
    frames = np.square(source[: 40 * 1200]).reshape(40, 1200).mean(-1)
    loud = np.sort(frames)[36:].mean()
    assert 10 * np.log10(np.square(noise).mean() / loud) == pytest.approx(-12, abs=0.6)


def test_the_ambience_is_a_function_of_the_background_only_when_it_is_a_cue() -> None:
    frequencies = np.linspace(100, 8000, 400)

    def shapes(cue: str) -> list[tuple[tuple[float, float, float], np.ndarray]]:
        parameters = choose_parameters("default", ["ambience_db=-3", f"ambience_cue={cue}"])
        scenes = [sample_scene(1, index, parameters, 1.0) for index in range(30)]
        return [
            (scene.place.cue, diffuse.ambience_db(frequencies, ambience_cue(scene)))
            for scene in scenes
        ]

    for place_cue, shape in shapes("true"):
        np.testing.assert_array_equal(shape, diffuse.ambience_db(frequencies, place_cue))
    free = shapes("false")
    assert all(
        np.abs(shape - diffuse.ambience_db(frequencies, place_cue)).max() > 1
        for place_cue, shape in free
    )


def test_a_near_cue_gives_a_near_ambience_also_around_the_circle_of_hues() -> None:
    frequencies = np.linspace(100, 8000, 400)
    first, second, far = (
        diffuse.ambience_db(frequencies, (0.5, 0.5, hue)) for hue in (0.001, 0.999, 0.5)
    )
    assert np.abs(first - second).max() < 0.5
    assert np.abs(first - far).max() > 6


def test_reflections_come_from_mirrored_places_later_and_weaker() -> None:
    room = reverberation.Room(((1, 3.0), (2, -1.6)), 0.8, 0.5, 1.5, 0.005)
    left, floor = reverberation.images(room, np.array([[2.0, 0.0, 0.0]]))
    np.testing.assert_allclose(left[0][0], np.array([2, 6, 0]) / np.sqrt(40), atol=1e-9)
    assert left[1][0] == pytest.approx((np.sqrt(40) - 2) / 343)
    assert left[2][0] == pytest.approx(0.8 * 2 / np.sqrt(40))
    np.testing.assert_allclose(floor[0][0], np.array([2, 0, -3.2]) / np.hypot(2, 3.2), atol=1e-9)


@pytest.mark.parametrize("seconds", [0.3, 0.8])
def test_the_tail_falls_by_60_db_in_the_reverberation_time(seconds: float) -> None:
    room = reverberation.Room((), 0.5, seconds, 1.5, 0.01)
    click = np.zeros(2 * RATE, dtype=np.float32)
    click[0] = 1
    wet = reverberation.tail(np.random.default_rng(0), room, click, RATE)
    # Low tones carry the stated time; the knee lies above.
    spectrum = np.fft.rfft(wet[0])
    spectrum[int(1000 / RATE * len(wet[0])) :] = 0
    low = np.fft.irfft(spectrum)
    energy = np.cumsum(np.square(low[::-1]))[::-1]
    decay_db = 10 * np.log10(energy / energy[0])
    start, end = (np.argmax(decay_db < level) for level in (-5, -25))
    assert 3 * (end - start) / RATE == pytest.approx(seconds, rel=0.2)
    np.testing.assert_allclose(np.square(wet).sum(-1), [1, 1 / 3, 1 / 3, 1 / 3], rtol=0.35)


def test_delaying_by_whole_samples_shifts() -> None:
    sound = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    late = reverberation.delayed(sound, np.full(100, 7.0))
    np.testing.assert_allclose(late[7:], sound[:-7], atol=1e-6)
    np.testing.assert_allclose(late[:7], 0)


def test_loud_scenes_are_turned_down_and_say_so(
    place_object: MakeObject, make_scene: MakeScene
) -> None:
    sound = render_audio(make_scene(place_object("boat", 0, 0, level_db=40.0)), RATE, RATE)
    assert np.abs(sound.ambix).max() == pytest.approx(0.95, abs=1e-3)
    assert sound.gain_db < -10
