"""The common parts of AVC-Bin and AVSA-Bin: options, training of the heads, and the test.

Encoders are frozen and in evaluation mode. Training has views with augmentation: drawn anew in
every epoch as in the paper, or a few draws of each clip whose features are computed once
(`train_draws`). The test has fixed views without augmentation, whose features are cached.

Shapes: B clips of a batch, K views, D features, N samples of a split, P pairs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Annotated, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from avsa.data.order import Draw
from avsa.data.raw import RawBatch
from avsa.data.remote.mirror import address_of
from avsa.evals.base import Context, EvaluationConfig, Offer, Variant
from avsa.evals.binary.heads import Heads, Pairs
from avsa.evals.binary.pairing import FeaturePairs, shuffled_batches
from avsa.evals.binary.scoring import CHUNK, MEANINGS, PairValues, score
from avsa.evals.feature_cache import ExtraFeatures, Features, FeatureSpec, view_features
from avsa.evals.fit import Fit, Loss, ScheduleConfig
from avsa.evals.protocol import Protocol, data_of, hflip_video, views_of
from avsa.evals.result import Result, Row
from avsa.evals.training_order import small_batch_notes, training_order
from avsa.evals.unreadable import Unreadable, replaced_notes
from avsa.hub.load import Model
from avsa.models.compute import autocast
from avsa.training.distributed import gather
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import Batch, batches
from avsa.views.sampling import Views, check_views
from yt360.config import config_class
from yt360.errors import UserError
from yt360.randomness import keyed_generator
from yt360.shards.format.reader import ShardReader
from yt360.splits import Split


@config_class
class BinaryConfig(EvaluationConfig):
    """Options of both tasks.

    Attributes:
        label_names: Words for the labels 0 and 1.
    """

    takes_test_data: ClassVar[bool] = True
    label_names: ClassVar[tuple[str, str]]
    kind: str
    """Name of the evaluation."""
    views: Annotated[int, Field(ge=1, le=1024)] = 4
    """Views of a clip, over which logits are averaged."""
    translated: bool = False
    """Replace the features of video by those of audio that the translation network predicts."""
    protocol: Protocol = "paper"
    """paper; or published: views, jitter and clip windows as in the published code, which mirrors
    the video without its audio in training."""
    batch_size: Annotated[int, Field(ge=2, le=10**6)] = 32
    """Clips in a batch of training, all ranks together."""
    draws_per_video: Annotated[int, Field(ge=1, le=10**6)] | None = None
    """Draws of each video in an epoch of training; null: floor(clips / videos)."""
    train_draws: Annotated[int, Field(ge=1, le=10**4)] | None = None
    """Compute the features of this many draws of each training clip once, and train on all of them
    in each epoch: an epoch then takes seconds. Null: draws are new in every epoch, as in the
    paper."""
    test_draws: Annotated[int, Field(ge=1, le=10**4)] | None = None
    """Draws of each clip in the test; null: as in the paper, 10 for avsa-bin without `translated`
    and else 1."""
    schedule: ScheduleConfig
    """Training of the heads."""

    @classmethod
    def variants(cls, offer: Offer) -> Iterable[Variant]:
        """Return the columns of Table 2: one view, four views, and translated features."""
        (plain,) = super().variants(offer)
        lacks = plain.lacks or ("" if offer.translates else "a run with translation networks")
        return [
            Variant({"views": 1}, plain.lacks),
            plain,
            Variant({"translated": True}, lacks),
        ]

    def evaluate(self, context: Context) -> Result:
        """Train the heads, and test them.

        Raises:
            UserError: The model has no translation networks, a split has fewer than two videos, or
                the options do not fit the data.
        """
        self._require_options_that_agree()
        model = context.subject.require_model()
        if self.translated:
            context.subject.require_translation()
        check_views(views_of(model.config, self.protocol, self.views, augment=False))
        with context.clips("test") as clips:
            videos = self._count_videos(clips.video_ids, "test")
        heads = Heads(model.feature_dim, self.seed).to(context.world.device)
        with context.clips("train") as clips:
            self._count_videos(clips.video_ids, "train")
            if self.train_draws is None:
                epochs, notes = self._train(context, model, heads, clips)
        if self.train_draws is not None:
            epochs, notes = self._train_on_draws(context, model, heads)
        if videos < self.batch_size:
            notes += (f"The split test has only {videos} videos: its numbers say little.",)
        if context.test_dataset is not None:
            name = PurePath(address_of(context.test_dataset)).name
            notes += (f"The heads were tested on another dataset, {name}.",)
        features = self._split_features(context, model, "test")
        self._count_videos(features.video_ids, "test")  # without those that cannot be read
        pairs = self.feature_pairs(
            self._translate_all(model, features), keyed_generator(self.seed, "test pairs")
        )
        metrics, scored = score(
            heads, pairs, self.label_names, self.seed, self.without_heads(model, features)
        )
        tables = {"epochs": epochs, **scored}
        meaning = "; ".join(f"{name}: {MEANINGS[name]}" for name in metrics) + "."
        return Result(metrics=metrics, tables=tables, notes=(meaning, *notes, *features.notes))

    # Defined by each task

    def adjust_views(self, views: Views, raw: RawBatch) -> Views:  # noqa: ARG002
        """Return the views (B, K) of a batch of training, changed as the task needs it."""
        return views

    @abstractmethod
    def training_pairs(
        self, video: Tensor, audio: Tensor, draws: Sequence[Draw], generator: np.random.Generator
    ) -> Pairs:
        """Return the pairs of a batch of training.

        Args:
            video: Features (B, K, D) of clips of B different videos.
            audio: Features (B, K, D) of the audio, after `adjust_views`.
            draws: The samples.
            generator: Source of randomness.
        """

    @abstractmethod
    def feature_pairs(self, features: Features, generator: np.random.Generator) -> FeaturePairs:
        """Return all pairs of the samples of a split: of the test, or for training on few draws.

        Args:
            features: Features of the split, with those of `extra_features`.
            generator: Source of randomness.
        """

    def without_heads(self, model: Model, features: Features) -> dict[str, PairValues]:  # noqa: ARG002
        """Return further numbers of the test samples, which need no heads."""
        return {}

    def extra_features(self, statistics: AudioStatistics) -> ExtraFeatures | None:  # noqa: ARG002
        """Return the computation of further features for `feature_pairs`, if it needs any."""
        return None

    @property
    def draws(self) -> int:
        """Draws of each clip in the test."""
        return self.test_draws or 1

    def _require_options_that_agree(self) -> None:
        if self.train_draws is None:
            return
        for name, value in (("draws_per_video", self.draws_per_video), ("protocol", self.protocol)):
            if value not in (None, "paper"):
                raise UserError(
                    f"{name} is {value}, but with train_draws every epoch has all draws of each "
                    "clip, and videos are not mirrored; leave out one of the two",
                    "conflict",
                    name,
                )

    # Training

    def _train(
        self, context: Context, model: Model, heads: Heads, clips: ShardReader
    ) -> tuple[tuple[Row, ...], tuple[str, ...]]:
        """Train the heads in place; return the rows of the epochs, and notes on the clips."""
        order = training_order(clips, self.batch_size, self.draws_per_video, self.seed)
        unreadable = Unreadable(context.work, "train", context.world)

        def batches_from(step: int) -> Iterator[Batch]:
            return batches(
                clips,
                order,
                self.seed,
                data_of(model.config, self.protocol),
                views_of(model.config, self.protocol, self.views, augment=True),
                model.config.audio,
                context.statistics(model.config.audio),
                context.world,
                first_step=step,
                adjust=self.adjust_views,
            )

        def loss_of(batch: Batch) -> Loss:
            unreadable.add_all(batch.raw.unreadable)
            # All ranks have the features of the whole batch and compute the same loss.
            video, audio = map(gather, self._features(model, batch))
            generator = keyed_generator(self.seed, "pairs", batch.raw.step)
            return heads.loss(
                self.training_pairs(video, audio, order.batch(batch.raw.step), generator)
            )

        fit: Fit[Batch] = Fit(self.kind, heads, self.schedule, order.steps_per_epoch, self.seed,
                              context.world, context.work)  # fmt: skip
        epochs = fit.run(batches_from, loss_of)
        return epochs, (
            *small_batch_notes(clips, self.batch_size, order),
            *replaced_notes(unreadable.of_all_ranks(), clips),
        )

    def _train_on_draws(
        self, context: Context, model: Model, heads: Heads
    ) -> tuple[tuple[Row, ...], tuple[str, ...]]:
        """Train the heads on features that are computed once; return as `_train` does."""
        features = self._split_features(context, model, "train")
        self._count_videos(features.video_ids, "train")
        translated = self._translate_all(model, features)

        def pairs_of(epoch: int) -> FeaturePairs:
            return self.feature_pairs(translated, keyed_generator(self.seed, "pairs", epoch))

        size = min(self.batch_size, len(features))
        steps = 2 * len(features) // size
        fit: Fit[Pairs] = Fit(self.kind, heads, self.schedule, steps, self.seed,
                              context.world, context.work)  # fmt: skip

        def batches_from(step: int) -> Iterator[Pairs]:
            return shuffled_batches(pairs_of, size, steps, step, self.seed, context.world.device)

        return fit.run(batches_from, heads.loss), features.notes

    @torch.no_grad()
    def _features(self, model: Model, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the features (b, K, D) of this rank's part of a batch of training."""
        video = batch.video
        if self.protocol == "published":
            video = hflip_video(batch, self.seed)
        with autocast(model.config.compute, model.device):
            video, audio = model.encoders(video, batch.audio)
        return self._translate(model, video.float()), audio.float()

    def _translate(self, model: Model, video: Tensor) -> Tensor:
        """Return the video features (N, K, D), or the audio features predicted from them."""
        if not self.translated:
            return video
        predicted: Tensor = model.task.v2a_transformer(video)  # type: ignore[union-attr, operator]
        return predicted

    def _count_videos(self, video_ids: Sequence[str], split: str) -> int:
        """Return the number of videos.

        Raises:
            UserError: ``"empty"``: There are fewer than two.
        """
        videos = len(set(video_ids))
        if videos < 2:
            raise UserError(
                f"the split {split} has {videos} video that can be used, and {self.kind} compares "
                "different videos; use a dataset with two or more in each split",
                "empty",
                split,
            )
        return videos

    # Features of a split

    def _split_features(self, context: Context, model: Model, split: Split) -> Features:
        """Return the features of the test, or of `train_draws` draws of training clips."""
        training = split == "train"
        spec = FeatureSpec(
            split=split,
            views=views_of(model.config, self.protocol, self.views, augment=training),
            data=data_of(model.config, self.protocol),
            draws=(self.train_draws or 1) if training else self.draws,
            seed=self.seed,
        )
        statistics = context.statistics(model.config.audio)
        return view_features(context, spec, self.extra_features(statistics))

    @torch.no_grad()
    def _translate_all(self, model: Model, features: Features) -> Features:
        """Return the features with those of video translated, if `translated` is set."""
        chunks = features.video.split(CHUNK)
        video = [self._translate(model, chunk.to(model.device)).cpu() for chunk in chunks]
        return replace(features, video=torch.cat(video))
