"""What rises with W is measured below the level of the field, with its direction."""

import numpy as np
import pytest
from quality.sound_fields import DIFFUSE_GAINS, plane_wave

from yt360.quality.signal.added_sound import BAND_EDGES_HZ, AddedSound, Moments

RATE_HZ = 16_000
SAMPLES = 6 * RATE_HZ


def bursts(rng: np.random.Generator) -> np.ndarray:
    """Return noise that is on for a quarter of the time, with a root mean square of 1."""
    on = np.repeat(rng.permutation(np.arange(60) % 4 == 0), SAMPLES // 60)
    return 2.0 * rng.standard_normal(SAMPLES) * on


def diffuse(rng: np.random.Generator) -> np.ndarray:
    """Steady diffuse noise, ambiX (4, S)."""
    return 0.05 * DIFFUSE_GAINS[:, None] * rng.standard_normal((4, SAMPLES))


def added(field: np.ndarray, sound: np.ndarray) -> AddedSound:
    moments = Moments((field + sound).astype(np.float32), RATE_HZ)
    return moments.added(np.ones(len(moments.times_s), dtype=bool))


@pytest.mark.parametrize("level_db", [-3.0, 6.0])
def test_a_sound_adds_its_own_direction(level_db: float) -> None:
    rng = np.random.default_rng(0)
    field, sound = diffuse(rng), bursts(rng)
    gain = 0.05 * 10 ** (level_db / 20)
    alone = added(field, gain * sound * np.array([1.0, 0, 0, 0])[:, None])
    left_right = added(field, gain * sound * np.array([1.0, 0.9, 0, 0])[:, None])
    direction = np.array([0.6, 0.64, 0.48])
    source = added(field, gain * plane_wave(sound, direction))
    assert len(alone.power) == len(BAND_EDGES_HZ) - 1
    assert alone.undirected_db(6) < -7
    assert np.abs(np.median(alone.intensity, axis=0)).max() < 0.1
    assert source.undirected_db(6) > -2
    np.testing.assert_allclose(np.median(source.intensity, axis=0), direction[[1, 2, 0]], atol=0.1)
    assert left_right.off_lateral(5) < 0.06
    assert source.off_lateral(5) > 0.5
    assert alone.off_lateral(5) == np.inf


def test_a_gain_of_the_microphone_makes_no_difference() -> None:
    rng = np.random.default_rng(1)
    field, sound = diffuse(rng), 0.05 * bursts(rng)
    wave = plane_wave(sound, np.array([1.0, 0.0, 0.0]))
    gains = np.array([1.0, 0.5, 0.5, 0.5])[:, None]
    once, twice = added(field, wave), added(gains * field, gains * wave)
    np.testing.assert_allclose(once.power, twice.power, rtol=1e-3)


def test_steady_noise_and_silence_are_no_evidence() -> None:
    rng = np.random.default_rng(2)
    hiss = diffuse(rng)
    for audio in (hiss, np.zeros_like(hiss)):
        found = added(audio, np.zeros_like(hiss))
        assert found.undirected_db(6) > -1
        assert found.off_lateral(5) == np.inf


def test_moments_are_at_their_times() -> None:
    audio = np.zeros((4, SAMPLES), dtype=np.float32)
    audio[:, 3 * RATE_HZ] = 1.0
    moments = Moments(audio, RATE_HZ)
    loud = moments.power[:, :, 0].sum(axis=1) > 0
    assert moments.times_s[loud].mean() == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize("rate_hz", [300, 2_000, 8_000])
def test_bands_above_the_nyquist_frequency_are_no_evidence(rate_hz: int) -> None:
    rng = np.random.default_rng(3)
    alone = np.zeros((4, 6 * rate_hz), np.float32)
    alone[0] = rng.standard_normal(6 * rate_hz) * np.repeat(np.arange(12) % 4 == 0, rate_hz // 2)
    alone += 1e-3 * rng.standard_normal(alone.shape)
    moments = Moments(alone, rate_hz)
    found = moments.added(np.ones(len(moments.times_s), dtype=bool)).power
    above = BAND_EDGES_HZ[:-1] > rate_hz / 2
    assert (found[above] == 1).all()
    assert (found[BAND_EDGES_HZ[1:] < rate_hz / 2] < 0.1).all()
