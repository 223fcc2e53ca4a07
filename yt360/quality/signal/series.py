"""Audio energy by direction over time, for the report."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from yt360.media.layout.sound_field import BAND_EDGES_HZ, FieldSegment
from yt360.quality.signal.timeline import Timeline

MOST_ROWS = 4096
# Power of a beam (0.35 + 0.65 cos) is a quadratic form in W, X and Y.
_OMNI = 0.35


# Power falls approximately as 1/f; these weights balance the bands.
_WEIGHTS = np.sqrt(np.array(BAND_EDGES_HZ[:-1]) * np.array(BAND_EDGES_HZ[1:]))
_WEIGHTS /= _WEIGHTS.max()


def octave_weighted(tile: FieldSegment) -> NDArray[np.float64]:
    """Return the covariance (4, 4) of a tile over all bands, with equal weights for octaves."""
    return np.asarray(np.tensordot(_WEIGHTS, tile.covariance.real, 1))


class DirectionSeries:
    """Accumulates the horizontal sound field as six numbers per tile."""

    def __init__(self) -> None:
        self._rows = Timeline(MOST_ROWS, 7)

    def feed(self, tile: FieldSegment) -> None:
        """Process the next tile of ambiX."""
        field = octave_weighted(tile)
        w, y, x = 0, 1, 3
        pairs = ((w, w), (w, x), (w, y), (x, x), (y, y), (x, y))
        self._rows.add((tile.start_s, *(field[a, b] for a, b in pairs)))

    def energy_map(self, azimuths: int, columns: int) -> tuple[NDArray, NDArray]:
        """Return the power by azimuth and time.

        Args:
            azimuths: Rows of the map, from azimuth +pi (top) to -pi.
            columns: Maximum number of columns; adjacent tiles are averaged.

        Returns:
            Evenly spaced start times (T,) of the columns in seconds, and power (azimuths, T)
            relative to full scale squared, NaN in gaps between sections.
        """
        times, (ww, wx, wy, xx, yy, xy) = self._columns(columns)
        azimuth = np.pi - (np.arange(azimuths) + 0.5) / azimuths * 2 * np.pi
        cos, sin = np.cos(azimuth)[:, None], np.sin(azimuth)[:, None]
        figure = 1 - _OMNI
        power = _OMNI**2 * ww + 2 * _OMNI * figure * (wx * cos + wy * sin)
        power = power + figure**2 * (xx * cos**2 + yy * sin**2 + 2 * xy * sin * cos)
        return times, np.maximum(power, 0)

    def _columns(self, most: int) -> tuple[NDArray, NDArray]:
        """Return the times (T,) of at most `most` columns, and their mean rows (6, T)."""
        rows = self._rows.rows.astype(np.float64)
        if not len(rows):
            return np.zeros(0), np.zeros((6, 0))
        # Tiles are evenly spaced, except for gaps between the sections of a video.
        tile_s = float(np.median(np.diff(rows[:, 0]))) if len(rows) > 1 else 1.0
        numbers = np.round((rows[:, 0] - rows[0, 0]) / tile_s).astype(int)
        step = max(-(-(numbers[-1] + 1) // most), 1)
        columns = numbers // step
        count = (numbers[-1] + 1) // step
        tiles = np.bincount(columns, minlength=count)[:count]
        sums = [np.bincount(columns, each, minlength=count)[:count] for each in rows[:, 1:].T]
        means = np.where(tiles > 0, sums / np.maximum(tiles, 1), np.nan)
        return rows[0, 0] + np.arange(count) * step * tile_s, means
