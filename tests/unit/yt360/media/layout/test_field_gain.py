"""The gain of W is measured in each octave, whatever the directions and what else is in W."""

from __future__ import annotations

import numpy as np
import pytest

from yt360.media.layout.field_gain import OCTAVE_CENTRES_HZ, FieldGainMeter
from yt360.media.layout.sound_field import FieldAnalyzer

RATE = 24000


def field(seconds: float = 8.0, sources: int = 5, seed: int = 0) -> np.ndarray:
    """Return ambiX (4, S): noise sources with their own envelopes, and diffuse noise."""
    random = np.random.default_rng(seed)
    size = round(seconds * RATE)
    vectors = random.normal(size=(sources, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    envelope = np.repeat(random.uniform(0.05, 1, (sources, round(4 * seconds))), RATE // 4, axis=1)
    waves = random.normal(size=(sources, size)) * envelope
    x, y, z = vectors.T @ waves
    diffuse = random.normal(size=(4, size)) * np.array([[1], *3 * [[3**-0.5]]]) * 0.2
    return (0.05 * (np.stack([waves.sum(axis=0), y, z, x]) + diffuse)).astype(np.float32)


def measure(ambix: np.ndarray):
    meter = FieldGainMeter()
    for segment in FieldAnalyzer(RATE).feed(ambix.astype(np.float32)):
        meter.feed(segment)
    return meter.gain()


@pytest.mark.parametrize("gain_db", [-6.0, -3.01, 0.0, 3.0])
@pytest.mark.parametrize("horizontal", [False, True])
def test_the_gain_of_w_is_measured(gain_db, horizontal):
    ambix = field(seed=1)
    if horizontal:
        ambix = field(sources=1, seed=1)
        ambix[3] = np.hypot(ambix[3], ambix[2])
        ambix[2] = 0
    reference = measure(ambix)
    ambix[0] *= 10 ** (gain_db / 20)
    found = measure(ambix)
    assert found.broadband_db - reference.broadband_db == pytest.approx(gain_db, abs=0.11)
    if not horizontal:
        assert found.broadband_db == pytest.approx(gain_db, abs=0.4)
    assert found.spread_db < 1


def test_a_gain_that_falls_with_frequency_is_measured_in_each_octave():
    ambix = field(seed=2)
    hz = np.fft.rfftfreq(ambix.shape[1], 1 / RATE)
    slope_db = -2 * np.log2(np.maximum(hz, 50) / 424)
    ambix[0] = np.fft.irfft(np.fft.rfft(ambix[0]) * 10 ** (slope_db / 20), ambix.shape[1])
    found = measure(ambix)
    wanted = -2 * np.log2(np.array(OCTAVE_CENTRES_HZ) / 424)
    octaves = np.array(found.octaves_db, float)
    assert np.isnan(octaves[0])  # three frequencies
    np.testing.assert_allclose(octaves[1:], wanted[1:], atol=0.6)
    assert found.tilt_db == pytest.approx(4, abs=0.8)


@pytest.mark.parametrize("share", [0.3, 0.55])
def test_audio_in_w_alone_does_not_change_the_gain(share):
    ambix = field(seed=3)
    speech = np.random.default_rng(4).normal(size=ambix.shape[1]) * ambix[0].std()
    level = np.random.default_rng(5).uniform(0.7, 4, 32)
    level[round(share * 32) :] = 0
    ambix[0] *= 10 ** (-3 / 20)
    ambix[0] += speech * np.repeat(level, RATE // 4)
    assert measure(ambix).broadband_db == pytest.approx(-3, abs=0.7)


def test_silence_has_no_gain():
    assert measure(np.zeros((4, 4 * RATE))) is None
    assert measure(field(seconds=1)) is None
