"""Labelled four-channel audio: true ambiX, and audio that resembles it.

Fields have the gains of ambiX, of real microphones or of N3D. The kinds that are not ambiX occur
in practice: loudspeaker mixes, copied or permuted channels, stereo put into two channels, a voice
mixed over a recording.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from quality import sound_microphones as microphones
from quality.sound_fields import AudioArray, Room, any_scene, scene
from quality.sound_sources import Signal, any_source, music, noise, smooth, voice


@dataclass(frozen=True)
class AudioExample:
    """One labelled piece of audio.

    Attributes:
        kind: A key of `KINDS`.
        audio: (4, S), the channels of a file in the order W, Y, Z, X; peak below 1.
        rate_hz: Sampling rate.
        spatial: The outcome and reason that the spatial-audio check should give.
        post_production: Whether audio was mixed over the scene; None for audio that is not ambiX.
        facts: Random settings, for the list of errors.
    """

    kind: str
    audio: AudioArray
    rate_hz: int
    spatial: str
    post_production: bool | None
    facts: dict[str, float] = field(default_factory=dict)


Maker = Callable[[np.random.Generator, int, int], tuple[AudioArray, dict[str, float]]]


def _n3d(
    rng: np.random.Generator, samples: int, rate_hz: int
) -> tuple[AudioArray, dict[str, float]]:
    audio, facts = any_scene(rng, samples, rate_hz)
    return audio * np.array([1, 3, 3, 3])[:, None] ** 0.5, facts


def _horizontal(
    rng: np.random.Generator, samples: int, rate_hz: int
) -> tuple[AudioArray, dict[str, float]]:
    """A valid recording whose sources are on the horizon, so that Z is silent."""
    audio = scene(rng, int(rng.integers(2, 6)), samples, rate_hz, Room(), -80.0, 0.0)
    audio[2] = 0
    return audio, {}


def _quad(
    rng: np.random.Generator, samples: int, rate_hz: int
) -> tuple[AudioArray, dict[str, float]]:
    """Four loudspeakers around the listener: panned sources, and ambience of its own in each."""
    audio = np.zeros((4, samples))
    corners = np.radians([45, -45, 135, -135])
    for _ in range(int(rng.choice([2, 4, 8]))):
        azimuth = rng.uniform(-np.pi, np.pi)
        gains = np.maximum(np.cos(azimuth - corners), 0) ** 1.0
        signal = 10 ** (rng.uniform(-10, 0) / 20) * any_source(rng, samples, rate_hz)
        audio += gains[:, None] / np.linalg.norm(gains) * signal
    ambience_db = float(rng.choice([-40, -20, -5]))
    audio += 10 ** (ambience_db / 20) * np.stack([noise(rng, samples, rate_hz) for _ in range(4)])
    return audio[rng.permutation(4)], {"ambience_db": ambience_db}


def _film_mix(
    rng: np.random.Generator, samples: int, rate_hz: int
) -> tuple[AudioArray, dict[str, float]]:
    """A 5.1 film mix taken for YouTube's ambisonic 5.1: (FC, FR, BL, FL) as W, Y, Z, X."""
    left, right = music(rng, samples, rate_hz), music(rng, samples, rate_hz)
    middle = any_source(rng, samples, rate_hz)
    width = float(rng.uniform(0.2, 1))
    front = np.stack([middle + width * left, middle + width * right])
    surround_db = float(rng.uniform(-25, -3))
    surround = 10 ** (surround_db / 20) * np.stack(
        [noise(rng, samples, rate_hz), noise(rng, samples, rate_hz)]
    )
    front += 0.3 * surround
    dialogue = 10 ** (rng.uniform(-6, 6) / 20) * voice(rng, samples, rate_hz)
    return np.stack([dialogue, front[1], surround[0], front[0]]), {
        "width": width, "surround_db": surround_db,
    }  # fmt: skip


def _mono_copies(
    rng: np.random.Generator, samples: int, rate_hz: int
) -> tuple[AudioArray, dict[str, float]]:
    mono = any_source(rng, samples, rate_hz) + any_source(rng, samples, rate_hz)
    gains = 10 ** (rng.uniform(-1, 1, 4) / 20) if rng.random() < 0.3 else np.ones(4)
    return gains[:, None] * mono, {"gains_differ": float(gains.std() > 0)}


def _shuffled(
    rng: np.random.Generator, samples: int, rate_hz: int
) -> tuple[AudioArray, dict[str, float]]:
    """True ambiX with another channel in the place of W.

    Scenes of one or two sources are left out: a lone source straight ahead has X = W, and nothing
    can tell the two apart.
    """
    facts = {"sources": 0.0}
    while facts["sources"] < 3:
        audio, facts = any_scene(rng, samples, rate_hz)
    order = rng.permutation(4)
    while order[0] == 0:
        order = rng.permutation(4)
    return audio[order], facts | {"first": float(order[0])}


def _stereo(rng: np.random.Generator, samples: int, rate_hz: int) -> AudioArray:
    """Return an amplitude-panned stereo mix (2, S) with some width."""
    audio = np.zeros((2, samples))
    for _ in range(int(rng.integers(3, 7))):
        angle = rng.uniform(0, np.pi / 2)
        gains = np.array([np.cos(angle), np.sin(angle)])
        audio += gains[:, None] * any_source(rng, samples, rate_hz)
    wide = np.stack([noise(rng, samples, rate_hz) for _ in range(2)])
    return np.asarray(audio + 10 ** (rng.uniform(-40, -6) / 20) * wide)


def _stereo_in_w_y(
    rng: np.random.Generator, samples: int, rate_hz: int
) -> tuple[AudioArray, dict[str, float]]:
    """Stereo in the first two channels, as left and right or as middle and side."""
    left, right = _stereo(rng, samples, rate_hz)
    middle_side = rng.random() < 0.5
    pair = ((left + right) / 2, (left - right) / 2) if middle_side else (left, right)
    silent = np.zeros(samples)
    return np.stack([pair[0], pair[1], silent, silent]), {"middle_side": float(middle_side)}


def _mono_in_w(
    rng: np.random.Generator, samples: int, rate_hz: int
) -> tuple[AudioArray, dict[str, float]]:
    audio = np.zeros((4, samples))
    audio[0] = any_source(rng, samples, rate_hz) + any_source(rng, samples, rate_hz)
    leak_db = float(rng.choice([-200, -50, -35]))
    audio[1:] += 10 ** (leak_db / 20) * rng.standard_normal((3, samples))
    return audio, {"leak_db": leak_db}


def _unrelated(
    rng: np.random.Generator, samples: int, rate_hz: int
) -> tuple[AudioArray, dict[str, float]]:
    """Four unrelated signals (stems, lapel microphones)."""
    levels_db = rng.uniform(-12, 0, 4)
    audio = np.stack([any_source(rng, samples, rate_hz) for _ in range(4)])
    return audio * 10 ** (levels_db[:, None] / 20), {}


def _voice_over(
    rng: np.random.Generator, samples: int, rate_hz: int
) -> tuple[AudioArray, dict[str, float]]:
    """A narrator or music in W alone over a valid scene, for a good part of the time."""
    audio, facts = any_scene(rng, samples, rate_hz)
    level_db = float(rng.uniform(0, 9))
    maker = voice if rng.random() < 0.6 else music
    fraction = float(rng.uniform(0.3, 0.8))
    start = int(rng.uniform(0, 1 - fraction) * samples)
    over = np.zeros(samples)
    length = int(fraction * samples)
    over[start : start + length] = maker(rng, length, rate_hz)
    over *= _edges(samples, start, start + length, rate_hz)
    scene_rms = np.sqrt(np.mean(audio[0] ** 2))
    audio[0] += 10 ** (level_db / 20) * scene_rms * over
    return audio, facts | {"over_db": level_db, "over_share": fraction}


def _stereo_bed(
    rng: np.random.Generator, samples: int, rate_hz: int
) -> tuple[AudioArray, dict[str, float]]:
    """Stereo music over a valid scene, put into W and Y as middle and side."""
    audio, facts = any_scene(rng, samples, rate_hz)
    shared = music(rng, samples, rate_hz) + 0.5 * voice(rng, samples, rate_hz)
    left = shared + 0.7 * music(rng, samples, rate_hz)
    right = shared + 0.7 * music(rng, samples, rate_hz)
    level_db = float(rng.uniform(0, 6))
    gain = 10 ** (level_db / 20) * np.sqrt(np.mean(audio[0] ** 2) / np.mean(shared**2))
    audio[0] += gain * (left + right) / 2
    audio[1] += gain * (left - right) / 2
    return audio, facts | {"over_db": level_db}


KINDS: dict[str, tuple[Maker, str, bool | None]] = {
    "ambix": (any_scene, "ok", False),
    "horizontal": (_horizontal, "ok", False),
    "h2n": (microphones.h2n, "ok", False),
    "camera-mics": (microphones.camera_mics, "ok", False),
    "w-low": (microphones.w_low, "ok", False),
    "near-floor": (microphones.near_floor, "ok", False),
    "voice-over": (_voice_over, "ok", True),
    "stereo-bed": (_stereo_bed, "ok", True),
    "n3d": (_n3d, "ok", None),
    "fuma": (microphones.fuma, "fuma-order", None),
    "shuffled": (_shuffled, "channel-order", None),
    "quad": (_quad, "not-ambisonic", None),
    "film-5.1": (_film_mix, "not-ambisonic", None),
    "unrelated": (_unrelated, "not-ambisonic", None),
    "mono-x4": (_mono_copies, "copied-channels", None),
    "stereo-in-w-y": (_stereo_in_w_y, "two-channels", None),
    "mono-in-w": (_mono_in_w, "w-only", None),
}


def make_audio(
    kind: str, rng: np.random.Generator, duration_s: float, rate_hz: int
) -> AudioExample:
    """Return one labelled piece of audio at a random level.

    Args:
        kind: A key of `KINDS`.
        rng: Source of randomness.
        duration_s: Length.
        rate_hz: Sampling rate.
    """
    maker, spatial, post_production = KINDS[kind]
    audio, facts = maker(rng, int(duration_s * rate_hz), rate_hz)
    peak = 10 ** (rng.uniform(-20, -1) / 20)
    audio = audio * (peak / max(float(np.abs(audio).max()), 1e-9))
    return AudioExample(kind, audio, rate_hz, spatial, post_production, facts)


def add_noise(example: AudioExample, rng: np.random.Generator, snr_db: float) -> AudioExample:
    """Return the example with microphone noise and gain errors of 1 dB.

    The noise is independent in the four channels and as loud in each, `snr_db` below the loudest
    channel.
    """
    level = np.sqrt(np.mean(example.audio**2, axis=1)).max() * 10 ** (-snr_db / 20)
    gains = 10 ** (rng.uniform(-0.5, 0.5, (4, 1)) / 20)
    hiss = level * rng.standard_normal(example.audio.shape)
    facts = example.facts | {"snr_db": snr_db}
    return replace(example, audio=np.clip(gains * example.audio + hiss, -1, 1), facts=facts)


def with_audio(example: AudioExample, audio: NDArray[np.floating]) -> AudioExample:
    """Return the example with other audio (4, S) and the same label."""
    return replace(example, audio=np.asarray(audio, dtype=np.float64))


def _edges(samples: int, start: int, stop: int, rate_hz: int) -> Signal:
    """Return 1 between two samples and 0 elsewhere, with edges of 50 ms."""
    inside = np.zeros(samples)
    inside[start:stop] = 1.0
    return smooth(inside, 0.05 * rate_hz)
