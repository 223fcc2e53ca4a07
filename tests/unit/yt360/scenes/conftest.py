"""Scenes with objects just where a test wants them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from yt360.scenes.audio.voices import SoundSource, sample_onsets
from yt360.scenes.world.classes import CLASSES
from yt360.scenes.world.motion import Wander
from yt360.scenes.world.objects import SceneObject
from yt360.scenes.world.parameters import SceneParameters, choose_parameters
from yt360.scenes.world.sampling import sample_scene
from yt360.scenes.world.scene import Scene

DURATION_S = 2.0


@pytest.fixture
def quiet() -> SceneParameters:
    """Parameters of scenes without noise, reverberation or ambience."""
    return choose_parameters("default", ["noise_db=none"])


@pytest.fixture
def place_object() -> Callable[..., SceneObject]:
    """Make an object of a class at azimuth and elevation in degrees; keywords change it."""

    def make(name: str, azimuth_deg: float, elevation_deg: float, **changes: object) -> SceneObject:
        generator = np.random.default_rng(7)
        kind, voice = CLASSES[name], CLASSES[name].voice
        source = None
        if voice is not None:
            onsets, period = sample_onsets(generator, voice, DURATION_S)
            source = SoundSource(voice, onsets, period, pitch=1.0)
        item = SceneObject(
            kind=kind,
            motion=Wander(np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg)),
            radius=np.deg2rad(14),
            distance_m=2.0,
            hue_shift=0.0,
            facing=1,
            spin=0.0,
            tilt=(0.0, 0.2),
            flashing=False,
            level_db=0.0,
            source=source,
        )
        return replace(item, **changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def make_scene(quiet: SceneParameters) -> Callable[..., Scene]:
    """Make a scene with given objects in a place of the given kind."""

    def make(*objects: SceneObject, place: str = "meadow", seed: int = 0) -> Scene:
        drawn = sample_scene(seed, 0, replace(quiet, places=(place,)), DURATION_S)
        return replace(drawn, objects=objects)

    return make
