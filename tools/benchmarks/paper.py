"""The sample loading of the paper's code, as a baseline for the benchmark.

Reimplemented from its description: decode the released clip, crop frame by frame in NumPy, jitter
colours with PIL, and compute the log-mel of every channel of every view with librosa. Each step is
implemented plainly, without the optimizations of this package.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import av
import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import functional

Floats = NDArray[np.float32]
# PyAV does not declare the type of its images: RGB, 8 bits.
Bytes = NDArray[Any]

RGB_MEAN, RGB_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def decode_frames(path: Path, start_s: float, duration_s: float, fps: int) -> list[Bytes]:
    """Return RGB frames (H, W, 3) at a rate, by seeking in the file."""
    wanted = [start_s + i / fps for i in range(round(duration_s * fps))]
    frames: list[Bytes] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        assert stream.time_base is not None
        container.seek(int(start_s / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            assert frame.time is not None
            while len(frames) < len(wanted) and frame.time >= wanted[len(frames)] - 1e-3:
                frames.append(frame.to_ndarray(format="rgb24"))
            if len(frames) == len(wanted):
                return frames
    raise ValueError(f"{path} ends before {wanted[-1]:.2f} s")


def decode_audio(path: Path, start_s: float, duration_s: float, sample_rate_hz: int) -> Floats:
    """Return audio (C, S) resampled to a rate, by seeking in the file."""
    blocks: list[Floats] = []
    wanted = round(duration_s * sample_rate_hz)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert stream.time_base is not None
        container.seek(int(start_s / stream.time_base), stream=stream)
        resampler = av.AudioResampler("fltp", stream.layout, sample_rate_hz)
        skip = None
        for frame in container.decode(stream):
            if skip is None:
                assert frame.time is not None
                skip = max(0, round((start_s - frame.time) * sample_rate_hz))
            blocks += [out.to_ndarray().astype(np.float32) for out in resampler.resample(frame)]
            if sum(block.shape[1] for block in blocks) >= skip + wanted:
                return np.concatenate(blocks, 1)[:, skip : skip + wanted]
    raise ValueError(f"{path} ends before {start_s + duration_s:.2f} s")


def view_map(
    azimuth: float, elevation: float, hfov: float, size: int, height: int, width: int
) -> tuple[Floats, Floats]:
    """Return the panorama's columns and rows (size, size) that a square view looks at."""
    steps = (np.arange(size) + 0.5) * 2 / size - 1
    left, up = np.meshgrid(-np.tan(hfov / 2) * steps, -np.tan(hfov / 2) * steps)
    rays = np.stack([np.ones_like(left), left, up], -1)
    cos_a, sin_a, cos_e, sin_e = (
        math.cos(azimuth), math.sin(azimuth), math.cos(elevation), math.sin(elevation),
    )  # fmt: skip
    tilt = np.array([[cos_e, 0, -sin_e], [0, 1, 0], [sin_e, 0, cos_e]])
    turn = np.array([[cos_a, -sin_a, 0], [sin_a, cos_a, 0], [0, 0, 1]])
    x, y, z = np.moveaxis(rays @ (turn @ tilt).T, -1, 0)
    u = 0.5 - np.arctan2(y, x) / (2 * np.pi)
    v = 0.5 - np.arctan2(z, np.hypot(x, y)) / np.pi
    return (u * width - 0.5).astype(np.float32), (v * height - 0.5).astype(np.float32)


def crop_frame(frame: Bytes, columns: Floats, rows: Floats) -> Bytes:
    """Interpolate one RGB frame (H, W, 3) bilinearly."""
    height, width = frame.shape[:2]
    left, top = np.floor(columns).astype(int), np.floor(rows).astype(int)
    a, b = (columns - left)[..., None], (rows - top)[..., None]
    right, left = (left + 1) % width, left % width
    bottom, top = np.clip(top + 1, 0, height - 1), np.clip(top, 0, height - 1)
    upper = frame[top, left] * (1 - a) + frame[top, right] * a
    lower = frame[bottom, left] * (1 - a) + frame[bottom, right] * a
    return (upper * (1 - b) + lower * b).astype(np.uint8)


def jitter_views(views: list[list[Bytes]], factors: NDArray[np.float64]) -> torch.Tensor:
    """Jitter colours with PIL, the same for the frames of a view; return (K, 3, T, h, w)."""
    done = []
    for frames, (brightness, contrast, saturation, hue) in zip(views, factors, strict=True):
        tensors = []
        for frame in frames:
            image = Image.fromarray(frame)
            image = functional.adjust_brightness(image, brightness)
            image = functional.adjust_contrast(image, contrast)
            image = functional.adjust_saturation(image, saturation)
            image = functional.adjust_hue(image, hue)
            tensors.append(functional.normalize(functional.to_tensor(image), RGB_MEAN, RGB_STD))
        done.append(torch.stack(tensors, 1))
    return torch.stack(done)


def log_mel(signal: Floats, sample_rate_hz: int) -> Floats:
    """Return the log-mel (F, N) of one channel."""
    magnitude = np.abs(librosa.stft(signal, n_fft=512, hop_length=240, pad_mode="reflect"))
    mel = librosa.feature.melspectrogram(S=magnitude, sr=sample_rate_hz, n_mels=128)
    return librosa.amplitude_to_db(mel, top_db=100)


def view_log_mels(audio: Floats, rotations: Floats, sample_rate_hz: int) -> Floats:
    """Rotate ambiX (4, S) into each view (K, 3, 3); return log-mels (K, 4, F, N)."""
    spectrograms = []
    for rotation in rotations:
        # Rows and columns of the rotation in the order y, z, x of the channels.
        turned = np.roll(rotation, (-1, -1), (0, 1)) @ audio[1:]
        channels = [audio[0], *turned]
        spectrograms.append([log_mel(channel, sample_rate_hz) for channel in channels])
    return np.array(spectrograms)
