"""How well the pretext task is solved on clips that training never sees.

Views are drawn without jitter and by a seed of their own, and the sound is always turned to the
view, whatever the recipe trains with; networks are in evaluation mode. So the numbers of two steps,
or of two runs with equal views, are about the same samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice

import torch
from torch import Tensor, nn

from avsa.accumulate import Inputs
from avsa.batch import make_batch
from avsa.config import TrainConfig
from avsa.data import Loader
from avsa.distributed import World, mean_over_ranks
from avsa.guides import open_guide
from avsa.model import Encoders, autocast
from avsa.plan import Plan
from avsa.stats import AudioStats
from avsa.tasks import Task
from yt360.shards.reader import ShardReader

PREFIX = "held_out_"
SEED = 0


@dataclass(frozen=True)
class Validation:
    """The held-out samples of a stage: one clip of each video, in full batches like training's.

    Attributes:
        config: The recipe.
        stage: Name of the stage.
        clips: The held-out split.
        stats: Statistics that standardize spectrograms.
        world: This process among the ranks.
    """

    config: TrainConfig
    stage: str
    clips: ShardReader
    stats: AudioStats
    world: World

    @torch.inference_mode()
    def judge(self, encoders: Encoders, task: Task) -> dict[str, float]:
        """Return loss and metrics over the split, named ``held_out_...``; all ranks take part.

        A split with fewer videos than a batch is judged in smaller ones, which is an easier task.
        Where not even two can be compared, nothing is returned.

        Args:
            encoders: Bare ones, not wrapped by DDP; they are left in training mode.
            task: Likewise.
        """
        ranks = self.world.size
        videos = len(set(self.clips.video_ids)) // ranks * ranks
        batch_size = min(self.config.stages[self.stage].batch_size, videos)
        if batch_size < 2:
            return {}
        with _evaluating(encoders, task):
            records = [
                self._judge_batch(encoders, task, inputs) for inputs in self._batches(batch_size)
            ]
        table = torch.stack([torch.stack(list(record.values())) for record in records])
        means = mean_over_ranks(table.mean(0)).tolist()
        return {PREFIX + name: mean for name, mean in zip(records[0], means, strict=True)}

    def _batches(self, batch_size: int) -> Iterator[Inputs]:
        clips, world = self.clips, self.world
        shards = clips.shard_numbers.tolist()
        plan = Plan(clips.video_ids, batch_size, SEED, self.config.plan, shards)
        views = self.config.stage_views(self.stage)
        views = replace(views, augment=False, sound_frame="view")
        loader = Loader(
            clips,
            plan,
            self.config.stage_data(self.stage),
            SEED,
            world.rank,
            world.size,
            pin_memory=world.device.type == "cuda",
            guide=open_guide(views, clips),
        )
        for raw in islice(loader.batches(), plan.steps_per_epoch):
            batch = make_batch(raw, SEED, views, self.config.audio, self.stats, world.device)
            yield Inputs(batch.video, batch.audio, batch.directions, batch.raw.moments)

    def _judge_batch(self, encoders: Encoders, task: Task, inputs: Inputs) -> dict[str, Tensor]:
        with autocast(self.config.compute, self.world.device):
            features = encoders(inputs.video, inputs.audio)
            loss, metrics = task(*map(inputs.by_clip, (*features, inputs.directions)))
        return {"loss": loss, **metrics}


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
