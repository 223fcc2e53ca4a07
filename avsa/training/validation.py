"""Validation: loss and metrics of the pretext task on held-out clips.

Views are drawn without augmentation and with one seed for all runs. The video lies in the middle of
its audio, and the audio is always rotated to the view, whatever the recipe trains with. Networks
are in evaluation mode. So results of two steps, or of two runs with equal views, refer to the same
samples.

Samplers that follow saliency (such as ``views.sampler=energy``) follow it here too. Audio alone
does not solve the task: all proposals of a clip are its own views, and a network that ignores one
modality predicts the same for each of them, which is right for one view of K. This does not hold
for telling aligned from rotated audio (AVSA-Bin), where saliency makes aligned audio loud in front:
such a task must draw views uniformly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice

import torch
import torch.distributed as dist
from torch import Tensor, nn

from avsa.config.train_config import TrainConfig
from avsa.data.clips import Clips
from avsa.data.order import Draw
from avsa.data.training_order import TrainingOrder, count_videos
from avsa.models.compilation import begin_step
from avsa.models.compute import autocast
from avsa.models.encoders import Encoders
from avsa.tasks.base import Task
from avsa.training.distributed import World, mean_over_ranks
from avsa.training.metrics_log import RunLog
from avsa.views.audio_statistics import AudioStatistics
from avsa.views.batch import Batch, batches

PREFIX = "val/"
SEED = 0


@dataclass(frozen=True)
class Validation:
    """Validation of a stage: one sample of each video of a split, in full batches.

    Clips that cannot be read are replaced; the loader reports them.

    Attributes:
        config: The recipe.
        stage: Name of the stage.
        clips: The held-out split, of all datasets.
        statistics: Statistics that standardize spectrograms.
        world: This process and the other ranks.
    """

    config: TrainConfig
    stage: str
    clips: Clips
    statistics: AudioStatistics
    world: World

    @torch.inference_mode()
    def evaluate(self, encoders: Encoders, task: Task) -> dict[str, float]:
        """Return loss and metrics over the split, named ``val/...``; all ranks take part.

        If the split has fewer videos than a batch, batches are smaller, which is an easier task.
        With fewer than two videos nothing is returned (see `possible`).

        Args:
            encoders: Not wrapped by DDP; left in training mode.
            task: Not wrapped by DDP; left in training mode.
        """
        if not self.possible:
            return {}
        if self.world.size > 1:
            # Each rank has its own batch norm statistics; checkpoints hold those of rank 0.
            for buffer in encoders.buffers():
                dist.broadcast(buffer, src=0)
        order = _FullBatches(
            self.clips.video_ids,
            self._batch_size,
            SEED,
            replace(self.config.sampling, draws_per_video=1, weights=()),
            self.clips.shard_numbers,
        )
        samples = batches(
            self.clips,
            order,
            SEED,
            replace(self.config.stage_data(self.stage), video_position="middle"),
            replace(self.config.stage_views(self.stage), augment=False, audio_rotation="view"),
            self.config.audio,
            self.statistics,
            self.world,
        )
        with _evaluating(encoders, task), closing(samples):
            records = [
                self._evaluate_batch(encoders, task, batch)
                for batch in islice(samples, order.steps_per_epoch)
            ]
        names = records[0][0]
        table = torch.stack([values for _, values in records])
        means = mean_over_ranks(table.mean(0)).tolist()
        return {PREFIX + name: mean for name, mean in zip(names, means, strict=True)}

    def summary(self, record: Mapping[str, float]) -> str:
        """Return the main metric of `evaluate` and its chance level, as one line."""
        about = f"validation, {count_videos(self.clips.video_ids)} videos of {self.clips.split}"
        metrics = {key.removeprefix(PREFIX): value for key, value in record.items()}
        watched = self.config.stages[self.stage].task.summary(
            metrics,
            self._batch_size,
            self.config.stage_views(self.stage).num_views,
            self.config.stage_data(self.stage).windows_per_clip,
        )
        return f"{about}: {watched}"

    @property
    def possible(self) -> bool:
        """Whether there are enough videos to compare."""
        return self._batch_size > 1

    @property
    def _batch_size(self) -> int:
        ranks = self.world.size
        videos = count_videos(self.clips.video_ids) // ranks * ranks
        return min(self.config.stages[self.stage].batch_size, videos)

    def _evaluate_batch(
        self, encoders: Encoders, task: Task, batch: Batch
    ) -> tuple[list[str], Tensor]:
        """Return the names and the values (N,) of loss and metrics of a batch."""
        begin_step(self.config.compute)
        with autocast(self.config.compute, self.world.device):
            features = encoders(batch.video, batch.audio)
            loss, metrics = task(*map(batch.by_clip, (*features, batch.directions)))
        return ["loss", *metrics], torch.stack([loss, *metrics.values()])


def open_validation(
    config: TrainConfig,
    stage: str,
    clips: Clips | None,
    statistics: AudioStatistics,
    world: World,
    log: RunLog,
) -> Validation | None:
    """Return the validation of a stage, or None if it is off or the split has too few videos."""
    if clips is None:
        return None
    validation = Validation(config, stage, clips, statistics, world)
    if validation.possible:
        return validation
    log.note(f"{clips.split} has too few videos to validate {stage}")
    return None


class _FullBatches(TrainingOrder):
    """An order whose batches are full as long as any clip can be read."""

    def replacements(self, draw: Draw) -> Iterator[int]:
        """Return the clips that can replace one, finally those of the same batch."""
        yield from super().replacements(draw)
        yield from (other.clip for other in self.batch(draw.position // self.batch_size))


@contextmanager
def _evaluating(*modules: nn.Module) -> Iterator[None]:
    """Put modules into evaluation mode, and back into training mode."""
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for module in modules:
            module.train()
