"""Tiles hold the power and the coherence of the sound, however it is cut."""

from itertools import pairwise

import numpy as np
import pytest

from yt360.media.layout.sound_field import BAND_EDGES_HZ, NUM_BANDS, FieldAnalyzer

RATE_HZ = 48_000


def test_the_power_of_a_tone_appears_in_its_band_alone() -> None:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    for band, (low, high) in enumerate(pairwise(BAND_EDGES_HZ)):
        tone = 0.5 * np.sin(2 * np.pi * (low * high) ** 0.5 * time_s)
        sound = np.stack([tone, -tone, 0 * tone, 2 * tone]).astype(np.float32)
        tile = next(FieldAnalyzer(RATE_HZ).feed(sound))
        power = tile.covariance[:, 0, 0].real
        # The window spreads a tone over three frequencies, and the lowest band has only three.
        assert power[band] == pytest.approx(0.125, rel=0.25)
        assert np.delete(power, band).sum() < 0.25 * power[band]
        assert tile.covariance[band, 0, 3].real == pytest.approx(2 * power[band], rel=1e-3)
        assert tile.covariance[band, 0, 1].real == pytest.approx(-power[band], rel=1e-3)


def test_the_power_of_noise_is_its_mean_square() -> None:
    noise = np.random.default_rng(0).standard_normal((4, 10 * RATE_HZ)).astype(np.float32)
    tiles = list(FieldAnalyzer(RATE_HZ).feed(noise))
    mean = np.mean([tile.covariance.real for tile in tiles], axis=0)
    covered = (BAND_EDGES_HZ[-1] - BAND_EDGES_HZ[0]) / (RATE_HZ / 2)
    assert mean[:, 0, 0].sum() == pytest.approx(covered, rel=0.02)
    assert np.abs(mean[:, 0, 1]).max() < 0.05 * mean[:, 0, 0].max()


def test_width_tells_tones_from_noise() -> None:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    tone = np.tile(np.sin(2 * np.pi * 1500 * time_s), (4, 1)).astype(np.float32)
    hiss = np.random.default_rng(1).standard_normal((4, RATE_HZ)).astype(np.float32)
    band = 3
    assert next(FieldAnalyzer(RATE_HZ).feed(tone)).width[band] < 3
    assert next(FieldAnalyzer(RATE_HZ).feed(hiss)).width[band] > 15


def test_tiles_follow_each_other_without_gaps_and_memory_stays_small() -> None:
    analyzer = FieldAnalyzer(8_000)
    tiles = [t for _ in range(40) for t in analyzer.feed(np.ones((4, 8_000), np.float32))]
    starts = np.array([tile.start_s for tile in tiles])
    assert np.allclose(np.diff(starts), tiles[0].duration_s)
    assert starts[-1] + tiles[0].duration_s > 39.5
    assert analyzer._rest.shape[1] < 8_000


def test_bands_above_half_the_rate_stay_empty() -> None:
    sound = np.random.default_rng(2).standard_normal((4, 4_000)).astype(np.float32)
    covariance = next(FieldAnalyzer(4_000).feed(sound)).covariance
    assert covariance.shape == (NUM_BANDS, 4, 4)
    assert covariance[-1, 0, 0] == 0
