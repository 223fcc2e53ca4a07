from __future__ import annotations

from dataclasses import replace

import librosa
import numpy as np
import pytest
import torch
from helpers.sound_fields import RATE, SPREAD_DB, librosa_log_mel, sound_field, speech_like

from avsa.views.spectrogram import AudioConfig, log_mels, stft, to_mel

CONFIG = AudioConfig()


@pytest.mark.filterwarnings("ignore:Empty filters")
@pytest.mark.parametrize(("n_fft", "n_mels"), [(512, 128), (400, 64), (1024, 5)])
def test_mel_blocks_multiply_like_the_whole_filter_bank(n_fft, n_mels):
    config = replace(CONFIG, n_fft=n_fft, n_mels=n_mels)
    magnitude = torch.rand(7, n_fft // 2 + 1, generator=torch.Generator().manual_seed(0))
    bank = torch.from_numpy(librosa.filters.mel(sr=RATE, n_fft=n_fft, n_mels=n_mels))
    torch.testing.assert_close(to_mel(magnitude, config), magnitude @ bank.T)


@pytest.mark.parametrize("kind", ["speech", "noise"])
def test_log_mels_are_those_of_librosa(kind):
    field = sound_field(kind)
    got = log_mels(field, CONFIG)[0]
    expected = np.stack([librosa_log_mel(channel) for channel in field[0].numpy()])
    expected = np.maximum(expected, expected.max() - 100)
    assert got.shape == (4, 101, 128)
    assert np.abs(got.numpy() - expected).max() / SPREAD_DB < 1e-3


def test_the_stft_reflects_at_the_ends():
    signal = torch.from_numpy(speech_like())
    got = stft(signal[None], CONFIG)[0].numpy()
    expected = librosa.stft(signal.numpy(), n_fft=512, hop_length=240, pad_mode="reflect").T
    assert np.abs(got - expected).max() < 1e-4
