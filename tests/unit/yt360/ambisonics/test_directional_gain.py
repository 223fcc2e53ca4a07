"""A gain of X, Y and Z keeps W, all directions and all times, and can be undone."""

from __future__ import annotations

import numpy as np
import pytest

from yt360.ambisonics.directional_gain import scale_directions

RATE = 24000
CENTRES_HZ = (200.0, 400.0, 800.0, 1600.0)
CURVES = [(-4.3,), (-6.0, 0.5, 3.0, -1.0)]


@pytest.fixture
def ambix() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, 2 * RATE)).astype(np.float32)


def scaled(ambix: np.ndarray, gains_db: tuple[float, ...]) -> np.ndarray:
    return scale_directions(ambix, gains_db, CENTRES_HZ, RATE)


@pytest.mark.parametrize("gains_db", CURVES)
def test_the_negative_gains_are_the_inverse(ambix, gains_db):
    found = scaled(scaled(ambix, gains_db), tuple(-gain for gain in gains_db))
    np.testing.assert_allclose(found, ambix, atol=1e-5)
    assert found.dtype == ambix.dtype


@pytest.mark.parametrize("gains_db", CURVES)
def test_w_and_the_input_are_not_changed(ambix, gains_db):
    before = ambix.copy()
    assert np.array_equal(scaled(ambix, gains_db)[0], ambix[0])
    assert np.array_equal(ambix, before)


@pytest.mark.parametrize("gains_db", CURVES)
def test_a_plane_wave_keeps_its_direction_at_every_sample(gains_db):
    wave = np.random.default_rng(1).normal(size=RATE)
    direction = np.array([0.36, -0.48, 0.8])  # y, z, x
    found = scaled(np.concatenate([wave[None], direction[:, None] * wave]), gains_db)
    along = direction @ found[1:]
    np.testing.assert_allclose(found[1:], direction[:, None] * along, atol=1e-9)
    assert np.mean(along * wave) > 0


@pytest.mark.parametrize(
    ("frequency_hz", "gain_db"), [(50, -6), (200, -6), (400, 0.5), (800, 3), (1600, -1), (9000, -1)]
)
def test_each_frequency_gets_its_gain_without_delay(frequency_hz, gain_db):
    time_s = np.arange(2 * RATE) / RATE
    wave = np.sin(2 * np.pi * frequency_hz * time_s)
    found = scaled(np.stack([wave] * 4), CURVES[1])[1]
    middle = slice(RATE // 2, -RATE // 2)
    np.testing.assert_allclose(found[middle], 10 ** (gain_db / 20) * wave[middle], atol=0.01)


def test_a_click_stays_at_its_sample_and_its_response_is_short_bounded_and_symmetric():
    ambix = np.zeros((4, RATE + 1))
    ambix[:, RATE // 2] = 1
    response = scaled(ambix, CURVES[1])[1]
    assert np.argmax(np.abs(response)) == RATE // 2
    np.testing.assert_allclose(response, response[::-1], atol=1e-3)
    far = np.abs(np.arange(RATE + 1) - RATE // 2) > 0.02 * RATE
    assert np.sum(response[far] ** 2) < 1e-4 * np.sum(response**2)
    gain_db = 20 * np.log10(np.abs(np.fft.rfft(response)))
    assert gain_db.min() > -6.02 and gain_db.max() < 3.02
