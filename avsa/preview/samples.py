"""Load single training samples for inspection, from a recipe or from a step of a run."""

from __future__ import annotations

from pathlib import Path

import torch

from avsa.data.clips import Clips, part_numbers
from avsa.data.loader import DataConfig, Loader
from avsa.data.order import Draw, Order
from avsa.data.training_order import SamplingConfig, TrainingOrder
from avsa.training.curriculum import lay_out
from avsa.training.run_folder import read_config
from avsa.views.audio_statistics import AudioStatistics, require_sample_rate
from avsa.views.batch import Batch, make_batch
from avsa.views.saliency import open_saliency
from avsa.views.sampling import ViewConfig, check_views
from avsa.views.spectrogram import AudioConfig, require_long_audio
from yt360.errors import UserError
from yt360.shards.format.reader import ShardReader


class Samples:
    """Training samples with spectrograms in dB instead of standardized ones.

    Args:
        clips: Clips of the split.
        order: Order of the samples, in batches of one.
        seed: Seed of clip windows and views.
        data: Data configuration.
        views: View configuration.
        audio: Spectrogram configuration.

    Attributes:
        video_s: Duration of the video.

    Raises:
        UserError: The configuration does not fit the split.
    """

    def __init__(
        self,
        clips: Clips,
        order: Order,
        seed: int,
        data: DataConfig,
        views: ViewConfig,
        audio: AudioConfig,
    ) -> None:
        check_views(views)
        self.seed, self.views, self.audio = seed, views, audio
        self._loader = Loader(clips, order, data, seed, saliency=open_saliency(views, clips))
        shape = self._loader.window_shape
        require_sample_rate(audio, shape.sample_rate_hz)
        require_long_audio(audio, shape.num_samples)
        self._in_decibels = AudioStatistics(torch.zeros(audio.n_mels), torch.ones(audio.n_mels))
        self.video_s = shape.num_frames / shape.fps

    def load(self, number: int) -> Batch:
        """Return a sample as a batch of one; its raw tensors contain the panorama and sound field.

        Raises:
            UserError: The number is out of range.
        """
        raw = self._loader.load(number)
        if not raw.keys:
            raise UserError(
                f"there are {number} samples, so sample {number + 1} cannot be drawn; ask for "
                "fewer",
                code="out-of-range",
                key="--samples",
            )
        return make_batch(raw, self.seed, self.views, self.audio, self._in_decibels)


def samples_of_recipe(
    clips: ShardReader, data: DataConfig, views: ViewConfig, audio: AudioConfig, seed: int
) -> Samples:
    """Return samples of a split, drawn by the configuration of a recipe.

    Raises:
        UserError: The split has no clips, or the recipe does not fit it.
    """
    if not len(clips):
        raise UserError(
            f"{clips.dataset} has no clips in its split {clips.split}; choose another --split",
            code="empty",
            key=clips.split,
        )
    order = TrainingOrder(clips.video_ids, 1, seed, SamplingConfig(draws_per_video=1))
    return Samples(clips, order, seed, data, views, audio)


def samples_of_step(clips: Clips, run: Path, step: int) -> Samples:
    """Return the training samples of a step of a run, in batch order.

    Args:
        clips: The training split of the run's datasets.
        run: Run folder.
        step: Step number, from 1.

    Raises:
        UserError: The folder holds no run, the run has no such step, or its recipe does not fit
            the clips.
    """
    config = read_config(run)
    stages = lay_out(
        config, clips.video_ids, clips.shard_numbers, ranks=1, datasets=part_numbers(clips)
    )
    if not 1 <= step <= stages[-1].last_step:
        raise UserError(
            f"step {step} is not in {run}; give 1 to {stages[-1].last_step}",
            code="out-of-range",
            key="--step",
        )
    stage = next(stage for stage in stages if step <= stage.last_step)
    return Samples(
        clips,
        _BatchAsOrder(stage.order, step - 1 - stage.first_step),
        stage.seed,
        config.stage_data(stage.name),
        config.stage_views(stage.name),
        config.audio,
    )


class _BatchAsOrder:
    """The samples of one batch of an order, in batches of one."""

    batch_size = 1
    full_batches = False

    def __init__(self, order: Order, step: int) -> None:
        self._draws = order.batch(step)
        self.replacements = order.replacements

    def batch(self, step: int) -> list[Draw]:
        """Return one sample, or none past the end of the batch."""
        return self._draws[step : step + 1]
