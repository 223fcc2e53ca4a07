"""The common parts of AVC-Bin and AVSA-Bin: options, training of the heads, and the test.

Encoders are frozen and in evaluation mode. Training draws views anew in every epoch, with
augmentation; the test has fixed views without it, whose features are cached.

Shapes: B clips of a batch, K views, D features, N samples of the test split, P pairs.
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
from avsa.evals.binary.heads import AUDIO, BOTH, VIDEO, Heads, Pairs, decide
from avsa.evals.binary.pairing import TestPairs
from avsa.evals.bootstrap import mean_metric, video_table
from avsa.evals.feature_cache import ExtraFeatures, Features, FeatureSpec, view_features
from avsa.evals.fit import Fit, Loss, ScheduleConfig
from avsa.evals.protocol import Protocol, data_of, mirror_video, views_of
from avsa.evals.result import Metric, Result, Row
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

CHUNK = 4096
"""Pairs, or samples, that are computed at a time in the test."""
SWAPPED = "swapped"


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
        model = context.subject.require_model()
        if self.translated:
            context.subject.require_translation()
        check_views(views_of(model.config, self.protocol, self.views, augment=False))
        with context.clips("test") as clips:
            videos = self._count_videos(clips.video_ids, "test")
        heads = Heads(model.feature_dim, self.seed).to(context.world.device)
        with context.clips("train") as clips:
            self._count_videos(clips.video_ids, "train")
            epochs, notes = self._train(context, model, heads, clips)
        if videos < self.batch_size:
            notes += (f"The split test has only {videos} videos: its numbers say little.",)
        if context.test_dataset is not None:
            name = PurePath(address_of(context.test_dataset)).name
            notes += (f"The heads were tested on another dataset, {name}.",)
        features = self._test_features(context, model)
        self._count_videos(features.video_ids, "test")  # without those that cannot be read
        pairs = self.test_pairs(features, keyed_generator(self.seed, "test pairs"))
        metrics, scored = self.score(heads, pairs)
        tables = {"epochs": epochs, **scored}
        return Result(metrics=metrics, tables=tables, notes=(*notes, *features.notes))

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
    def test_pairs(self, features: Features, generator: np.random.Generator) -> TestPairs:
        """Return all pairs of the test.

        Args:
            features: Features of the test split, with those of `extra_features`.
            generator: Source of randomness.
        """

    def extra_features(self, statistics: AudioStatistics) -> ExtraFeatures | None:  # noqa: ARG002
        """Return the computation of further features for the test, if it needs any."""
        return None

    @property
    def draws(self) -> int:
        """Draws of each clip in the test."""
        return self.test_draws or 1

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

    @torch.no_grad()
    def _features(self, model: Model, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the features (b, K, D) of this rank's part of a batch of training."""
        video = batch.video
        if self.protocol == "published":
            video = mirror_video(batch, self.seed)
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

    # Test

    @torch.no_grad()
    def _test_features(self, context: Context, model: Model) -> Features:
        """Return the features of the test split, translated if `translated` is set."""
        spec = FeatureSpec(
            split="test",
            views=views_of(model.config, self.protocol, self.views, augment=False),
            data=data_of(model.config, self.protocol),
            draws=self.draws,
            seed=self.seed,
        )
        statistics = context.statistics(model.config.audio)
        features = view_features(context, spec, self.extra_features(statistics))
        chunks = features.video.split(CHUNK)
        video = [self._translate(model, chunk.to(model.device)).cpu() for chunk in chunks]
        return replace(features, video=torch.cat(video))

    def score(
        self, heads: Heads, pairs: TestPairs
    ) -> tuple[dict[str, Metric], dict[str, tuple[Row, ...]]]:
        """Return the accuracies of the heads and of the controls, and the tables of the test.

        Args:
            heads: Trained heads.
            pairs: Pairs of the test.
        """
        decisions = {name: decisions_of(heads, name, pairs, pairs.audio_rows)
                     for name in (BOTH, AUDIO, VIDEO)}  # fmt: skip
        decisions[SWAPPED] = decisions_of(heads, BOTH, pairs, pairs.swapped_rows)
        right = {
            name: ((decided == pairs.labels).double().numpy(), pairs.video_ids)
            for name, decided in decisions.items()
        }
        metrics = {
            name: mean_metric(*each, chance=0.5, seed=self.seed) for name, each in right.items()
        }
        counts = torch.bincount(2 * pairs.labels + decisions[BOTH], minlength=4).view(2, 2)
        confusion = tuple(
            {"target": name, **dict(zip(self.label_names, row.tolist(), strict=True))}
            for name, row in zip(self.label_names, counts, strict=True)
        )
        return metrics, {"confusion": confusion, **video_table(right)}


@torch.no_grad()
def decisions_of(heads: Heads, name: str, pairs: TestPairs, audio_rows: Tensor) -> Tensor:
    """Return the decisions (P,) of a head.

    Args:
        heads: Trained heads.
        name: Name of the head.
        pairs: Pairs of the test.
        audio_rows: (P,) row of the audio of each pair.
    """
    device = next(heads.parameters()).device
    decisions = []
    for rows in zip(pairs.video_rows.split(CHUNK), audio_rows.split(CHUNK), strict=True):
        video, audio = pairs.video[rows[0]].to(device), pairs.audio[rows[1]].to(device)
        decisions.append(decide(heads.logits(name, video, audio)).cpu())
    return torch.cat(decisions)
