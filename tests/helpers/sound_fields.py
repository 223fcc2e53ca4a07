"""Sound fields for tests of spectrograms, and their log-mels by librosa."""

from __future__ import annotations

import math

import librosa
import numpy as np
import torch

from yt360.ambisonics.transforms import encode
from yt360.sphere import direction

RATE = 24000
# Typical deviation of a band over a dataset; errors count in these units.
SPREAD_DB = 15.0


def speech_like(seconds=1.0, seed=0):
    """Voiced and noisy bursts with pauses, a falling spectrum and 60 dB of dynamics."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    pitch = 120 * (1 + 0.1 * np.sin(2 * np.pi * 3 * t))
    voiced = sum(np.sin(2 * np.pi * h * np.cumsum(pitch) / RATE) / h for h in range(1, 30))
    envelope = np.clip(np.sin(2 * np.pi * 2.5 * t + seed), 0.001, 1)
    return (0.05 * envelope * (voiced + 0.3 * rng.normal(size=len(t)))).astype(np.float32)


def sound_field(kind, seed=0):
    """Return a second of ambiX (1, 4, S): ``"noise"``, or ``"speech"`` from three directions."""
    rng = np.random.default_rng(seed)
    if kind == "noise":
        return torch.from_numpy(rng.normal(0, 0.1, (1, 4, RATE)).astype(np.float32))
    sources = [torch.from_numpy(speech_like(seed=seed + i)) for i in range(3)]
    angles = rng.uniform(-1, 1, (3, 2)) * [math.pi, 0.8]
    field = sum(
        encode(source, direction(*map(float, angle)))
        for source, angle in zip(sources, angles, strict=True)
    )
    return (field + 1e-4 * torch.randn(4, RATE))[None]


def librosa_log_mel(signal, top_db=None):
    """Return the log-mel (N, F) of a signal (S,) in dB."""
    magnitude = np.abs(librosa.stft(signal, n_fft=512, hop_length=240, pad_mode="reflect"))
    mel = librosa.feature.melspectrogram(S=magnitude, sr=RATE, n_mels=128)
    return librosa.amplitude_to_db(mel, top_db=top_db).T
