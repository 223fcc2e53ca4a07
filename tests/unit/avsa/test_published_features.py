"""Log-mels of the published recipe beside a slow literal version of the published computation.

Published, of each channel by itself, after it was rotated into the view: the magnitude of the STFT
(512-sample Hann windows every 240 samples, centred, reflected), 128 Slaney mel bands of it,
decibels as if those magnitudes were powers (10 log10, of at least 1e-10, at most 100 under the
channel's peak), without the last window; standardized by one mean and deviation a band. The literal
version is in float64 and uses nothing of the package but the views' rotations.
"""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from avsa.config.recipe import load_config
from avsa.hub.published import DB_PER_PUBLISHED_DB
from avsa.views.sampling import draw_views
from avsa.views.spectrogram import log_mels
from avsa.views.view_spectrograms import view_spectrograms

RATE, SECONDS = 24000, 1
AUDIO = load_config("avsa-published").audio
VIEWS = load_config("avsa-published").views
# Of the size of published ones: decibels as if magnitudes were powers.
MEAN, STD = np.linspace(-20, -45, 128), np.full(128, 7.5)


def literal_levels(channel):
    """Return (100, 128) published decibels of one channel (S,), float64."""
    padded = np.pad(channel, 256, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    frames = np.stack([padded[at : at + 512] for at in range(0, len(padded) - 511, 240)])
    magnitude = np.abs(np.fft.rfft(frames * window))
    filters = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=128, dtype=np.float64)
    levels = 10 * np.log10(np.maximum(magnitude @ filters.T, 1e-10))
    return np.maximum(levels, levels.max() - 100)[:-1]


def literal_features(sound, rotations):
    """Return (K, 4, 100, 128) of ambiX (4, S) and matrices (K, 3, 3)."""
    w, y, z, x = sound.astype(np.float64) / (32768 if sound.dtype == np.int16 else 1)
    turned = rotations @ np.stack([x, y, z])
    channels = [[w, y, z, x] for x, y, z in turned]
    levels = np.array([[literal_levels(channel) for channel in view] for view in channels])
    return (levels - MEAN) / STD


def steps_of_16_bits(signals):
    return np.clip(np.rint(np.asarray(signals) * 32768), -32768, 32767).astype(np.int16)


def noise(seed=0, level=0.1, samples=RATE * SECONDS):
    return np.random.default_rng(seed).normal(0, level, (4, samples))


def low_passed(signals, cutoff_hz):
    spectrum = np.fft.rfft(signals)
    spectrum[..., np.fft.rfftfreq(signals.shape[-1], 1 / RATE) > cutoff_hz] = 0
    return np.fft.irfft(spectrum, signals.shape[-1])


def without(signals, *channels):
    signals = signals.copy()
    signals[list(channels)] = 0
    return signals


def faded_to_nothing(signals):
    return signals * np.linspace(1, 0, signals.shape[-1]) ** 12


def cut_off(signals):
    signals = signals.copy()
    signals[:, RATE // 3 :] = 0
    return signals


SOUNDS = {
    "noise": steps_of_16_bits(noise()),
    "horizontal: Z silent": steps_of_16_bits(without(noise(), 2)),
    "W alone": steps_of_16_bits(without(noise(), 1, 2, 3)),
    "digital silence": np.zeros((4, RATE), np.int16),
    "silence after a third of a second": steps_of_16_bits(cut_off(noise())),
    "quiet: two steps of 16 bits": np.random.default_rng(1).integers(-2, 3, (4, RATE), np.int16),
    "quiet: a step now and then": steps_of_16_bits(noise(level=0.3 / 32768)),
    "full scale": steps_of_16_bits(noise(level=0.9)),
    "band-limited to 3 kHz": steps_of_16_bits(low_passed(noise(), 3000)),
    "faded to nothing": steps_of_16_bits(faded_to_nothing(noise())),
    "a tone": steps_of_16_bits(np.outer([0.5, 0.3, 0.0, 0.2], np.sin(np.arange(RATE) * 0.3))),
}


def assert_published(sound, views):
    scale = DB_PER_PUBLISHED_DB
    got = view_spectrograms(
        torch.from_numpy(sound)[None], views.rotations, AUDIO,
        torch.from_numpy(scale * MEAN).float(), torch.from_numpy(scale * STD).float(),
    )[0]  # fmt: skip
    expected = literal_features(sound, views.rotations[0].double().numpy())
    assert got.shape == expected.shape == (4, 4, 100, 128)
    assert np.abs(got.numpy() - expected).max() < 0.01


@pytest.mark.parametrize("name", SOUNDS)
def test_features_are_the_published_ones(name):
    assert_published(SOUNDS[name], draw_views(VIEWS, 0, 0, [3]))


def test_they_are_where_rounding_alone_would_sound():
    """A source cancels in the channels of the view that it stands in; sound that was never rounded
    to 16 bits has nothing at all above its highest frequency."""
    views = draw_views(VIEWS, 0, 0, [3])
    source = low_passed(noise()[0], 3000)
    for ahead in views.directions[0].double().numpy():
        x, y, z = ahead[:, None] * source
        assert_published(np.stack([source, y, z, x]).astype(np.float32), views)


@pytest.mark.parametrize("name", SOUNDS)
def test_levels_that_statistics_are_measured_of_are_the_published_ones(name):
    got = log_mels(torch.from_numpy(SOUNDS[name])[None], AUDIO)[0]
    channels = SOUNDS[name].astype(np.float64) / 32768
    expected = DB_PER_PUBLISHED_DB * np.array([literal_levels(channel) for channel in channels])
    assert np.abs(got.numpy() - expected).max() < 0.01 * DB_PER_PUBLISHED_DB * STD.min()
