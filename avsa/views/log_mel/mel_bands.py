"""Slaney mel bands of spectra, from 0 to half the sample rate.

Shapes: F mel bands, Q frequency bins; "..." are dimensions of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsa.views.log_mel.mel_filters import mel_filters

# Number of dense blocks into which the sparse mel matrix is split on the CPU.
MEL_BLOCKS = 8


def to_mel(spectrum: Tensor, sample_rate_hz: int, n_mels: int) -> Tensor:
    """Sum spectra (..., Q) into mel bands (..., F), contiguous float32."""
    bins = spectrum.shape[-1]
    rows = spectrum.reshape(-1, bins).float()
    mel = rows.new_empty(len(rows), n_mels)
    for bands, used, weights in _blocks(sample_rate_hz, bins, n_mels, spectrum.device):
        torch.mm(rows[:, used], weights, out=mel[:, bands])
    return mel.view(*spectrum.shape[:-1], n_mels)


@lru_cache(maxsize=8)
def bands_of_bins(
    sample_rate_hz: int, bins: int, n_mels: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the two bands to which each bin belongs: triangles overlap their neighbours only.

    Returns:
        The number of the lower band (Q,), and the weights in it and in the next one (2, Q). The
        next one may be band F, with a weight of 0.
    """
    matrix = np.pad(_matrix(sample_rate_hz, bins, n_mels), ((0, 0), (0, 1)))
    lower, each = matrix.astype(bool).argmax(1), np.arange(bins)
    return lower, np.stack([matrix[each, lower], matrix[each, lower + 1]])


@lru_cache(maxsize=8)
def _blocks(
    sample_rate_hz: int, bins: int, n_mels: int, device: torch.device
) -> list[tuple[slice, slice, Tensor]]:
    """Return the filter bank as blocks of adjacent bands: bands, bins, weights.

    On the CPU, blocks save most of the multiplications by zero; on a GPU one block is faster.
    """
    matrix = torch.from_numpy(_matrix(sample_rate_hz, bins, n_mels))
    blocks = []
    for first, last in pairwise(_cuts(n_mels, MEL_BLOCKS if device.type == "cpu" else 1)):
        rows = matrix[:, first:last].any(1).nonzero()
        used = slice(int(rows.min()), int(rows.max()) + 1) if len(rows) else slice(0, 1)
        weights = matrix[used, first:last].contiguous().to(device)
        blocks.append((slice(first, last), used, weights))
    return blocks


def _matrix(sample_rate_hz: int, bins: int, n_mels: int) -> NDArray[np.float32]:
    """Return the mel filters, (Q, F). Those of bands that are narrower than a bin may be empty."""
    return mel_filters(sample_rate_hz, 2 * (bins - 1), n_mels).T.astype(np.float32)


def _cuts(bands: int, blocks: int) -> Iterator[int]:
    count = min(blocks, bands)
    return (math.floor(i * bands / count) for i in range(count + 1))
