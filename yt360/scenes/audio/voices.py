"""The voice of each class of objects: a rhythm of onsets, and an event at each of them.

A voice is never silent for more than about 0.6 s, so a second of audio identifies its class. All
voices stay below 11 kHz.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

Array = NDArray[np.floating]
Generator = np.random.Generator


class Event(NamedTuple):
    """One event of a voice.

    Attributes:
        generator: Source of the variation between events.
        times: (S,) seconds since its onset.
        pitch: Factor on all frequencies.
        number: Index of the event.
    """

    generator: Generator
    times: Array
    pitch: float
    number: int


@dataclass(frozen=True)
class Voice:
    """The voice of a class.

    Attributes:
        rate_hz: Slowest and fastest rhythm of onsets.
        make: Synthesizes one event, starting at zero amplitude.
        length: Length of an event in periods of the rhythm.
        longest_s: Maximum length of an event.
    """

    rate_hz: tuple[float, float]
    make: Callable[[Event], Array]
    length: float
    longest_s: float


class SoundSource(NamedTuple):
    """The sound source of an object.

    Attributes:
        voice: The voice of its class.
        onsets: (M,) times in seconds at which its events begin.
        period_s: Mean time between onsets.
        pitch: Factor on all frequencies.
    """

    voice: Voice
    onsets: Array
    period_s: float
    pitch: float


def sample_onsets(
    generator: Generator, voice: Voice, duration_s: float, rhythm: Generator | None = None
) -> tuple[Array, float]:
    """Sample the onsets (M,) of a voice, in seconds below `duration_s`, and their mean period.

    The rhythm is regular with a little swing and jitter. The first event may begin before 0, so
    a scene does not start with silence.

    Args:
        generator: Source of the phase and the jitter.
        voice: The voice.
        duration_s: End of the onsets.
        rhythm: Source of the period and the swing; by default `generator`.
    """
    rhythm = rhythm or generator
    period = 1 / rhythm.uniform(*voice.rate_hz)
    steps = np.arange(int(duration_s / period) + 2) - generator.random()
    steps[1::2] += rhythm.uniform(-0.12, 0.12)
    steps += generator.uniform(-0.04, 0.04, size=len(steps))
    onsets = steps * period
    return onsets[onsets < duration_s], period


def synthesize(
    generator: Generator, source: SoundSource, num_samples: int, sample_rate_hz: int
) -> NDArray[np.float32]:
    """Return the dry signal (num_samples,) of a source.

    The loudest tenth of its frames of 50 ms has a mean power of 1.
    """
    voice, onsets = source.voice, source.onsets
    length_s = min(voice.length * source.period_s, voice.longest_s)
    times = np.arange(int(length_s * sample_rate_hz), dtype=np.float32) / np.float32(sample_rate_hz)
    fade = np.clip((times[-1] - times) / np.float32(0.02), 0, 1)
    # Space before and after, for events that begin before the signal or end after it.
    before = max(0, -round(float(onsets.min(initial=0)) * sample_rate_hz))
    signal = np.zeros(before + num_samples + len(times), dtype=np.float32)
    within = onsets[onsets * sample_rate_hz < num_samples - 1]
    for number, onset in enumerate(within):
        start = before + round(float(onset) * sample_rate_hz)
        gain = np.float32(10 ** (generator.uniform(-1.5, 1.5) / 20))
        event = voice.make(Event(generator, times, source.pitch, number)) * fade
        signal[start : start + len(times)] += gain * event
    return _normalized(signal[before : before + num_samples], sample_rate_hz)


def _normalized(signal: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    length = max(1, min(len(signal), sample_rate_hz // 20))
    frames = signal[: len(signal) // length * length].reshape(-1, length)
    power = np.sort(np.square(frames).mean(-1))
    loud = float(power[int(0.9 * len(power)) :].mean())
    return signal / np.float32(np.sqrt(loud)) if loud > 0 else signal


def _attack(times: Array, rise_s: float) -> Array:
    """Return a smooth rise from 0 to 1."""
    ramp = np.clip(times / np.float32(rise_s), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def _sweep(times: Array, frequency: Array) -> Array:
    """Return the phase in radians, in [0, 2 pi), of a tone with a frequency (S,) over time."""
    turns = np.cumsum(frequency, dtype=np.float64) * float(times[1])
    return (2 * np.pi * (turns - np.floor(turns))).astype(np.float32)


def _noise(event: Event) -> Array:
    return event.generator.standard_normal(len(event.times), dtype=np.float32)


def _band(signal: Array, times: Array, low_hz: float, high_hz: float) -> Array:
    """Return a band of a signal, with the slopes of second-order Butterworth filters."""
    length = next_fast_len(len(signal), real=True)
    frequencies = rfftfreq(length, times[1]).astype(np.float32)
    low, high = frequencies / np.float32(low_hz), frequencies / np.float32(high_hz)
    gain = low**2 / np.sqrt((1 + low**4) * (1 + high**4))
    return irfft(rfft(signal, length) * gain, length)[: len(signal)]


def _chirps(event: Event) -> Array:
    """A bird: a whistle of two to four quick sweeps."""
    times, pitch = event.times, event.pitch
    count = 2 + event.number % 3
    span = 0.28 / count
    inside = np.clip(times / span, 0, count - 1e-6)
    within = inside % 1.0
    start, end = (2700.0, 5200.0) if event.number % 2 else (5600.0, 3100.0)
    frequency = pitch * (start + (end - start) * within) * event.generator.uniform(0.95, 1.05)
    return np.sin(_sweep(times, frequency)) * np.sin(np.pi * within) ** 0.7 * (times < 0.28)


def _bark(event: Event) -> Array:
    """A dog: a hoarse falling harmonic tone through two vowel resonances."""
    times, pitch = event.times, event.pitch
    frequency = pitch * (260 + 240 * np.exp(-times / 0.06)) * event.generator.uniform(0.94, 1.06)
    buzz = _sweep(times, frequency) / np.float32(np.pi) - 1 + 0.5 * _noise(event)
    vowel = _band(buzz, times, 500 * pitch, 1100 * pitch)
    vowel += 0.35 * _band(buzz, times, 1900 * pitch, 2600 * pitch)
    return vowel * _attack(times, 0.01) * np.exp(-times / 0.07)


def _engine(event: Event) -> Array:
    """A car: the growl of an engine that revs up and down."""
    times, pitch = event.times, event.pitch
    span = times[-1]
    rev = np.sin(np.pi * np.clip(times / span, 0, 1))
    half = _sweep(times, pitch * (24 + 21 * rev))
    growl = sum(np.sin(2 * k * half + k * k) / k for k in range(1, 9))
    flutter = 0.75 + 0.25 * np.sin(half)
    return growl * flutter * (0.25 + rev) * _attack(times, 0.03) * _attack(span - times, 0.08)


def _chuff(event: Event) -> Array:
    """A train: puffs of steam, the first of four the strongest."""
    times, pitch = event.times, event.pitch
    steam = _band(_noise(event), times, 900 * pitch, 3800 * pitch)
    strength = 1.0 if event.number % 4 == 0 else 0.7
    return strength * steam * _attack(times, 0.008) * np.exp(-times / 0.06)


def _horn(event: Event) -> Array:
    """A boat: a steady brassy horn with a slow shiver."""
    times, pitch = event.times, event.pitch
    frequency = pitch * 165 * (1 + 0.006 * np.sin(2 * np.pi * 5.5 * times))
    phase = _sweep(times, frequency)
    brass = sum(np.sin(k * phase) * np.exp(-0.16 * k) for k in range(1, 15))
    return brass * _attack(times, 0.04) * _attack(times[-1] - times, 0.12)


def _thump(event: Event) -> Array:
    """A ball: a hollow bounce that falls in pitch, with a short slap."""
    times, pitch = event.times, event.pitch
    frequency = pitch * (95 + 150 * np.exp(-times / 0.025))
    body = np.sin(_sweep(times, frequency)) * np.exp(-times / 0.09)
    slap = _band(_noise(event), times, 300, 900) * np.exp(-times / 0.012)
    return (body + 0.5 * slap) * _attack(times, 0.003)


def _whoosh(event: Event) -> Array:
    """A kite: a narrow band of wind that swoops up and down."""
    times, pitch = event.times, event.pitch
    breath = _band(_noise(event), times, 20.0, 260.0)
    arc = np.sin(np.pi * np.clip(times / times[-1], 0, 1))
    centre = pitch * 900 * 2 ** (2.4 * arc)
    return breath * np.cos(_sweep(times, centre)) * (0.15 + arc) * _attack(times, 0.02)


def _tick(event: Event) -> Array:
    """A clock: dry ticks, alternately higher and lower."""
    times, pitch = event.times, event.pitch
    tone = pitch * (2300.0 if event.number % 2 else 3300.0)
    click = _noise(event) * np.exp(-times / 0.0015)
    ring = np.sin(2 * np.pi * tone * times) + 0.8 * np.sin(2 * np.pi * 2.31 * tone * times)
    return (0.9 * click + ring * np.exp(-times / 0.008)) * _attack(times, 0.0004)


def _trill(event: Event) -> Array:
    """A telephone: two tones in quick turns."""
    times, pitch = event.times, event.pitch
    turn = (times * 18.0) % 1.0 < 0.5
    phase = _sweep(times, pitch * np.where(turn, 1480.0, 1860.0))
    tone = np.sin(phase) + 0.5 * np.sin(3 * phase) + 0.2 * np.sin(5 * phase)
    return tone * _attack(times, 0.01) * _attack(0.34 - times, 0.03) * (times < 0.34)


def _pluck(event: Event) -> Array:
    """A music box: plucked metal tongues, a pentatonic tune."""
    times, pitch = event.times, event.pitch
    scale = (0, 2, 4, 7, 9, 12, 14)
    tone = pitch * 620 * 2 ** (scale[int(event.generator.integers(len(scale)))] / 12)
    partials = ((1.0, 1.0, 0.3), (2.0, 0.35, 0.2), (5.4, 0.3, 0.07))
    notes = sum(
        gain * np.sin(2 * np.pi * ratio * tone * times) * np.exp(-times / decay)
        for ratio, gain, decay in partials
    )
    return notes * _attack(times, 0.002)


VOICES = {
    "bird": Voice((1.9, 2.8), _chirps, 1.0, 0.3),
    "dog": Voice((2.0, 3.2), _bark, 1.0, 0.35),
    "car": Voice((0.8, 1.4), _engine, 1.02, 2.0),
    "train": Voice((3.0, 4.5), _chuff, 1.2, 0.4),
    "boat": Voice((0.7, 1.1), _horn, 0.72, 1.2),
    "sports ball": Voice((2.0, 3.4), _thump, 1.5, 0.5),
    "kite": Voice((1.0, 1.8), _whoosh, 1.0, 1.0),
    "clock": Voice((3.4, 5.0), _tick, 0.5, 0.1),
    "cell phone": Voice((1.7, 2.3), _trill, 0.9, 0.4),
    "teddy bear": Voice((2.8, 4.2), _pluck, 2.0, 0.6),
}
