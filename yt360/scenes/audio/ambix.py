"""Renders the sound of a scene as ambiX, in step with its picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from yt360.ambisonics.transforms import encode
from yt360.scenes.audio import diffuse, reverberation
from yt360.scenes.audio.voices import synthesize
from yt360.scenes.world.motion import frame
from yt360.scenes.world.objects import SceneObject
from yt360.scenes.world.scene import Scene

Array = NDArray[np.floating]
# Mean power of the loud moments of a source of level 0 dB, in dB under full scale.
REFERENCE_DBFS = -24.0
HIGHEST_PEAK = 0.95
# Directions are computed at this pace and interpolated for every sample between.
CONTROL_S = 0.005


class SceneSound(NamedTuple):
    """The sound of a scene: ambiX (4, S), float32, and the gain that kept it from clipping."""

    ambix: NDArray[np.float32]
    gain_db: float


def render_sound(scene: Scene, num_samples: int, sample_rate_hz: int) -> SceneSound:
    """Return the sound of a scene; sample k belongs to the moment k / sample_rate_hz."""
    times = np.arange(num_samples) / sample_rate_hz
    sources = [(number, item) for number, item in enumerate(scene.objects) if item.sounding]
    dry = [_voice(scene, number, item, num_samples, sample_rate_hz) for number, item in sources]
    ambix = np.zeros((4, num_samples), dtype=np.float32)
    for (_, item), sound in zip(sources, dry, strict=True):
        ambix += _encoded(sound, _directions(scene, item, times), times)
    if scene.reverberation_s > 0:
        objects = [item for _, item in sources]
        ambix += _reverberant(scene, objects, dry, times, sample_rate_hz)
    ambix += _everywhere(scene, times, sample_rate_hz)
    gain = min(1.0, HIGHEST_PEAK / max(float(np.abs(ambix).max()), 1e-9))
    return SceneSound(ambix * np.float32(gain), float(20 * np.log10(gain)))


class _Path(NamedTuple):
    """Values at a slow pace: moments (C,) and what they hold, (C, ...)."""

    times: Array
    values: Array

    def at(self, times: Array) -> NDArray[np.float32]:
        """Interpolate linearly at `times` (S,), so that nothing jumps between samples."""
        columns = self.values.reshape(len(self.times), -1).T
        found = [np.interp(times, self.times, column).astype(np.float32) for column in columns]
        return np.stack(found, -1).reshape(len(times), *self.values.shape[1:])


def _control_times(times: Array) -> Array:
    return np.arange(0, times[-1] + 2 * CONTROL_S, CONTROL_S)


def _directions(scene: Scene, item: SceneObject, times: Array) -> _Path:
    control = _control_times(times)
    azimuth, elevation = item.motion.angles(control)
    return _Path(control, frame(azimuth + scene.yaw, elevation).forward)


def _encoded(sound: NDArray[np.float32], directions: _Path, times: Array) -> NDArray[np.float32]:
    every = torch.from_numpy(directions.at(times))
    return encode(torch.from_numpy(sound), every).numpy()


def _voice(
    scene: Scene, number: int, item: SceneObject, num_samples: int, sample_rate_hz: int
) -> NDArray[np.float32]:
    assert item.kind.voice is not None, "sources have voices"
    sound = synthesize(
        scene.generator("voice", number),
        item.kind.voice,
        item.onsets,
        item.period_s,
        item.pitch,
        num_samples,
        sample_rate_hz,
    )
    return sound * np.float32(10 ** ((REFERENCE_DBFS + item.level_db) / 20))


def _everywhere(scene: Scene, times: Array, sample_rate_hz: int) -> NDArray[np.float32]:
    """Return diffuse noise and ambience (4, S), or zeros where the scene has none."""
    parameters = scene.parameters
    num_samples = len(times)
    frequencies = diffuse.spectrum_frequencies(num_samples, sample_rate_hz)
    ambix = np.zeros((4, num_samples), dtype=np.float32)
    if parameters.noise_db is not None:
        level = np.float32(10 ** ((REFERENCE_DBFS + parameters.noise_db) / 20))
        shape = diffuse.pink_db(frequencies)
        ambix += level * diffuse.isotropic(scene.generator("noise"), shape, num_samples)
    if parameters.ambience_db is not None:
        cue = ambience_cue(scene)
        generator = scene.generator("ambience")
        level = np.float32(10 ** ((REFERENCE_DBFS + parameters.ambience_db) / 20))
        shape = diffuse.ambience_db(frequencies, cue)
        sound = diffuse.isotropic(generator, shape, num_samples)
        ambix += level * sound * diffuse.swell(generator, cue, times)
    return ambix


def ambience_cue(scene: Scene) -> tuple[float, float, float]:
    """Return what shapes a scene's ambience: the place's own cue, or one that is unrelated."""
    if scene.parameters.ambience_cue:
        return scene.place.cue
    first, second, third = scene.generator("ambience cue").random(3)
    return float(first), float(second), float(third)


def _reverberant(
    scene: Scene,
    sources: list[SceneObject],
    dry: list[NDArray[np.float32]],
    times: Array,
    sample_rate_hz: int,
) -> NDArray[np.float32]:
    """Return the reflections and the tail (4, S) of all sources."""
    room = reverberation.room_of(scene.place, scene.reverberation_s)
    ambix = np.zeros((4, len(times)), dtype=np.float32)
    total = np.zeros(len(times), dtype=np.float32)
    for item, sound in zip(sources, dry, strict=True):
        path = _directions(scene, item, times)
        # The room is described before the scene's turn about the vertical axis.
        positions = (path.values @ scene.turn) * item.distance_m
        for directions, delay, gain in reverberation.images(room, positions):
            late = _Path(path.times, np.stack([delay * sample_rate_hz, gain], -1)).at(times)
            echo = reverberation.delayed(sound, late[:, 0]) * late[:, 1]
            ambix += _encoded(echo, _Path(path.times, directions @ scene.turn.T), times)
        total += sound * np.float32(item.distance_m / room.critical_m)
    return ambix + reverberation.tail(scene.generator("tail"), room, total, sample_rate_hz)
