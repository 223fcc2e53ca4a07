from __future__ import annotations

import numpy as np
import pytest
import torch

from yt360.scenes.audio.voices import VOICES, SoundSource, Voice, sample_onsets, synthesize

RATE, SECONDS = 24000, 4


def _instance(voice: Voice, number: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(number)
    onsets, period = sample_onsets(generator, voice, SECONDS)
    pitch = 2 ** generator.uniform(-0.3, 0.3)
    source = SoundSource(voice, onsets, period, pitch)
    sound = synthesize(generator, source, SECONDS * RATE, RATE)
    return sound, onsets


def _features(sound: np.ndarray) -> np.ndarray:
    """Return mean and spread over time of each mel band (seconds, 256), a row a second."""
    from librosa.filters import mel  # a slow import

    window = torch.hann_window(512)
    spectrum = torch.stft(torch.from_numpy(sound), 512, 240, window=window, return_complex=True)
    mels = mel(sr=RATE, n_fft=512, n_mels=128) @ spectrum.abs().square().numpy()
    levels = 10 * np.log10(np.maximum(mels / mels.max(), 1e-6))[:, : SECONDS * 100]
    seconds = levels.reshape(128, SECONDS, 100)
    return np.concatenate([seconds.mean(-1), seconds.std(-1)]).T


def test_a_second_of_sound_tells_its_class() -> None:
    centroids = {
        name: np.mean([_features(_instance(voice, k)[0]) for k in range(4)], axis=(0, 1))
        for name, voice in VOICES.items()
    }
    names = list(centroids)
    right = total = 0
    for name, voice in VOICES.items():
        for number in range(100, 103):
            for features in _features(_instance(voice, number)[0]):
                distances = [np.linalg.norm(features - centroids[other]) for other in names]
                right += names[int(np.argmin(distances))] == name
                total += 1
    assert right / total > 0.9


@pytest.mark.parametrize("name", VOICES)
def test_a_voice_sounds_at_its_onsets_and_rests_briefly(name: str) -> None:
    sound, onsets = _instance(VOICES[name], 3)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    frames = np.square(sound).reshape(-1, RATE // 100).mean(-1)
    audible = np.flatnonzero(frames > 1e-3)
    gaps = np.diff(np.concatenate([[0], audible, [len(frames)]]))
    assert gaps.max() < 70, "a rest of more than 0.7 s"
    for onset in onsets[(onsets > 0) & (onsets < SECONDS - 0.4)]:
        after = int(onset * 100)
        assert frames[after : after + 40].max() > 0.02


@pytest.mark.parametrize("name", VOICES)
def test_instances_of_a_class_differ_and_stay_below_11_khz(name: str) -> None:
    first, second = (_instance(VOICES[name], number)[0] for number in (1, 2))
    assert np.abs(first - second).max() > 0.1
    power = np.square(np.abs(np.fft.rfft(first)))
    high = power[int(11000 / RATE * len(first)) :].sum()
    assert high < 0.02 * power.sum()


def test_loud_moments_of_every_voice_have_the_same_power() -> None:
    for name, voice in VOICES.items():
        sound, _ = _instance(voice, 9)
        frames = np.sort(np.square(sound).reshape(-1, RATE // 20).mean(-1))
        assert frames[int(0.9 * len(frames)) :].mean() == pytest.approx(1, rel=1e-3), name
