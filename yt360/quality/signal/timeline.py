"""A time series of bounded size."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Timeline:
    """Rows of numbers in temporal order; when full, every second row is dropped.

    After that, only every second new row is kept (then every fourth, ...), so the rows cover the
    whole recording evenly.

    Args:
        most: Maximum number of rows, at least 2.
        columns: Numbers per row.
    """

    def __init__(self, most: int, columns: int) -> None:
        self._rows = np.zeros((most, columns), dtype=np.float32)
        self._kept = 0
        self._seen = 0
        self.stride = 1

    def add(self, row: ArrayLike) -> None:
        """Add the next row (columns,)."""
        if self._seen % self.stride == 0:
            if self._kept == len(self._rows):
                self._thin()
            if self._seen % self.stride == 0:
                self._rows[self._kept] = row
                self._kept += 1
        self._seen += 1

    @property
    def rows(self) -> NDArray[np.float32]:
        """The stored rows (N, columns)."""
        return self._rows[: self._kept]

    def _thin(self) -> None:
        half = self._rows[: self._kept : 2].copy()
        self._kept = len(half)
        self._rows[: self._kept] = half
        self.stride *= 2
