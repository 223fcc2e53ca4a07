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
LEAST_DIRECTIONS = 3.0


def decidable_scenes(
    seed: int, number: int, change: ChannelChange, duration_s: float
) -> Iterator[Scene]:
    """Yield scenes of two or three sources that a change moves by `LEAST_CHANGE` or more."""
    parameters = replace(
        PRESETS["default"], sources=(2, 3), still_fraction=0.2, max_elevation_deg=45.0
    )
    for index in count(number, 1000):
        scene = sample_scene(seed, index, parameters, duration_s)
        ways = scene.directions(np.linspace(0, duration_s, 20))[:, scene.sounding]
        cosine = np.sum((ways @ change.matrix.T) * ways, axis=-1)
        if change is AS_READ or np.arccos(np.clip(cosine, -1, 1)).mean() > LEAST_CHANGE:
            yield scene


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
    starts_s = np.arange(0, duration_s - within[-1], INTERVAL_S)
    frames = render(scene, np.add.outer(starts_s, within).reshape(-1), HEIGHT, WIDTH)
    for start_s in starts_s:
        luma = np.stack([next(frames) @ BT709_LUMA for _ in within])
        yield FrameTriplet(float(start_s), luma.astype(np.float32))
