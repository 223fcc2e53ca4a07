from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from yt360.scenes.audio.ambix import ambience_cue
from yt360.scenes.world.parameters import PRESETS, PoolName, SceneParameters, described
from yt360.scenes.world.sampling import sample_scene
from yt360.scenes.world.scene import Scene

CLAIMS = PRESETS["claims"]


def _scenes(pool: PoolName, count: int = 60, **changes: object) -> list[Scene]:
    parameters = replace(CLAIMS, pool=pool, instances=8, **changes)  # type: ignore[arg-type]
    return [sample_scene(0, index, parameters, 2.0) for index in range(count)]


def _instances(scenes: list[Scene]) -> dict[str, set[tuple[object, ...]]]:
    """Return the instances in scenes by what they are, described by their values."""
    objects = [item for scene in scenes for item in scene.objects]
    places = [scene.place for scene in scenes]
    return {
        "looks": {
            (item.kind.name, item.hue_shift, item.radius, item.facing, item.spin, item.tilt)
            for item in objects
        },
        "voices": {
            (item.kind.name, item.source.period_s, item.source.pitch)
            for item in objects
            if item.source
        },
        "places": {(place.name, place.light, place.mood) for place in places},
        "rooms": {(scene.place.name, scene.reverberation_s) for scene in scenes},
        "ambiences": {ambience_cue(scene) for scene in scenes},
    }


@pytest.mark.parametrize("cue", [True, False])
def test_scenes_for_training_and_testing_share_no_instance(cue: bool) -> None:
    train, test = (_instances(_scenes(pool, ambience_cue=cue)) for pool in ("train", "test"))
    for what, values in train.items():
        assert values.isdisjoint(test[what]), what
        # Nor is any single number the same.
        numbers, others = (
            {x for x in chain.from_iterable(each) if isinstance(x, float)}
            for each in (values, test[what])
        )
        if not (what == "ambiences" and cue):  # two of its numbers are a kind of place and of light
            assert numbers.isdisjoint(others), what


def test_instances_are_used_again_also_with_another_seed() -> None:
    known = _instances(_scenes("train", 200))
    assert len(known["voices"]) == 8 * 10
    parameters = replace(CLAIMS, pool="train", instances=8)
    again = _instances([sample_scene(1, index, parameters, 2.0) for index in range(10)])
    assert again["voices"] <= known["voices"]
    assert again["looks"] <= known["looks"]


def test_scenes_of_one_index_in_different_pools_differ_in_all() -> None:
    names, starts = set(), []
    for pool in ("all", "train", "test"):
        scene = _scenes(pool, 1)[0]
        names.add(scene.name)
        starts += scene.directions(np.zeros(1))[0].round(6).tolist()
    assert names == {"scene-0000-0000", "scene-train-0000-0000", "scene-test-0000-0000"}
    assert len({tuple(each) for each in starts}) == len(starts)


def test_the_number_of_instances_has_no_effect_on_the_pool_all() -> None:
    few, many = (sample_scene(0, 0, replace(CLAIMS, instances=n), 2.0) for n in (1, 64))
    np.testing.assert_array_equal(few.directions(np.zeros(1)), many.directions(np.zeros(1)))


@pytest.mark.parametrize(
    ("preset", "digest"),
    [("easy", "c51e51ad295f73b7"), ("default", "75f05dc0dcc7cd50"), ("hard", "f997bbf34eab8d97")],
)
def test_scenes_without_pools_are_those_of_former_versions(preset: str, digest: str) -> None:
    values: list[float] = []
    for index in range(5):
        scene = sample_scene(3, index, PRESETS[preset], 2.0)
        values += [scene.place.mood, scene.reverberation_s, *ambience_cue(scene)]
        for item in scene.objects:
            values += [item.radius, item.hue_shift, item.spin, *item.tilt, item.level_db]
            values += [item.source.pitch, *item.onsets] if item.source else []
        values += scene.directions(np.array([0.0, 1.0])).ravel().tolist()
    text = " ".join(f"{value:.6f}" for value in values)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


def test_descriptions_of_scenes_without_pools_do_not_mention_them() -> None:
    assert not described(SceneParameters()).keys() & {"pool", "instances"}
    assert described(replace(CLAIMS, pool="test"))["pool"] == "test"
