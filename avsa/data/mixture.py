"""How often an epoch draws the clips of each of several datasets, by ``sampling.weights``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from yt360.errors import UserError

Indices = NDArray[np.integer]


class Mixture:
    """The draws of an epoch, shared out among datasets by weights.

    The clips of a dataset form pools: its videos (unit video) or its single clips (unit clip). An
    epoch draws the pools of a dataset equally often; if the draws of the dataset cannot be divided
    evenly, a random part of its pools is drawn once more.

    Args:
        weights: Weight of each dataset, above 0.
        datasets: Dataset of each clip, counted from 0.
        videos: Video of each clip, counted from 0. Datasets may have videos in common.
        unit: The pools.

    Attributes:
        pools: Pool of each clip, counted from 0.

    Raises:
        UserError: There is not one weight for each dataset.
    """

    def __init__(
        self,
        weights: Sequence[float],
        datasets: Sequence[int] | Indices,
        videos: Indices,
        unit: Literal["video", "clip"],
    ) -> None:
        datasets = np.asarray(datasets)
        count = int(datasets.max(initial=0)) + 1
        if len(weights) != count:
            raise UserError(
                f"sampling.weights has {len(weights)} numbers, and there "
                f"{'is 1 dataset' if count == 1 else f'are {count} datasets'}; give one number for "
                "each --data, in the same order",
                code="conflict",
                key="sampling.weights",
            )
        self.fractions = normalized(weights)
        if unit == "clip":
            self.pools: Indices = np.arange(len(videos))
            owner, video = datasets, videos
        else:
            pairs = np.stack([datasets, videos])
            (owner, video), numbers = np.unique(pairs, axis=1, return_inverse=True)
            self.pools = numbers.reshape(-1)
        self._pools_of_dataset = [np.flatnonzero(owner == number) for number in range(count)]
        self._video_of_pool, self._num_pools = video, len(video)

    def uses(self, draws: int, generator: np.random.Generator) -> Indices:
        """Return how often an epoch of a number of draws uses each pool."""
        uses = np.zeros(self._num_pools, dtype=np.int32)
        for pools, share in zip(
            self._pools_of_dataset, shared_out(draws, self.fractions), strict=True
        ):
            each, more = divmod(share, len(pools))
            uses[pools] = each
            uses[generator.permutation(pools)[:more]] += 1
        return uses

    def require_fits(self, draws: int, batches: int, batch_size: int) -> None:
        """Check that no video is drawn more often than there are batches to deal it to.

        Args:
            draws: Draws of an epoch.
            batches: Batches among which the clips of a video are dealt.
            batch_size: Clips of a batch, for the message.

        Raises:
            UserError: A dataset has too few videos for its weight.
        """
        most = np.zeros(self._video_of_pool.max(initial=0) + 1, dtype=np.int64)
        for pools, share in zip(
            self._pools_of_dataset, shared_out(draws, self.fractions), strict=True
        ):
            np.add.at(most, self._video_of_pool[pools], -(-share // len(pools)))
        if most.max(initial=0) <= batches:
            return
        counts = [len(np.unique(self._video_of_pool[pools])) for pools in self._pools_of_dataset]
        shares = [
            f"{fraction * batch_size:.1f} clips of {count} videos"
            for fraction, count in zip(self.fractions, counts, strict=True)
        ]
        raise UserError(
            f"sampling.weights: a batch of {batch_size} clips of different videos cannot take "
            f"{' and '.join(shares)}, {len(most)} different videos together; lower the weight of "
            "the dataset with too few videos, or batch_size, or raise sampling.window_shards if it "
            "is set",
            code="out-of-range",
            key="sampling.weights",
        )


def normalized(weights: Sequence[float]) -> list[float]:
    """Return weights divided by their sum."""
    total = sum(weights)
    return [weight / total for weight in weights]


def shared_out(total: int, fractions: Sequence[float]) -> list[int]:
    """Return whole numbers with a given sum, each less than 1 away from its fraction of it."""
    exact = np.asarray(fractions) * total
    shares = np.floor(exact).astype(int)
    largest = np.argsort(shares - exact, kind="stable")
    shares[largest[: total - shares.sum()]] += 1
    return [int(share) for share in shares]
