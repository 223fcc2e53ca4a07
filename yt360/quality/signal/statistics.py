"""Quantiles of weighted values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def weighted_quantile(values: ArrayLike, weights: ArrayLike, quantile: float) -> float:
    """Return the smallest value that has at least `quantile` of the weight at or below it.

    Args:
        values: Any shape.
        weights: The same shape, not negative, not all zero.
        quantile: 0 to 1; 0.5 is the median.
    """
    flat, weight = np.ravel(values), np.ravel(weights)
    order = np.argsort(flat)
    cumulated = np.cumsum(weight[order])
    index = np.searchsorted(cumulated, quantile * cumulated[-1])
    return float(flat[order][min(index, len(flat) - 1)])
