"""Batches of augmented clips in the order of training.

Processes decode ahead of use; crops and colours are computed on the training device. A batch
depends only on fold, seed and step. A video that cannot be read is replaced by another one, and
reported.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice

import torch
from torch import Tensor

from avsa.data.order import Draw, rank_part
from avsa.data.prefetch import prefetched
from avsa.data.training_order import SamplingConfig, TrainingOrder
from avsa.evals.action.decoding import VideoDecoders
from avsa.evals.action.lists import Fold
from avsa.evals.action.network import Augmentation, dropout_factors
from avsa.evals.action.windows import ClipShape, Windows, random_starts
from avsa.evals.unreadable import Unreadable
from avsa.training.distributed import World
from yt360.errors import BadItem, UserError
from yt360.randomness import keyed_generator

BATCHES_AHEAD = 2


@dataclass(frozen=True)
class ActionBatch:
    """A rank's part of a batch, on the training device.

    Attributes:
        video: float32 (B, 3, T, h, w), standardized RGB.
        labels: int64 (B,).
        keep: float32 (B, D), the factors of the features (`dropout_factors`).
    """

    video: Tensor
    labels: Tensor
    keep: Tensor


@dataclass(frozen=True)
class ClipOptions:
    """Options of training clips.

    Attributes:
        shape: Size of a clip window.
        batch_size: Clips in a global batch.
        draws_per_video: Draws of each video in an epoch.
        dropout: Probability of dropping a feature.
        feature_dim: D.
        seed: Seed.
    """

    shape: ClipShape
    batch_size: int
    draws_per_video: int
    dropout: float
    feature_dim: int
    seed: int


class TrainingClips:
    """Augmented clips of the training videos of a fold.

    Args:
        fold: The fold.
        options: Options of the clips.
        world: The ranks that share each batch.
        decoders: Read the videos.
        unreadable: Receives videos that cannot be read.

    Attributes:
        steps_per_epoch: Batches in an epoch.

    Raises:
        UserError: There are fewer videos than a batch needs, or ranks cannot share a batch.
    """

    def __init__(
        self,
        fold: Fold,
        options: ClipOptions,
        world: World,
        decoders: VideoDecoders,
        unreadable: Unreadable,
    ) -> None:
        self.fold, self.options, self.world = fold, options, world
        self.decoders, self.unreadable = decoders, unreadable
        self._order = TrainingOrder(
            [video.name for video in fold.train],
            options.batch_size,
            options.seed,
            SamplingConfig(draws_per_video=options.draws_per_video),
        )
        self.steps_per_epoch = self._order.steps_per_epoch
        self._part = len(rank_part(self._order.batch(0), world.rank, world.size))
        self._augment = Augmentation(options.shape)

    def batches(self, first_step: int) -> Generator[ActionBatch]:
        """Yield this rank's part of every batch from a step on, endlessly.

        Raises:
            UserError: No video can be read.
        """
        draws, ahead = self._draws(first_step), BATCHES_AHEAD * self._part
        with closing(prefetched(self._load, draws, self.decoders.count, ahead)) as loaded:
            while True:
                samples = list(islice(loaded, self._part))
                clips = [self._clip(draw, windows) for draw, _, windows in samples]
                labels = torch.tensor([label for _, label, _ in samples])
                keep = torch.stack([self._keep(draw) for draw, _, _ in samples])
                device = self.world.device
                yield ActionBatch(torch.stack(clips), labels.to(device), keep.to(device))

    def _draws(self, first_step: int) -> Iterator[Draw]:
        for step in count(first_step):
            yield from rank_part(self._order.batch(step), self.world.rank, self.world.size)

    def _load(self, draw: Draw) -> tuple[Draw, int, Windows]:
        """Return the label and a random window of the drawn video, or of a replacement."""
        for number in chain([draw.clip], self._order.replacements(draw)):
            video = self.fold.train[number]
            generator = keyed_generator(*self._key(draw, "window"))
            starts_of = partial(random_starts, count=1, generator=generator)
            try:
                return draw, video.label, self.decoders.read(video, self.options.shape, starts_of)
            except BadItem as error:
                self.unreadable.add(video.name, error.reason, error.detail)
        raise UserError(
            f"no training video of fold {self.fold.number} can be read; unpack the videos again",
            "empty",
            "--root",
        )

    def _clip(self, draw: Draw, windows: Windows) -> Tensor:
        frames = torch.from_numpy(windows.frames[windows.rows[0]]).to(self.world.device)
        return self._augment(frames, *self._key(draw, "augmentation"))

    def _keep(self, draw: Draw) -> Tensor:
        options = self.options
        return dropout_factors(options.feature_dim, options.dropout, *self._key(draw, "dropout"))

    def _key(self, draw: Draw, purpose: str) -> tuple[int | str, ...]:
        return self.options.seed, "action", self.fold.number, draw.epoch, draw.position, purpose
