"""Laws of the layers of audio."""

import numpy as np
import pytest
import torch

from yt360.ambisonics.energy_overlay import energy_db, peak_deg
from yt360.ambisonics.transforms import encode, energy_map
from yt360.clip_codec.flac import encode_flac
from yt360.errors import BadItem
from yt360.explore.layers.sound import (
    COLUMNS,
    FLOOR_DBFS,
    MAX_STEPS,
    ROWS,
    power_over_time,
    sound_layers,
    sound_layers_of_flac,
)
from yt360.sphere import direction

RATE_HZ = 8000


def plane_wave(azimuth_deg: float, elevation_deg: float, peak: float = 0.3) -> np.ndarray:
    """Return a second of noise from one direction as int16 (4, S)."""
    signal = peak * torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, RATE_HZ))
    towards = direction(*np.radians([azimuth_deg, elevation_deg]).tolist()).double()
    return (encode(signal, towards).numpy() * 32768).astype(np.int16)


@pytest.mark.parametrize(
    ("azimuth_deg", "elevation_deg"), [(2, 2), (88, 21), (-92, -33), (178, 12), (-178, 62)]
)
def test_the_hottest_pixel_is_where_the_source_is(azimuth_deg, elevation_deg):
    layers = sound_layers(plane_wave(azimuth_deg, elevation_deg), RATE_HZ)
    assert layers.energy.shape == (10, ROWS, COLUMNS)
    for frame in layers.energy:
        assert (frame == 255).sum() == 1
        azimuth, elevation = peak_deg(frame)
        assert abs((azimuth - azimuth_deg + 180) % 360 - 180) <= 180 / COLUMNS
        assert abs(elevation - elevation_deg) <= 90 / ROWS


def test_bytes_are_the_decibels_of_the_energy_overlay():
    ambix = plane_wave(40, -10) + plane_wave(-120, 30, 0.1)[:, ::-1]
    layers = sound_layers(ambix, RATE_HZ, step_s=1)
    level_db = layers.low_db + layers.energy[0] / 255 * (layers.high_db - layers.low_db)
    expected = energy_db(torch.from_numpy(ambix / 32768), ROWS, COLUMNS)
    assert np.abs(level_db - np.maximum(expected, layers.low_db)).max() < 0.05


def test_a_source_that_moves_is_followed_in_time():
    ambix = np.concatenate([plane_wave(90, 0), plane_wave(-90, 0)], 1)
    layers = sound_layers(ambix, RATE_HZ)
    azimuths = [peak_deg(frame)[0] for frame in layers.energy]
    assert azimuths == pytest.approx([90] * 10 + [-90] * 10, abs=3)
    assert layers.strip.shape == (COLUMNS, 20, 3)
    rows = layers.strip.astype(int).sum(-1).argmax(0)
    assert set(rows[:10]) <= {17, 18} and set(rows[10:]) <= {53, 54}


def test_the_level_is_that_of_w_relative_to_a_full_scale_square_wave():
    ambix = np.zeros((4, 2 * RATE_HZ), np.int16)
    ambix[0, :RATE_HZ:2], ambix[0, 1:RATE_HZ:2] = 16384, -16384
    layers = sound_layers(ambix, RATE_HZ)
    assert layers.level_dbfs == [-6.02] * 10 + [FLOOR_DBFS] * 10
    assert not layers.energy[10:].any()


def test_silence_is_empty():
    layers = sound_layers(np.zeros((4, RATE_HZ), np.int16), RATE_HZ)
    assert not layers.energy.any()
    assert (layers.strip == layers.strip[0, 0]).all()


def test_a_rest_shorter_than_a_step_is_a_step_of_its_own():
    layers = sound_layers(plane_wave(0, 0)[:, :850], RATE_HZ)
    assert len(layers.energy) == len(layers.level_dbfs) == 2
    assert sound_layers(plane_wave(0, 0)[:, :1], RATE_HZ).energy.shape[0] == 1


def test_long_clips_have_longer_steps():
    layers = sound_layers(plane_wave(0, 0), RATE_HZ, step_s=1e-4)
    assert len(layers.energy) <= MAX_STEPS
    assert layers.step_s * len(layers.energy) == pytest.approx(1, abs=layers.step_s)


def test_facts_describe_the_arrays():
    layers = sound_layers(plane_wave(0, 0), RATE_HZ)
    facts = layers.energy_facts
    assert facts == {
        "rows": ROWS, "columns": COLUMNS, "frames": 10, "step_s": 0.1, "low_db": -12.0,
        "high_db": 0.0,
    }  # fmt: skip
    assert layers.level_facts == {"step_s": 0.1, "db": layers.level_dbfs}


def test_the_stored_audio_gives_the_same_layers():
    ambix = plane_wave(30, 30)
    stored = sound_layers_of_flac(encode_flac(ambix, RATE_HZ))
    assert (stored.energy == sound_layers(ambix, RATE_HZ).energy).all()


def test_other_audio_is_refused():
    with pytest.raises(BadItem) as caught:
        sound_layers_of_flac(encode_flac(plane_wave(0, 0)[:2], RATE_HZ))
    assert caught.value.reason == "bad-flac"


def test_power_is_that_of_the_energy_map():
    ambix = np.random.default_rng(1).integers(-9000, 9000, (4, 1000)).astype(np.int16)
    for step in (1000, 300, 7):
        power = power_over_time(ambix, step, 6, 12)
        parts = [ambix[:, start : start + step] / 32768 for start in range(0, 1000, step)]
        expected = [energy_map(torch.from_numpy(part), 6, 12).numpy() for part in parts]
        np.testing.assert_allclose(power, np.stack(expected), rtol=1e-9)
