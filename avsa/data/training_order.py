"""The order of training: the clips in the batch of each step.

The order is a pure function of index, seed, epoch and options. It does not read data, communicate
with other ranks or depend on their number: every rank computes the same global batches and takes
its contiguous part. A run can start at any step; the order of an epoch costs a few sorts.

An epoch is made in three steps:

1. *Choose.* Video sampling draws ``draws_per_video`` random clips of every video (each video
   equally often, as in the paper; by default twice the clips of an average video, as in the
   published code). Clip sampling takes every clip once.
2. *Shuffle.* With ``window_shards``, shards are shuffled, then clips within segments of about that
   many shards, so that few shards are in use at a time.
3. *Deal.* The clips of a segment of n batches are sorted by video, and the j-th goes to batch
   j mod n. Clips of one video are neighbours, so no batch gets two of them.

With ``weights``, the draws of an epoch are first shared out among several datasets
(`avsa.data.mixture`).

Each epoch leaves out some clips, chosen at random: the remainder that does not fill a batch, and
the surplus of videos with more clips than a segment has batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from avsa.data.mixture import Indices, Mixture
from avsa.data.order import Draw
from yt360.config import config_class
from yt360.errors import UserError
from yt360.randomness import keyed_generator
from yt360.shards.format.arrow_values import numbers_of


@config_class
class SamplingConfig:
    """Sampling of an epoch from the clips of a split."""

    unit: Literal["video", "clip"] = "video"
    """video: each video equally often, a random clip of it; clip: each clip once."""
    draws_per_video: Annotated[int, Field(ge=1, le=10**6)] | None = None
    """Draws of each video in an epoch (unit video); null: 2 * floor(clips / videos) of the split,
    as in the published code, which is 32 for YT-360."""
    window_shards: Annotated[int, Field(ge=0, le=10**6)] = 0
    """Shuffle shards, then clips within about this many of them (for remote shards); 0: all clips
    freely."""
    weights: tuple[Annotated[float, Field(gt=0, le=10**6)], ...] = ()
    """Fraction of the samples from each of several datasets, in the order of --data, as numbers of
    any sum, such as [3, 1]; empty: no difference is made between datasets."""

    def draws(self, clips: int, videos: int) -> int:
        """Return how often an epoch draws each video of a split (video sampling)."""
        return self.draws_per_video or 2 * (clips // videos)


class TrainingOrder:
    """The order of training, without an end.

    Args:
        video_ids: Video of each clip, in the order of the index.
        batch_size: Clips in a global batch (over all ranks).
        seed: Seed of the run.
        config: Sampling options.
        shards: Shard number of each clip; needed for ``window_shards``.
        datasets: Dataset of each clip, counted from 0, for ``weights``; by default all clips are
            of one dataset.

    Attributes:
        steps_per_epoch: Batches in every epoch.

    Raises:
        UserError: There are fewer videos than a batch needs, or the weights do not fit the
            datasets.
    """

    full_batches = True

    def __init__(
        self,
        video_ids: Sequence[str],
        batch_size: int,
        seed: int,
        config: SamplingConfig | None = None,
        shards: Sequence[int] | Indices | None = None,
        datasets: Sequence[int] | Indices | None = None,
    ) -> None:
        self.config = config or SamplingConfig()
        self.batch_size, self.seed = batch_size, seed
        self._videos = _number_videos(video_ids)
        self._clips_of_video: Indices = np.bincount(self._videos).astype(np.int32)
        self._check_size()
        uses = self._clips_of_video
        if self.config.unit == "video":
            uses = np.full_like(uses, self.config.draws(len(self._videos), len(uses)))
        self._shards = self._windowed_shards(shards)
        window = self._window_batches(uses)
        # The clips of a pool take turns: each video is one, or see `Mixture`.
        self._pools, self._mixture = self._videos, self._mix(datasets)
        if self._mixture is None:
            self._uses, self.steps_per_epoch = _epoch_shape(uses, batch_size, window)
        else:
            self._pools, self.steps_per_epoch = self._mixture.pools, int(uses.sum()) // batch_size
            self._mixture.require_fits(
                self.steps_per_epoch * batch_size, window or self.steps_per_epoch, batch_size
            )
        self._clips_of_pool: Indices = np.bincount(self._pools).astype(np.int32)
        self._segments = max(1, self.steps_per_epoch // window) if window else 1
        self._orders: dict[int, Indices] = {}

    def batch(self, step: int) -> list[Draw]:
        """Return the global batch of a step >= 0: `batch_size` draws of different videos."""
        epoch, row = divmod(step, self.steps_per_epoch)
        first = step * self.batch_size
        clips = self._order(epoch)[row].tolist()
        return [Draw(first + slot, epoch, clip) for slot, clip in enumerate(clips)]

    def replacements(self, draw: Draw) -> Iterator[int]:
        """Return every clip that can replace an unreadable one, each once, in a fixed order.

        First come the other clips of its video, then clips of videos outside the batch, which are
        divided among the slots: a batch never gets two clips of one video, and ranks need not
        communicate.
        """
        step, slot = divmod(draw.position, self.batch_size)
        own = self._videos[draw.clip]
        taken = self._videos[[other.clip for other in self.batch(step)]]
        videos = np.arange(len(self._clips_of_video))
        others = keyed_generator(self.seed, "replacement videos", step).permutation(
            np.setdiff1d(videos, taken)
        )
        generator = keyed_generator(self.seed, "replacement clips", draw.position)
        for video in [own, *others[slot :: self.batch_size]]:
            clips = generator.permutation(np.flatnonzero(self._videos == video))
            yield from (clip for clip in clips.tolist() if clip != draw.clip)

    def _check_size(self) -> None:
        if self.batch_size < 1:
            raise UserError(
                f"batch_size is {self.batch_size}; it must be at least 1",
                code="out-of-range",
                key="batch_size",
            )
        videos = len(self._clips_of_video)
        if videos < self.batch_size:
            raise UserError(
                f"a batch of {self.batch_size} clips needs as many different videos, and the split "
                f"has {videos} ({len(self._videos)} clips); set batch_size to at most {videos}",
                code="out-of-range",
                key="batch_size",
            )

    def _mix(self, datasets: Sequence[int] | Indices | None) -> Mixture | None:
        """Return how datasets share the draws of an epoch; None if they are not told apart."""
        if not self.config.weights:
            return None
        numbers = np.zeros_like(self._videos) if datasets is None else datasets
        return Mixture(self.config.weights, numbers, self._videos, self.config.unit)

    def _windowed_shards(self, shards: Sequence[int] | Indices | None) -> Indices | None:
        """Return the shard of each clip, numbered from 0; None if clips are shuffled freely."""
        if not self.config.window_shards:
            return None
        if shards is None:
            raise ValueError("window_shards needs the shard number of each clip")
        return np.unique(np.asarray(shards), return_inverse=True)[1].astype(np.int32)

    def _window_batches(self, uses: Indices) -> int:
        """Return the number of batches that about `window_shards` shards fill; 0: no limit."""
        if self._shards is None:
            return 0
        draws_per_shard = uses.sum() / (self._shards.max() + 1)
        return max(1, round(self.config.window_shards * draws_per_shard / self.batch_size))

    def _order(self, epoch: int) -> Indices:
        """Return the clips (steps_per_epoch, batch_size) of an epoch; the last two are kept."""
        order = self._orders.get(epoch)
        if order is None:
            order = self._make_order(epoch)
            recent = dict(list(self._orders.items())[-1:])
            self._orders = recent | {epoch: order}
        return order

    def _make_order(self, epoch: int) -> Indices:
        # Another name of the key would be another order.
        generator = keyed_generator(self.seed, "plan", epoch)
        clips = self._choose(generator)
        clips = clips[self._shuffle(clips, generator)]
        bounds = np.arange(self._segments + 1) * self.steps_per_epoch // self._segments
        bounds *= self.batch_size
        return np.concatenate([self._deal(clips[i:j], generator) for i, j in pairwise(bounds)])

    def _shuffle(self, clips: Indices, generator: np.random.Generator) -> Indices:
        """Return a random order of clips; those of a shard are neighbours if windows are set."""
        if self._shards is None:
            return np.argsort(generator.random(len(clips)))
        shard_rank = generator.permutation(self._shards.max() + 1)[self._shards[clips]]
        return np.argsort(shard_rank + generator.random(len(clips)))

    def _choose(self, generator: np.random.Generator) -> Indices:
        """Return the clips of an epoch; a pool repeats a clip only after all of its clips."""
        shuffled = generator.permutation(len(self._pools))
        by_pool = shuffled[np.argsort(self._pools[shuffled], kind="stable")].astype(np.int32)
        if self._mixture is None:
            uses = self._uses
        else:
            uses = self._mixture.uses(self.steps_per_epoch * self.batch_size, generator)
        pool = np.repeat(np.arange(len(uses), dtype=np.int32), uses)
        place = np.arange(len(pool), dtype=np.int32) - _starts(uses)[pool]
        place %= self._clips_of_pool[pool]
        place += _starts(self._clips_of_pool)[pool]
        return by_pool[place]

    def _deal(self, clips: Indices, generator: np.random.Generator) -> Indices:
        """Deal n * batch_size clips, at most n of a video, into n batches without repeats."""
        rank_of_video = generator.permutation(len(self._clips_of_video)).astype(np.int32)
        by_video = clips[np.argsort(rank_of_video[self._videos[clips]], kind="stable")]
        batches = by_video.reshape(self.batch_size, -1).T
        return generator.permuted(generator.permutation(batches), axis=1)


def count_videos(video_ids: Sequence[str]) -> int:
    """Return the number of different videos of clips."""
    return int(pc.count_distinct(pa.array(video_ids, pa.string())).as_py())


def _number_videos(video_ids: Sequence[str]) -> Indices:
    """Return the number of each clip's video; videos are numbered from 0 in the order of ids."""
    encoded = pa.array(video_ids, pa.string()).dictionary_encode()
    in_order = numbers_of(pc.sort_indices(encoded.dictionary).cast(pa.int64()))
    numbers = np.empty(len(in_order), np.int32)
    numbers[in_order] = np.arange(len(in_order))
    return numbers[numbers_of(encoded.indices)]


def _starts(counts: Indices) -> Indices:
    """Return the place of the first element of each group, if groups follow each other."""
    return (np.cumsum(counts) - counts).astype(np.int32)


def _epoch_shape(uses: Indices, batch_size: int, window: int) -> tuple[Indices, int]:
    """Return how often an epoch uses each video, and the number of full batches.

    A batch uses a video at most once, so uses are capped at the number of batches of a segment. A
    lower cap gives fewer batches, so the largest cap that fits is searched for.
    """
    cap = int(min(uses.max(), window)) if window else int(uses.max())
    while True:
        capped = np.minimum(uses, cap)
        steps = int(capped.sum()) // batch_size
        if cap <= steps:
            return capped, steps
        cap = steps
