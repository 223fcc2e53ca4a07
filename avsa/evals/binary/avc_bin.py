"""AVC-Bin: is the audio that of the video's clip, or that of another video?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from avsa.data.order import Draw
from avsa.evals.binary.base import BinaryConfig
from avsa.evals.binary.heads import Pairs
from avsa.evals.binary.pairing import FeaturePairs, other_rows
from avsa.evals.feature_cache import Features
from avsa.evals.fit import ScheduleConfig
from yt360.config import config_class


@config_class
class AvcBinConfig(BinaryConfig):
    """Binary audio-visual correspondence (AVC-Bin): do video and audio come from the same clip?"""

    label_names: ClassVar[tuple[str, str]] = ("other", "same")
    kind: Literal["avc-bin"] = "avc-bin"
    """Name of the evaluation."""
    schedule: ScheduleConfig = ScheduleConfig(
        epochs=10, lr=1e-5, weight_decay=1e-5, milestones=(5, 8)
    )
    """Training of the heads."""

    def training_pairs(
        self,
        video: Tensor,
        audio: Tensor,
        draws: Sequence[Draw],
        generator: np.random.Generator,
    ) -> Pairs:
        """Return a positive and a negative pair of each clip; see `BinaryConfig`.

        The negative pair takes the audio of another clip, all its views together.
        """
        clips = len(draws)
        others = other_rows(range(clips), generator).to(audio.device)
        labels = torch.arange(2, device=video.device).flip(0).repeat_interleave(clips)
        return Pairs(video.repeat(2, 1, 1), torch.cat([audio, audio[others]]), labels)

    def feature_pairs(self, features: Features, generator: np.random.Generator) -> FeaturePairs:
        """Return a positive and a negative pair of each sample; see `BinaryConfig`.

        Other audio comes from another video. With swapped audio, it comes from another video in
        both pairs, so a head that compares audio and video decides alike for both.
        """
        ids, rows = features.video_ids, torch.arange(len(features))
        others, swapped = other_rows(ids, generator), other_rows(ids + ids, generator)
        return FeaturePairs(
            video=features.video,
            audio=features.audio,
            video_rows=rows.repeat(2),
            audio_rows=torch.cat([rows, others]),
            swapped_rows=swapped % len(rows),
            labels=torch.tensor([1, 0]).repeat_interleave(len(rows)),
            video_ids=ids + ids,
        )
