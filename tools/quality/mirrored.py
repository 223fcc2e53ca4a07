"""Made scenes whose channels are exchanged or inverted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from yt360.media.video.frame_triplets import FRAME_STEP_S, FRAMES_PER_TRIPLET, FrameTriplet
from yt360.media.video.tone_mapping import BT709_LUMA
from yt360.quality.signal.channel_changes import AS_READ, ChannelChange
from yt360.scenes.audio.ambix import render_audio
from yt360.scenes.video.frames import render
from yt360.scenes.world.parameters import PRESETS
from yt360.scenes.world.sampling import sample_scene
from yt360.scenes.world.scene import Scene

RATE_HZ = 24_000
HEIGHT, WIDTH = 144, 288
INTERVAL_S = 1.25
LEAST_CHANGE = np.radians(45)


def make_scene(seed: int, number: int, change: ChannelChange, duration_s: float) -> Scene:
    """Return a scene of one to three sources and silent objects, in which a change is audible.

    Most sources move. The change moves them by `LEAST_CHANGE` or more on average.
    """
    parameters = replace(
        PRESETS["default"], sources=(1, 3), still_fraction=0.2, max_elevation_deg=45.0
    )
    for index in count(number, 1000):
        scene = sample_scene(seed, index, parameters, duration_s)
        ways = scene.directions(np.linspace(0, duration_s, 20))[:, scene.sounding]
        cosine = np.sum((ways @ change.matrix.T) * ways, axis=-1)
        if change is AS_READ or np.arccos(np.clip(cosine, -1, 1)).mean() > LEAST_CHANGE:
            return scene
    raise AssertionError


def changed_audio(scene: Scene, change: ChannelChange, duration_s: float) -> NDArray[np.float32]:
    """Return the audio (4, S) of a scene as stored with exchanged or inverted channels."""
    audio = render_audio(scene, round(duration_s * RATE_HZ), RATE_HZ).ambix
    xyz = [3, 1, 2]
    stored = audio.copy()
    stored[xyz] = change.matrix.T.astype(np.float32) @ audio[xyz]
    return stored


def triplets(scene: Scene, duration_s: float) -> Iterator[FrameTriplet]:
    """Yield the frame triplets of a scene."""
    within = FRAME_STEP_S * np.arange(FRAMES_PER_TRIPLET)
    for start_s in np.arange(0, duration_s - within[-1], INTERVAL_S):
        frames = np.stack(list(render(scene, start_s + within, HEIGHT, WIDTH)))
        yield FrameTriplet(float(start_s), (frames @ BT709_LUMA).astype(np.float32))
