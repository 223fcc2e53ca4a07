"""AVSA-Bin: is the audio spatially aligned with the video, or was the sound field turned?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from avsa.data.order import Draw
from avsa.data.raw import RawBatch
from avsa.evals.binary.base import BinaryConfig
from avsa.evals.binary.heads import Pairs
from avsa.evals.binary.pairing import FeaturePairs, other_rows
from avsa.evals.binary.scoring import SIMILARITY, PairValues
from avsa.evals.feature_cache import Features
from avsa.evals.features import joint_dim
from avsa.evals.fit import ScheduleConfig
from avsa.evals.retrieval import TIE, joint_embeddings
from avsa.hub.load import Model
from avsa.models.compute import autocast
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import Batch, turn_audio
from avsa.views.sampling import Views
from avsa.views.view_spectrograms import view_spectrograms
from yt360.config import config_class
from yt360.randomness import keyed_generator

TURNED = "turned"
PAPER_TEST_DRAWS = 10
"""Draws of each clip in the test, without translation."""


@config_class
class AvsaBinConfig(BinaryConfig):
    """Binary audio-visual spatial alignment (AVSA-Bin): was the sound field turned?"""

    label_names: ClassVar[tuple[str, str]] = ("turned", "aligned")
    kind: Literal["avsa-bin"] = "avsa-bin"
    """Name of the evaluation."""
    schedule: ScheduleConfig = ScheduleConfig(
        epochs=10, lr=1e-4, weight_decay=1e-5, milestones=(8,)
    )
    """Training of the heads."""

    @property
    def draws(self) -> int:
        """Draws of each clip in the test."""
        return self.test_draws or (1 if self.translated else PAPER_TEST_DRAWS)

    def adjust_views(self, views: Views, raw: RawBatch) -> Views:
        """Turn the sound fields of half of the clips, all views of a clip together."""
        turns = [draw_turn(self.seed, raw.epoch, position) for position in raw.positions]
        return turn_audio(views, torch.tensor([yaw if turned else 0.0 for turned, yaw in turns]))

    def training_pairs(
        self,
        video: Tensor,
        audio: Tensor,
        draws: Sequence[Draw],
        generator: np.random.Generator,  # noqa: ARG002
    ) -> Pairs:
        """Return a pair of each clip, whose sound field `adjust_views` has turned or not."""
        turned = [draw_turn(self.seed, each.epoch, each.position)[0] for each in draws]
        return Pairs(video, audio, 1 - torch.tensor(turned, device=video.device).long())

    def extra_features(self, statistics: AudioStatistics) -> TurnedAudio:
        """Return the computation of the features of turned audio."""
        return TurnedAudio(self.seed, statistics)

    def feature_pairs(self, features: Features, generator: np.random.Generator) -> FeaturePairs:
        """Return two pairs of each sample: its audio turned, and as it is; see `BinaryConfig`.

        Swapped audio is that of another video, turned where it takes the place of turned audio.
        """
        samples = len(features)
        swapped = other_rows(features.video_ids, generator)
        return FeaturePairs(
            video=features.video,
            audio=torch.cat([features.extra[TURNED], features.audio]),
            video_rows=torch.arange(samples).repeat(2),
            audio_rows=torch.arange(2 * samples),
            swapped_rows=torch.cat([swapped, swapped + samples]),
            labels=torch.arange(2).repeat_interleave(samples),
            video_ids=features.video_ids * 2,
        )

    def without_heads(self, model: Model, features: Features) -> dict[str, PairValues]:
        """Return whether own audio is more similar to the video than turned audio.

        The similarity is that of `Model.similarity`, averaged over the views. It tells what the
        embeddings that the pretext task compares know of alignment, without heads.
        """
        if joint_dim(model) == 0:
            return {}
        own, turned = (
            torch.einsum("nke,nke->n", *joint_embeddings(model, features.video, audio)).cpu()
            for audio in (features.audio, features.extra[TURNED])
        )
        margin = (own - turned) / self.views
        right = (margin > TIE).double() + 0.5 * (margin.abs() <= TIE).double()
        return {SIMILARITY: (right.numpy(), features.video_ids)}


class TurnedAudio:
    """Computes the features of each sample's audio after its sound field was turned.

    Args:
        seed: Seed of the angles.
        statistics: Statistics that standardize spectrograms.
    """

    def __init__(self, seed: int, statistics: AudioStatistics) -> None:
        self.seed, self.statistics = seed, statistics
        self.identity: dict[str, Any] = {"kind": TURNED, "version": 1, "seed": seed}

    def __call__(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        """Return the features ``turned`` (B, K, D)."""
        raw = batch.raw
        yaws = [draw_turn(self.seed, raw.epoch, position)[1] for position in raw.positions]
        spectrograms = view_spectrograms(
            batch.stored_audio,
            turn_audio(batch.views, torch.tensor(yaws)).rotations,
            model.config.audio,
            self.statistics.mean_db,
            self.statistics.std_db,
            batch.views.gain_db,
        )
        with autocast(model.config.compute, model.device):
            features: Tensor = model.encoders.audio(spectrograms.flatten(0, 1))
        return {TURNED: features.unflatten(0, spectrograms.shape[:2])}


def draw_turn(seed: int, epoch: int, position: int) -> tuple[bool, float]:
    """Return whether the sound field of a sample is turned (probability 1/2), and the yaw.

    The yaw, in radians, is uniform over the circle; small ones are not excluded.
    """
    generator = keyed_generator(seed, "turn", epoch, position)
    return bool(generator.random() < 0.5), float(generator.uniform(-math.pi, math.pi))
