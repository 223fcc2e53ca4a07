"""95 % intervals by bootstrap over videos.

Clips of one video resemble each other, so videos are drawn with replacement, each with all of its
clips (cluster bootstrap; Efron and Tibshirani, "An Introduction to the Bootstrap", 1993). An
interval reaches from the 2.5th to the 97.5th percentile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from avsa.evals.result import VIDEOS, Metric, Row, Unit
from yt360.randomness import keyed_generator

RESAMPLES = 2000
CONFIDENCE = 95
_CHUNK = 200

Numbers = NDArray[np.float64]


def bootstrap_interval(
    sums: Numbers, statistic: Callable[[Numbers], Numbers], seed: int = 0
) -> tuple[float, float] | None:
    """Return the interval of a statistic of sums over videos.

    Args:
        sums: (V, ...) what each video contributes, such as hits and trials, or a confusion matrix.
        statistic: Maps sums (R, ...) over the videos of R resamples to values (R,).
        seed: Seed of the resamples.

    Returns:
        Lower and upper end; None for fewer than two videos, or if no resample has a value.
    """
    videos = len(sums)
    if videos < 2:
        return None
    generator = keyed_generator(seed, "bootstrap")
    flat, values = sums.reshape(videos, -1), []
    for first in range(0, RESAMPLES, _CHUNK):
        count = min(_CHUNK, RESAMPLES - first)
        drawn = generator.multinomial(videos, np.full(videos, 1 / videos), count)
        values.append(statistic((drawn @ flat).reshape(count, *sums.shape[1:])))
    found = np.concatenate(values)
    found = found[np.isfinite(found)]
    if not len(found):
        return None
    tail = (100 - CONFIDENCE) / 2
    low, high = np.percentile(found, [tail, 100 - tail])
    return float(low), float(high)


def sums_by_video(values: Numbers, videos: Sequence[str]) -> Numbers:
    """Return (V, ...) sums of values (N, ...) over the items of each video, in order of the ids."""
    values = np.asarray(values, np.float64)
    _, inverse = np.unique(np.asarray(videos, str), return_inverse=True)
    sums = np.zeros((int(inverse.max()) + 1 if len(inverse) else 0, *values.shape[1:]))
    np.add.at(sums, inverse, values)
    return sums


def mean_metric(
    values: Sequence[float] | Numbers,
    videos: Sequence[str],
    *,
    chance: float | None = None,
    unit: Unit = "%",
    seed: int = 0,
) -> Metric:
    """Return the mean of values with its interval.

    Args:
        values: (N,) one value for each item, such as 1 for a hit and 0 for a miss.
        videos: The video of each item.
        chance: See `Metric`.
        unit: See `Metric`.
        seed: Seed of the resamples.
    """
    array = np.asarray(values, np.float64)
    sums = sums_by_video(np.stack([array, np.ones_like(array)], 1), videos)
    low, high = bootstrap_interval(sums, lambda s: s[:, 0] / s[:, 1], seed) or (None, None)
    return Metric(value=float(array.mean()), low=low, high=high, chance=chance, unit=unit)


def video_table(
    measured: Mapping[str, tuple[Numbers, Sequence[str]]],
) -> dict[str, tuple[Row, ...]]:
    """Return the table ``videos`` of a record: the mean of each metric over the items of a video.

    Records of two models can be paired by it. The column ``items`` is the number of items of the
    first metric. A metric is the mean of its column, weighted by ``items``, if the numbers of its
    items are proportional to these.

    Args:
        measured: Values (N,) of N items and the video of each, by metric.

    Returns:
        The rows of the videos in order of their ids, under the name of the table. A video without
        an item of a metric has None there.
    """
    rows: dict[str, dict[str, str | float | None]] = {}
    for name, (values, videos) in measured.items():
        ids = np.unique(np.asarray(videos, str)).tolist()
        array = np.asarray(values, np.float64)
        sums = sums_by_video(np.stack([array, np.ones_like(array)], 1), videos)
        for video, (total, items) in zip(ids, sums.tolist(), strict=True):
            row = rows.setdefault(video, {"video": video, "items": items})
            row[name] = total / items
    columns = dict.fromkeys(measured)
    return {
        VIDEOS: tuple(
            {**dict.fromkeys(("video", "items", *columns)), **rows[video]} for video in sorted(rows)
        )
    }
