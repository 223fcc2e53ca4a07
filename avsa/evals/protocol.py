"""How evaluations draw views and clip windows, as in the paper or in its published code."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from avsa.config.recipe import load_config
from avsa.config.train_config import TrainConfig
from avsa.data.loader import DataConfig
from avsa.views.batch import Batch
from avsa.views.sampling import ViewConfig
from yt360.randomness import keyed_generator

Protocol = Literal["paper", "published"]
PUBLISHED_RECIPE = "avsa-published"


def views_of(config: TrainConfig, protocol: Protocol, num_views: int, augment: bool) -> ViewConfig:
    """Return how views are drawn: uniformly, each with its own audio.

    Args:
        config: Recipe of the model. By the paper, fields of view, elevations and jitter are those
            of the recipe; as published, they are those of the recipe ``avsa-published``, and
            `hflip_video` takes the place of mirroring.
        protocol: The protocol.
        num_views: K.
        augment: Whether views are jittered and mirrored.
    """
    views = config.views
    if protocol == "published":
        views = replace(
            load_config(PUBLISHED_RECIPE).views,
            height=views.height,
            width=views.width,
            hflip_probability=0.0,
        )
    return replace(
        views, num_views=num_views, sampler="uniform", audio_rotation="view", augment=augment
    )


def data_of(config: TrainConfig, protocol: Protocol) -> DataConfig:
    """Return how clip windows are drawn: one of a clip, of the size in the recipe of the model.

    Args:
        config: Recipe of the model.
        protocol: As published, the video lies anywhere in its audio.
    """
    data = replace(config.data, windows_per_clip=1)
    return replace(data, video_position="random") if protocol == "published" else data


def hflip_video(batch: Batch, seed: int) -> Tensor:
    """Return the video (B, K, 3, T, h, w) of a batch, with a random half of the views mirrored.

    The audio is not mirrored. The published code trains so: half of its views have audio from the
    wrong side.

    Args:
        batch: Views that are not mirrored.
        seed: Seed of the draws, which depend on it and on the positions of the samples.
    """
    raw, num_views = batch.raw, batch.video.shape[1]
    drawn = [
        keyed_generator(seed, "mirror", raw.epoch, position).random(num_views) < 0.5
        for position in raw.positions
    ]
    mirrored = torch.from_numpy(np.stack(drawn)).to(batch.video.device)
    return torch.where(mirrored[..., None, None, None, None], batch.video.flip(-1), batch.video)
