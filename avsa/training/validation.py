"""How well the pretext task is solved on clips that training never sees.

Views are drawn without jitter and by one seed for all runs, the picture lies in the middle of its
sound, and the sound is always turned to the view, whatever the recipe trains with; networks are in
evaluation mode. So the numbers of two steps, or of two runs with equal views, are about the same
samples.

Views that follow a guide (``views.sampler=energy``, say) follow it here too, and sound alone gains
nothing from that: all proposals of a clip are its own views, drawn alike, and a network that
ignores one modality makes the same prediction for each of them, which is right for one view of K.
That holds for choosing among views, not for telling aligned from turned sound (AVSA-Bin), where a
guide makes aligned sound loud in front: such a task must draw its views uniformly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice

import torch
import torch.distributed as dist
from torch import Tensor, nn

from avsa.config.recipe import TrainConfig
from avsa.data.sampling import Draw, Plan
from avsa.models.compute import autocast
from avsa.models.encoders import Encoders
from avsa.tasks.base import Task
from avsa.training.distributed import World, mean_over_ranks
from avsa.training.metrics_log import RunLog
from avsa.views.audio_statistics import AudioStats
from avsa.views.batch import Batch, batches
from yt360.shards.format.reader import ShardReader

PREFIX = "val/"
SEED = 0


@dataclass(frozen=True)
class Validation:
    """The held-out samples of a stage: one of each video, in full batches like training's.

    Clips that cannot be read are replaced by others, and left to the loader to report.

    Attributes:
        config: The recipe.
        stage: Name of the stage.
        clips: The held-out split.
        statistics: Statistics that standardize spectrograms.
        world: This process among the ranks.
    """

    config: TrainConfig
    stage: str
    clips: ShardReader
    statistics: AudioStats
    world: World

    @torch.inference_mode()
    def evaluate(self, encoders: Encoders, task: Task) -> dict[str, float]:
        """Return loss and metrics over the split, named ``val/...``; all ranks take part.

        A split with fewer videos than a batch is judged in smaller ones, which is an easier task.
        Where not even two can be compared (`possible`), nothing is returned.

        Args:
            encoders: Bare ones, not wrapped by DDP; they are left in training mode.
            task: Likewise.
        """
        if not self.possible:
            return {}
        if self.world.size > 1:
            # Each rank has gathered statistics of its own; those of the first are saved.
            for buffer in encoders.buffers():
                dist.broadcast(buffer, src=0)
        plan = _FullBatches(
            self.clips.video_ids,
            self._batch_size,
            SEED,
            replace(self.config.sampling, draws_per_video=1),
            self.clips.shard_numbers.tolist(),
        )
        samples = batches(
            self.clips,
            plan,
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
                for batch in islice(samples, plan.steps_per_epoch)
            ]
        table = torch.stack([torch.stack(list(record.values())) for record in records])
        means = mean_over_ranks(table.mean(0)).tolist()
        return {PREFIX + name: mean for name, mean in zip(records[0], means, strict=True)}

    def summary(self, record: Mapping[str, float]) -> str:
        """Return the number of `evaluate` to watch, with what chance would give, as one line."""
        about = f"held out, {len(set(self.clips.video_ids))} videos of {self.clips.split}"
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
        videos = len(set(self.clips.video_ids)) // ranks * ranks
        return min(self.config.stages[self.stage].batch_size, videos)

    def _evaluate_batch(self, encoders: Encoders, task: Task, batch: Batch) -> dict[str, Tensor]:
        with autocast(self.config.compute, self.world.device):
            features = encoders(batch.video, batch.audio)
            loss, metrics = task(*map(batch.by_clip, (*features, batch.directions)))
        return {"loss": loss, **metrics}


def open_validation(
    config: TrainConfig,
    stage: str,
    held_out: ShardReader | None,
    statistics: AudioStats,
    world: World,
    log: RunLog,
) -> Validation | None:
    """Return the validation of a stage, or None if it is off or the split has too few videos."""
    if held_out is None:
        return None
    validation = Validation(config, stage, held_out, statistics, world)
    if validation.possible:
        return validation
    log.note(f"{held_out.split} has too few videos to validate {stage}")
    return None


class _FullBatches(Plan):
    """A plan whose batches are full as long as any clip can be read: nothing is learned here."""

    def replacements(self, draw: Draw) -> Iterator[int]:
        """Return what may stand in for a clip; when all else fails, a clip of the same batch."""
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
