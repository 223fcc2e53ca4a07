"""What the report draws over time: where the sound comes from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yt360.quality.field import BAND_EDGES_HZ, FieldTile
from yt360.quality.timeline import Timeline

MOST_ROWS = 4096
# Power of a beam (0.35 + 0.65 cos) is a quadratic form in W, X and Y.
_OMNI = 0.35


class DirectionSeries:
    """Accumulates the horizontal sound field, tile by tile, as six numbers each."""

    def __init__(self) -> None:
        self._rows = Timeline(MOST_ROWS, 7)
        # Power falls with frequency about as 1/f; this makes the bands count about equally.
        self._weights = np.sqrt(np.array(BAND_EDGES_HZ[:-1]) * np.array(BAND_EDGES_HZ[1:]))
        self._weights /= self._weights.max()

    def feed(self, tile: FieldTile, offset_s: float = 0.0) -> None:
        """Take the next tile of true ambiX; `offset_s` is added to its time."""
        field = np.tensordot(self._weights, tile.covariance.real, 1)
        w, y, x = 0, 1, 3
        pairs = ((w, w), (w, x), (w, y), (x, x), (y, y), (x, y))
        self._rows.add((tile.start_s + offset_s, *(field[a, b] for a, b in pairs)))

    def energy_map(self, azimuths: int, columns: int) -> tuple[NDArray, NDArray]:
        """Return the power by azimuth and time.

        Args:
            azimuths: Rows of the map, from azimuth +pi (top) to -pi.
            columns: Most columns; neighbouring tiles are averaged to get there.

        Returns:
            Times (T,) at which the columns begin, in seconds, and power (azimuths, T) in squares
            of full scale.
        """
        rows = self._rows.rows.astype(np.float64)
        step = max(-(-len(rows) // columns), 1)
        groups = rows[: len(rows) // step * step].reshape(-1, step, rows.shape[1])
        times, (ww, wx, wy, xx, yy, xy) = groups[:, 0, 0], groups[:, :, 1:].mean(axis=1).T
        azimuth = np.pi - (np.arange(azimuths) + 0.5) / azimuths * 2 * np.pi
        cos, sin = np.cos(azimuth)[:, None], np.sin(azimuth)[:, None]
        figure = 1 - _OMNI
        power = _OMNI**2 * ww + 2 * _OMNI * figure * (wx * cos + wy * sin)
        power = power + figure**2 * (xx * cos**2 + yy * sin**2 + 2 * xy * sin * cos)
        return times, np.maximum(power, 0)
