"""Renders the audio of a scene as ambiX, in sync with its video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from yt360.ambisonics.transforms import encode
from yt360.scenes.audio import diffuse, reverberation
from yt360.scenes.audio.voices import SoundSource, synthesize
from yt360.scenes.world.objects import SceneObject
from yt360.scenes.world.scene import Scene

Array = NDArray[np.floating]
# Mean power of the loud frames of a source of level 0 dB, in dBFS.
REFERENCE_DBFS = -24.0
HIGHEST_PEAK = 0.95
# Directions are computed at this interval and interpolated for the samples between.
CONTROL_S = 0.005


class SceneAudio(NamedTuple):
    """The audio of a scene: ambiX (4, S), and the gain that keeps it from clipping."""

    ambix: NDArray[np.float32]
    gain_db: float


def render_audio(scene: Scene, num_samples: int, sample_rate_hz: int) -> SceneAudio:
    """Return the audio of a scene; sample k is heard at the time k / sample_rate_hz."""
    times = np.arange(num_samples) / sample_rate_hz
    dry = {
        item: _dry(scene.generator("voice", number), item, item.source, num_samples, sample_rate_hz)
        for number, item in enumerate(scene.objects)
        if item.source is not None
    }
    ambix = np.zeros((4, num_samples), dtype=np.float32)
    for item, signal in dry.items():
        ambix += _encoded(signal, _directions(scene, item, times), times)
    if scene.reverberation_s > 0:
        ambix += _reverberant(scene, dry, times, sample_rate_hz)
    ambix += _isotropic(scene, times, sample_rate_hz)
    gain = min(1.0, HIGHEST_PEAK / max(float(np.abs(ambix).max()), 1e-9))
    return SceneAudio(ambix * np.float32(gain), float(20 * np.log10(gain)))


class _Path(NamedTuple):
    """Values (C, ...) at times (C,)."""

    times: Array
    values: Array

    def at(self, times: Array) -> NDArray[np.float32]:
        """Return values (S, ...) at `times` (S,), interpolated linearly."""
        columns = self.values.reshape(len(self.times), -1).T
        found = [np.interp(times, self.times, column).astype(np.float32) for column in columns]
        return np.stack(found, -1).reshape(len(times), *self.values.shape[1:])


def _directions(scene: Scene, item: SceneObject, times: Array) -> _Path:
    control = np.arange(0, times[-1] + 2 * CONTROL_S, CONTROL_S)
    return _Path(control, scene.axes_of(item, control).forward)


def _encoded(signal: NDArray[np.float32], directions: _Path, times: Array) -> NDArray[np.float32]:
    return encode(torch.from_numpy(signal), torch.from_numpy(directions.at(times))).numpy()


def _amplitude(level_db: float) -> np.float32:
    return np.float32(10 ** ((REFERENCE_DBFS + level_db) / 20))


def _dry(
    generator: np.random.Generator,
    item: SceneObject,
    source: SoundSource,
    num_samples: int,
    sample_rate_hz: int,
) -> NDArray[np.float32]:
    signal = synthesize(generator, source, num_samples, sample_rate_hz)
    return signal * _amplitude(item.level_db)


def _isotropic(scene: Scene, times: Array, sample_rate_hz: int) -> NDArray[np.float32]:
    """Return noise and ambience (4, S) from all directions; zeros if the scene has none."""
    parameters = scene.parameters
    num_samples = len(times)
    frequencies = diffuse.spectrum_frequencies(num_samples, sample_rate_hz)
    ambix = np.zeros((4, num_samples), dtype=np.float32)
    if parameters.noise_db is not None:
        shape = diffuse.pink_db(frequencies)
        noise = diffuse.isotropic(scene.generator("noise"), shape, num_samples)
        ambix += _amplitude(parameters.noise_db) * noise
    if parameters.ambience_db is not None:
        cue, generator = ambience_cue(scene), scene.generator("ambience")
        shape = diffuse.ambience_db(frequencies, cue)
        ambience = diffuse.isotropic(generator, shape, num_samples)
        level = _amplitude(parameters.ambience_db)
        ambix += level * ambience * diffuse.swell(generator, cue, times)
    return ambix


def ambience_cue(scene: Scene) -> tuple[float, float, float]:
    """Return the cue of the ambience of a scene: that of the place, or a random one."""
    if scene.parameters.ambience_cue:
        return scene.place.cue
    instance = scene.pool.draw(scene.generator("ambience cue"), "ambience")
    first, second, third = instance.random(3)
    return float(first), float(second), float(third)


def _reverberant(
    scene: Scene,
    dry: Mapping[SceneObject, NDArray[np.float32]],
    times: Array,
    sample_rate_hz: int,
) -> NDArray[np.float32]:
    """Return the reflections and the tail (4, S) of all sources, given their dry signals."""
    room = reverberation.room_of(scene.place, scene.reverberation_s)
    ambix = np.zeros((4, len(times)), dtype=np.float32)
    total = np.zeros(len(times), dtype=np.float32)
    for item, signal in dry.items():
        path = _directions(scene, item, times)
        # The room is described before the rotation of the scene.
        positions = (path.values @ scene.turn) * item.distance_m
        for directions, delay, gain in reverberation.images(room, positions):
            late = _Path(path.times, np.stack([delay * sample_rate_hz, gain], -1)).at(times)
            echo = reverberation.delayed(signal, late[:, 0]) * late[:, 1]
            ambix += _encoded(echo, _Path(path.times, directions @ scene.turn.T), times)
        total += signal * np.float32(item.distance_m / room.critical_m)
    return ambix + reverberation.tail(scene.generator("tail"), room, total, sample_rate_hz)
