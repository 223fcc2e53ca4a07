"""Speech activity by the network of silero-vad, computed with NumPy.

The package ``silero-vad`` (the extra ``[speech]``, MIT licence) carries the weights. Importing it
would import PyTorch, which takes more memory than an inspection, and would set PyTorch's number of
threads for the whole process, so only its file of weights is read. The network is a short-time
Fourier transform, four convolutions and a recurrent cell for frames of 32 ms.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from yt360.errors import UserError

PACKAGE = "silero-vad"
INSTALL = "pip install 'silero-vad>=6.2,<7'"
LABEL = "Speech"
FRAME_S = 0.032
SAMPLE_RATE_HZ = 16_000

_FRAME, _CONTEXT, _FFT, _HOP = 512, 64, 256, 128
_STRIDES = {"conv1": 1, "conv2": 2, "conv3": 2, "conv4": 1}

FloatArray = NDArray[np.float32]


def weights_path() -> Path | None:
    """Return the file of weights of the installed package; None if there is none."""
    try:
        path = distribution(PACKAGE).locate_file("silero_vad/data/silero_vad_16k.safetensors")
    except PackageNotFoundError:
        return None
    return Path(str(path)) if Path(str(path)).is_file() else None


@cache
def load_speech_tagger() -> SileroVad:
    """Return the tagger, loaded once per process.

    Raises:
        UserError: silero-vad is not installed, or its version has no such file.
    """
    path = weights_path()
    if path is None:
        raise UserError(
            f"speech activity needs silero-vad 6.2 or newer: {INSTALL}", "dependency", PACKAGE
        )
    return SileroVad(path)


class SileroVad:
    """An audio tagger (`yt360.quality.tagger`) for speech over time.

    Args:
        path: The weights, in safetensors.
    """

    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, path: Path) -> None:
        from safetensors.numpy import load_file

        self._weights = load_file(path)

    def __call__(self, mono: FloatArray) -> dict[str, FloatArray]:
        """Return the probability of speech in each frame of 32 ms of audio (S,)."""
        w = self._weights
        padded = np.pad(mono, (_CONTEXT, -len(mono) % _FRAME))
        frames = _cut(padded[None], _FRAME + _CONTEXT, _FRAME)[0]
        frames = np.pad(frames, ((0, 0), (0, _CONTEXT)), mode="reflect")
        parts = _cut(frames, _FFT, _HOP)  # (N, 4, 256)
        spectrum = parts.reshape(-1, _FFT) @ w["stft_conv.weight"][:, 0].T
        real, imaginary = np.split(spectrum, 2, axis=1)
        values = np.hypot(real, imaginary).reshape(*parts.shape[:2], -1)
        for name, stride in _STRIDES.items():
            values = _convolve(values, w[f"{name}.weight"], w[f"{name}.bias"], stride)
        hidden = self._recur(values[:, 0])
        logits = np.maximum(hidden, 0) @ w["final_conv.weight"][0, :, 0] + w["final_conv.bias"]
        return {LABEL: _sigmoid(logits)}

    def _recur(self, values: FloatArray) -> FloatArray:
        """Apply the LSTM cell to (N, 128)."""
        w = {name: self._weights[f"lstm_cell.{name}"] for name in ("weight_hh", "weight_ih")}
        bias = self._weights["lstm_cell.bias_ih"] + self._weights["lstm_cell.bias_hh"]
        inputs = values @ w["weight_ih"].T + bias
        hidden = cell = np.zeros(values.shape[1], np.float32)
        result = np.empty_like(values)
        for index, gates in enumerate(inputs):
            gates = gates + w["weight_hh"] @ hidden
            keep_in, keep, new, out = gates.reshape(4, -1)
            cell = _sigmoid(keep) * cell + _sigmoid(keep_in) * np.tanh(new)
            hidden = _sigmoid(out) * np.tanh(cell)
            result[index] = hidden
        return result


def _cut(values: FloatArray, size: int, step: int) -> FloatArray:
    return np.lib.stride_tricks.sliding_window_view(values, size, axis=1)[:, ::step]


def _convolve(values: FloatArray, weight: FloatArray, bias: FloatArray, stride: int) -> FloatArray:
    """Return the rectified convolution of (N, T, C) with (O, C, 3), padded by zeros."""
    padded = np.pad(values, ((0, 0), (1, 1), (0, 0)))
    parts = np.lib.stride_tricks.sliding_window_view(padded, 3, axis=1)[:, ::stride]
    flat = parts.reshape(parts.shape[0] * parts.shape[1], -1)
    return np.maximum(flat @ weight.reshape(len(weight), -1).T + bias, 0).reshape(
        *parts.shape[:2], -1
    )


def _sigmoid(values: FloatArray) -> FloatArray:
    half = np.float32(0.5)
    return np.asarray(np.tanh(half * values) * half + half, dtype=np.float32)
