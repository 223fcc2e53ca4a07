from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.sound_fields import RATE, SPREAD_DB, librosa_log_mel, sound_field, speech_like

from avsa.views.sampling import ViewConfig, draw_views
from avsa.views.spectrogram import AudioConfig, log_mels
from avsa.views.view_spectrograms import view_spectrograms
from yt360.ambisonics.transforms import encode, rotate
from yt360.sphere import direction

CONFIG = AudioConfig()
MEAN, STD = torch.zeros(128), torch.ones(128)


def some_rotations(count=4, batch=1):
    config = ViewConfig(num_views=count)
    return draw_views(config, 0, 0, range(batch)).rotations


@pytest.mark.parametrize("kind", ["speech", "noise"])
def test_rotating_spectra_equals_rotating_audio(kind):
    field, rotations = sound_field(kind), some_rotations()
    got = view_spectrograms(field, rotations, CONFIG, MEAN, STD)[0]
    for k in range(4):
        turned = rotate(field[0], rotations[0, k]).numpy()
        expected = np.stack([librosa_log_mel(channel) for channel in turned])
        expected = np.maximum(expected, expected.max() - 100)
        assert np.abs(got[k].numpy() - expected).max() / SPREAD_DB < 1e-3


@pytest.mark.parametrize("inputs", ["ambix", "ambix+intensity", "mono", "stereo"])
def test_samples_do_not_mix_and_batches_are_single_samples(inputs):
    config = replace(CONFIG, channels=inputs)
    fields = torch.cat([sound_field("speech", seed) for seed in (0, 5)])
    rotations = some_rotations(3, 2)
    gains = torch.tensor([[0.5, -0.7, 0.0], [0.1, 0.2, -0.3]])
    both = view_spectrograms(fields, rotations, config, MEAN, STD, gains)
    assert both.shape == (2, 3, config.num_channels, 101, 128)
    for b in range(2):
        alone = view_spectrograms(
            fields[b : b + 1], rotations[b : b + 1], config, MEAN, STD, gains[b : b + 1]
        )
        assert torch.equal(both[b : b + 1], alone)
    # As on other devices.
    together = view_spectrograms(fields, rotations, config, MEAN, STD, gains, at_once=2)
    assert torch.allclose(together, both, atol=2e-3)


def test_permuting_views_permutes_spectrograms():
    field, rotations = sound_field("speech"), some_rotations()
    order = [2, 0, 3, 1]
    straight = view_spectrograms(field, rotations, CONFIG, MEAN, STD)
    permuted = view_spectrograms(field, rotations[:, order], CONFIG, MEAN, STD)
    assert torch.allclose(permuted, straight[:, order], atol=1e-4)


def test_int16_is_scaled_to_full_scale_one():
    field = (sound_field("speech") * 32768).round().clamp(-32768, 32767)
    from_int = view_spectrograms(field.to(torch.int16), some_rotations(), CONFIG, MEAN, STD)
    from_float = view_spectrograms(field / 32768, some_rotations(), CONFIG, MEAN, STD)
    assert torch.allclose(from_int, from_float, atol=2e-3)


def test_statistics_and_gain_are_applied():
    field, rotations = sound_field("speech"), some_rotations()
    mean, std = torch.linspace(-60, -20, 128), torch.linspace(5, 20, 128)
    plain = view_spectrograms(field, rotations, CONFIG, MEAN, STD)
    got = view_spectrograms(field, rotations, CONFIG, mean, std, torch.full((1, 4), 3.0))
    assert torch.allclose(got, (plain + 3 - mean) / std, atol=1e-4)


def fading_source():
    source = torch.from_numpy(speech_like()) * torch.linspace(1, 0, RATE) ** 8
    return encode(source, direction(0.4, 0.2))[None]


@pytest.mark.parametrize("peak", ["view", "channel"])
@pytest.mark.parametrize("top_db", [40.0, 80.0, 140.0])
def test_levels_are_raised_to_the_relative_floor(peak, top_db):
    config = replace(CONFIG, top_db=top_db, peak=peak, min_db=-300.0)
    field, rotations = fading_source(), some_rotations()
    got = view_spectrograms(field, rotations, config, MEAN, STD)[0]
    stored = log_mels(field, config)[0]
    for levels in (*got, stored):
        each = [levels] if peak == "view" else list(levels)
        for part in each:
            assert part.min().item() == pytest.approx(part.max().item() - top_db, abs=1e-3)


@pytest.mark.parametrize("min_db", [-60.0, -100.0, -160.0, -200.0])
def test_levels_are_raised_to_the_absolute_floor(min_db):
    config = replace(CONFIG, min_db=min_db, top_db=250.0)
    field = fading_source()
    field[:, 2] = 0
    silent = log_mels(field, config)[0, 2]
    assert torch.allclose(silent, torch.tensor(min_db), atol=1e-3)
    got = view_spectrograms(field, torch.eye(3).expand(1, 1, 3, 3), config, MEAN, STD)[0, 0]
    assert torch.allclose(got[2], torch.tensor(min_db), atol=1e-3)
    assert got.min() >= min_db - 1e-3


def test_leaving_out_the_last_window_changes_no_other():
    field, rotations = fading_source(), some_rotations()
    config = replace(CONFIG, drop_last_frame=True, top_db=250.0)
    got = view_spectrograms(field, rotations, config, MEAN, STD)
    whole = view_spectrograms(field, rotations, replace(config, drop_last_frame=False), MEAN, STD)
    assert got.shape[-2] == config.steps(RATE) == 100
    assert torch.allclose(got, whole[..., :-1, :], atol=1e-3)


def test_silence_is_finite():
    for inputs in ("ambix+intensity", "stereo"):
        got = view_spectrograms(
            torch.zeros(1, 4, RATE, dtype=torch.int16),
            some_rotations(), replace(CONFIG, channels=inputs), MEAN, STD,
        )  # fmt: skip
        assert torch.isfinite(got).all()


def test_a_source_ahead_is_only_in_w_and_x():
    views = draw_views(ViewConfig(), 0, 0, [0])
    source = torch.from_numpy(speech_like())
    for k in range(4):
        field = encode(source, views.directions[0, k])[None]
        w, y, z, x = view_spectrograms(field, views.rotations, CONFIG, MEAN, STD)[0, k]
        assert torch.allclose(w, x, atol=0.01)
        loud = w > w.max() - 40
        assert (y[loud] < w[loud] - 40).all() and (z[loud] < w[loud] - 40).all()


def test_intensity_points_at_its_source():
    rotations = some_rotations()
    towards = direction(-2.0, 0.5)
    field = encode(torch.from_numpy(speech_like()), towards)[None]
    config = replace(CONFIG, channels="ambix+intensity")
    got = view_spectrograms(field, rotations, config, MEAN, STD)[0, :, 4:]
    loud = torch.from_numpy(librosa_log_mel(field[0, 0].numpy())) > -60
    for k in range(4):
        x, y, z = rotations[0, k] @ towards
        for channel, expected in zip(got[k], (y, z, x), strict=True):
            assert torch.allclose(channel[loud], expected, atol=1e-3)


def test_intensity_of_diffuse_sound_is_short():
    config = replace(CONFIG, channels="ambix+intensity")
    rng = np.random.default_rng(0)
    fields = [
        encode(torch.from_numpy(rng.normal(size=RATE).astype(np.float32)), direction(*angles))
        for angles in zip(
            rng.uniform(-3, 3, 60).tolist(), np.arcsin(rng.uniform(-1, 1, 60)).tolist(), strict=True
        )
    ]
    got = view_spectrograms(sum(fields)[None], some_rotations(), config, MEAN, STD)[0, :, 4:]
    assert got.abs().max() <= 1 + 1e-5 and got.mean((-1, -2)).abs().max() < 0.2


def test_mono_ignores_rotation_and_stereo_separates_sides():
    views = some_rotations(2)
    field = encode(torch.from_numpy(speech_like()), views[0, 0].T @ direction(math.pi / 2, 0.0))
    mono = view_spectrograms(field[None], views, replace(CONFIG, channels="mono"), MEAN, STD)[0]
    assert torch.equal(mono[0], mono[1])
    assert torch.allclose(mono[0, 0], log_mels(field[None], CONFIG)[0, 0], atol=0.01)
    stereo = view_spectrograms(field[None], views, replace(CONFIG, channels="stereo"), MEAN, STD)[0]
    # The source is straight to the left of the first view: the right cardioid is deaf to it.
    left, right = stereo[0]
    assert torch.allclose(left, mono[0, 0], atol=0.01)
    assert (right[left > left.max() - 40] < left.max() - 60).all()
