"""Energy of a sound field over the sphere, and its level, over time.

The energy is that of `yt360.ambisonics.transforms.energy_map`: the mean power of a cardioid to each
direction, as in `yt360 preview`, the saliency of the view sampler and the evaluation of
localization. A test holds the two together; this one works in NumPy, because importing PyTorch
takes longer than a page may take to show its first clip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yt360.ambisonics.energy_overlay import SHOWN_DB, inferno
from yt360.clip_codec.decoder import decode_audio
from yt360.clip_codec.flac import read_flac_index
from yt360.clips import SILENT_BELOW_DBFS
from yt360.errors import BadItem

ROWS, COLUMNS = 36, 72
"""Size of an energy map: pixels of 5°."""
STEP_S = 0.1
MAX_STEPS = 3000
"""Longer clips have longer steps."""
FLOOR_DBFS = -100.0
"""Lowest level of the level curve."""
STRIP_DB = 40.0
"""Steps that are further below the loudest one are black in the strip."""
_FULL_SCALE = 1 << 15
_STEPS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class SoundLayers:
    """The layers of a clip's audio; step i covers the seconds from i to i + 1 times `step_s`.

    Attributes:
        step_s: Length of a step in seconds.
        energy: uint8 (T, `ROWS`, `COLUMNS`), equirectangular, the front in the middle: the level of
            each direction relative to the loudest one of the step, linear in dB from `low_db` (0)
            to `high_db` (255). Only the loudest pixel has 255. Silent steps are 0.
        strip: uint8 (`COLUMNS`, T, 3) RGB, see `azimuth_strip`.
        level_dbfs: RMS level of W in each step, relative to a full-scale square wave, at least
            `FLOOR_DBFS`.
    """

    step_s: float
    energy: NDArray[np.uint8]
    strip: NDArray[np.uint8]
    level_dbfs: list[float]

    low_db = -SHOWN_DB
    high_db = 0.0

    @property
    def energy_facts(self) -> dict[str, Any]:
        """Shape and scale of `energy` as JSON values."""
        frames, rows, columns = self.energy.shape
        return {
            "rows": rows,
            "columns": columns,
            "frames": frames,
            "step_s": self.step_s,
            "low_db": self.low_db,
            "high_db": self.high_db,
        }

    @property
    def level_facts(self) -> dict[str, Any]:
        """The level curve as JSON values."""
        return {"step_s": self.step_s, "db": self.level_dbfs}


def sound_layers_of_flac(flac: bytes, step_s: float = STEP_S) -> SoundLayers:
    """Decode the audio of a clip and return its layers.

    Args:
        flac: The audio member of a clip. It may be damaged or hostile: call this function in an
            `yt360.execution.isolation.IsolatedProcess`.
        step_s: See `sound_layers`.

    Raises:
        BadItem: It does not decode, or is not first-order ambiX.
    """
    rate_hz = read_flac_index(memoryview(flac)).sample_rate_hz
    samples = decode_audio(flac)
    if len(samples) != 4 or not samples.size:
        raise BadItem("bad-flac", f"audio {samples.shape} is not first-order ambiX")
    return sound_layers(samples, rate_hz, step_s)


def sound_layers(
    ambix: NDArray[np.int16], sample_rate_hz: int, step_s: float = STEP_S
) -> SoundLayers:
    """Return the energy over the sphere, the strip and the level of a clip.

    Args:
        ambix: int16 (4, S), ambiX W, Y, Z, X, with S >= 1.
        sample_rate_hz: Sample rate.
        step_s: Seconds of a step; longer if there would be more than `MAX_STEPS`.
    """
    samples = ambix.shape[1]
    step = max(1, round(step_s * sample_rate_hz), math.ceil(samples / MAX_STEPS))
    power = power_over_time(ambix, step)
    level_dbfs = step_levels_dbfs(ambix[0], step)
    return SoundLayers(
        step / sample_rate_hz,
        relative_bytes(power),
        azimuth_strip(power, level_dbfs),
        [round(float(each), 2) for each in level_dbfs],
    )


def power_over_time(
    ambix: NDArray[np.int16], step: int, rows: int = ROWS, columns: int = COLUMNS
) -> NDArray[np.float64]:
    """Return the mean power (T, rows, columns) of a cardioid to each direction, in each step.

    Args:
        ambix: int16 (4, S), ambiX.
        step: Samples of a step; the last one may be shorter.
        rows: Rows of a map.
        columns: Columns of a map.
    """
    starts = range(0, ambix.shape[1], step * _STEPS_AT_ONCE)
    pieces = (ambix[:, start : start + step * _STEPS_AT_ONCE] for start in starts)
    covariance = np.concatenate([_covariances(piece, step) for piece in pieces])
    weights = _cardioids(rows, columns)
    products = (weights[:, :, None] * weights[:, None, :]).reshape(-1, 16)
    return (covariance.reshape(-1, 16) @ products.T).reshape(-1, rows, columns)


def _covariances(ambix: NDArray[np.int16], step: int) -> NDArray[np.float64]:
    """Return the mean products of channels (T, 4, 4) in each step."""
    samples = ambix / _FULL_SCALE
    whole = samples.shape[1] // step * step
    steps = samples[:, :whole].reshape(4, -1, step).swapaxes(0, 1)
    found = steps @ steps.swapaxes(1, 2) / step
    rest = samples[:, whole:]
    if rest.size:
        found = np.concatenate([found, (rest @ rest.T / rest.shape[1])[None]])
    return found


def _cardioids(rows: int, columns: int) -> NDArray[np.float64]:
    """Return the weights (rows * columns, 4) on W, Y, Z, X of a cardioid to each pixel."""
    elevation = (0.5 - (np.arange(rows)[:, None] + 0.5) / rows) * np.pi
    azimuth = (0.5 - (np.arange(columns) + 0.5) / columns) * 2 * np.pi
    y, x = np.cos(elevation) * np.sin(azimuth), np.cos(elevation) * np.cos(azimuth)
    z = np.broadcast_to(np.sin(elevation), x.shape)
    return np.stack([np.ones_like(x), y, z, x], -1).reshape(-1, 4) / 2


def relative_bytes(power: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return `SoundLayers.energy` for maps of power (T, H, W)."""
    peak = power.max((1, 2), keepdims=True)
    level_db = 10 * np.log10(np.maximum(power, 1e-20) / np.maximum(peak, 1e-20))
    # Rounded down, so that only the maximum itself is 255.
    values = np.floor(255 * np.clip(1 + level_db / SHOWN_DB, 0, 1))
    return np.where(peak < 10 ** (SILENT_BELOW_DBFS / 10), 0, values).astype(np.uint8)


def azimuth_strip(power: NDArray[np.float64], level_dbfs: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return a picture of the energy by azimuth (down) over time (to the right).

    The top row is the left edge of the panorama, behind; the middle is the front. Colours are those
    of the energy overlay: bright where a direction is as loud as the loudest one, darker in steps
    that are quieter than the loudest step of the clip, black `STRIP_DB` below it.

    Args:
        power: (T, H, W) from `power_over_time`.
        level_dbfs: (T,), from `step_levels_dbfs`.

    Returns:
        uint8 (W, T, 3) RGB.
    """
    rows = power.shape[1]
    area = np.cos((0.5 - (np.arange(rows) + 0.5) / rows) * np.pi)
    by_azimuth = np.einsum("thw,h->wt", power, area)
    peak = np.maximum(by_azimuth.max(0), 1e-20)
    contrast = 1 + 10 * np.log10(np.maximum(by_azimuth, 1e-20) / peak) / SHOWN_DB
    loudness = 1 + (level_dbfs - level_dbfs.max()) / STRIP_DB
    strength = np.clip(contrast, 0, 1) * np.clip(loudness, 0, 1)
    strength[:, level_dbfs < SILENT_BELOW_DBFS] = 0
    return np.rint(inferno(strength)).astype(np.uint8)


def step_levels_dbfs(w: NDArray[np.int16], step: int) -> NDArray[np.float64]:
    """Return the RMS level (T,) of W (S,) in each step of `step` samples, in dBFS."""
    starts = np.arange(0, len(w), step)
    energy = np.add.reduceat(np.square(w / _FULL_SCALE), starts)
    counts = np.diff([*starts, len(w)])
    return np.maximum(10 * np.log10(np.maximum(energy / counts, 1e-20)), FLOOR_DBFS)
