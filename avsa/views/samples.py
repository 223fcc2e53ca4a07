"""Training samples one at a time, to be looked at: drawn by a recipe, or those of a run's step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from avsa.data.loader import DataConfig, Loader
from avsa.data.sampling import Draw, Order, Plan, SamplingConfig
from avsa.training.curriculum import lay_out
from avsa.training.run_folder import read_config
from avsa.views.audio_statistics import AudioStats, require_sample_rate
from avsa.views.batch import Batch, make_batch
from avsa.views.saliency import open_guide
from avsa.views.sampling import ViewConfig, check_views
from avsa.views.spectrogram import AudioConfig, require_long_sound
from yt360.errors import UserError
from yt360.shards.format.reader import ShardReader


@dataclass(frozen=True, kw_only=True)
class SampleConfig:
    """How samples are made of a split.

    Attributes:
        order: Which clip each sample is of, one in a batch.
        seed: Of all that is drawn for a sample.
        data: What is taken from a clip.
        views: How views are drawn.
        audio: The spectrograms.
    """

    order: Order
    seed: int
    data: DataConfig
    views: ViewConfig
    audio: AudioConfig


class Samples:
    """Samples as training makes them, but with spectrograms in decibels, not standardized.

    Args:
        clips: The split.
        config: How they are made.

    Attributes:
        video_s: Length of the video.

    Raises:
        UserError: The configuration does not fit the split.
    """

    def __init__(self, clips: ShardReader, config: SampleConfig) -> None:
        check_views(config.views)
        guide = open_guide(config.views, clips)
        self.config = config
        self._loader = Loader(clips, config.order, config.data, config.seed, guide=guide)
        require_sample_rate(config.audio, self._loader.form.sample_rate_hz)
        require_long_sound(config.audio, self._loader.span.samples)
        bands = config.audio.n_mels
        self._in_decibels = AudioStats(torch.zeros(bands), torch.ones(bands))
        self.video_s = self._loader.span.frames / self._loader.span.fps

    def load(self, number: int) -> Batch:
        """Return a sample as a batch of one; its raw tensors hold panorama and sound field.

        Raises:
            UserError: There are not so many samples.
        """
        raw, config = self._loader.load(number), self.config
        if not raw.keys:
            raise UserError(f"there are {number} samples, so sample {number + 1} cannot be drawn")
        return make_batch(raw, config.seed, config.views, config.audio, self._in_decibels)


def samples_of_recipe(
    clips: ShardReader, data: DataConfig, views: ViewConfig, audio: AudioConfig, seed: int
) -> Samples:
    """Return samples of a split as a recipe would draw them.

    Raises:
        UserError: The split has no clips; and as `Samples`.
    """
    if not len(clips):
        raise UserError(f"{clips.dataset} has no clips in its split {clips.split}")
    order = Plan(clips.video_ids, 1, seed, SamplingConfig(draws_per_video=1))
    return Samples(clips, SampleConfig(order=order, seed=seed, data=data, views=views, audio=audio))


def samples_of_step(clips: ShardReader, run: Path, step: int) -> Samples:
    """Return the samples that a run was trained on in a step, in the order of its batch.

    Args:
        clips: The training split of the run's dataset.
        run: The run's folder.
        step: Number of the step, from 1.

    Raises:
        UserError: The folder holds no run, or the run has no such step; and as `Samples`.
    """
    config = read_config(run)
    stages = lay_out(config, clips.video_ids, clips.shard_numbers.tolist(), ranks=1)
    if not 1 <= step <= stages[-1].last_step:
        raise UserError(f"step {step} is not in {run}; give 1 to {stages[-1].last_step}")
    stage = next(stage for stage in stages if step <= stage.last_step)
    return Samples(
        clips,
        SampleConfig(
            order=_BatchAsOrder(stage.plan, step - 1 - stage.first_step),
            seed=stage.seed,
            data=config.stage_data(stage.name),
            views=config.stage_views(stage.name),
            audio=config.audio,
        ),
    )


class _BatchAsOrder:
    """The samples of one batch as an order of batches of one.

    Args:
        order: The order of training.
        step: Which of its batches.
    """

    batch_size = 1
    full_batches = False

    def __init__(self, order: Order, step: int) -> None:
        self._order = order
        self._draws = order.batch(step)

    def batch(self, step: int) -> list[Draw]:
        """Return one sample, or none past the last one of the batch."""
        return self._draws[step : step + 1]

    def replacements(self, draw: Draw) -> Iterator[int]:
        """Return what training takes where the drawn clip cannot be read."""
        return self._order.replacements(draw)
