"""Small images of the report: energy by direction over a frame, and over time."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from yt360.ambisonics.energy_overlay import inferno

Array = NDArray[np.float64]

_OMNI = 0.35
# Power of the beam in the direction of a plane wave, relative to its mean over the sphere.
PLANE_WAVE_DB = 10 * math.log10(1 / (_OMNI**2 + (1 - _OMNI) ** 2 / 3))
_MAP_ROWS, _MAP_COLUMNS = 24, 48
_OPAQUE = 0.6
_RANGE_DB = 15.0


def data_uri(content: bytes, kind: str) -> str:
    """Return an image as a URI that holds it; `kind` is ``"png"`` or ``"jpeg"``."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def beam_gain_db(field: Array, rows: int = _MAP_ROWS, columns: int = _MAP_COLUMNS) -> Array:
    """Return the power of a beam to each direction, in dB relative to the mean over the sphere.

    It is 0 dB everywhere in a diffuse field, and at most `PLANE_WAVE_DB`.

    Args:
        field: Covariance (4, 4) of W, Y, Z, X in ambiX.
        rows: Rows of the map, from elevation +90° to -90°.
        columns: Columns of the map, from azimuth +180° to -180°.
    """
    azimuth = np.pi - (np.arange(columns) + 0.5) / columns * 2 * np.pi
    elevation = (np.pi / 2 - (np.arange(rows) + 0.5) / rows * np.pi)[:, None]
    flat = np.cos(elevation)
    x, y, z = flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation) + 0 * azimuth
    beam = np.stack([np.full_like(x, _OMNI), *((1 - _OMNI) * each for each in (y, z, x))], -1)
    power = np.maximum(np.einsum("hwi,ij,hwj->hw", beam, field, beam), 0)
    mean = float((power * flat).sum() / (flat.sum() * columns))
    return np.asarray(10 * np.log10((power + 1e-18) / (mean + 1e-18)))


def overlay_png(gain_db: Array) -> bytes:
    """Return a transparent image: opaque and bright where a single plane wave comes from."""
    strength = np.clip(gain_db / PLANE_WAVE_DB, 0, 1)
    alpha = np.clip(1.25 * (strength - 0.2), 0, 1) * _OPAQUE
    pixels = np.concatenate([inferno(0.25 + 0.75 * strength), 255 * alpha[..., None]], -1)
    return _png(Image.fromarray(np.rint(pixels).astype(np.uint8), "RGBA"))


def timeline_png(power: Array) -> bytes:
    """Return the power by azimuth and time (A, T) as an image; gaps (NaN) are transparent."""
    level_db = 10 * np.log10(np.nan_to_num(power) + 1e-12)
    loudest = float(np.quantile(level_db.max(axis=0), 0.98))
    strength = np.clip((level_db - loudest) / _RANGE_DB + 1, 0, 1)
    shades = np.where(np.isnan(power), 0, 1 + np.rint(strength * 30)).astype(np.uint8)
    image = Image.fromarray(shades, "P")
    palette = np.concatenate([[(0, 0, 0)], inferno(np.arange(31) / 30)])
    image.putpalette(np.rint(palette).astype(np.uint8).tobytes())
    return _png(image, transparency=0)


def _png(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True, **options)
    return file.getvalue()
