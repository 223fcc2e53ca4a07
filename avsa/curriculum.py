"""The stages of a run laid out on one axis of steps: a pure function of config and index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from avsa.config import StageConfig, TrainConfig
from avsa.plan import Plan
from yt360.errors import UserError

# Plans of different stages must not draw the same order, and seeds are below this.
SEEDS_PER_STAGE = 2**32


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Attributes:
        name: As in the recipe.
        config: Its task and length.
        first_step: Steps of the run before it.
        steps: Its length.
        seed: Of its plan, views and times.
        plan: Which clips at which of its steps.
    """

    name: str
    config: StageConfig
    first_step: int
    steps: int
    seed: int
    plan: Plan

    @property
    def last_step(self) -> int:
        """Steps of the run when it is done."""
        return self.first_step + self.steps


def lay_out(
    config: TrainConfig, video_ids: Sequence[str], shards: Sequence[int], ranks: int
) -> list[Stage]:
    """Return the stages of a run.

    Args:
        config: The recipe.
        video_ids: Video of each clip, in the order of the index.
        shards: Shard number of each clip.
        ranks: Processes that share each batch.

    Raises:
        UserError: A batch is larger than the dataset, or cannot be shared by the ranks.
    """
    stages: list[Stage] = []
    for number, (name, stage) in enumerate(config.stages.items()):
        if stage.batch_size % ranks:
            raise UserError(
                f"stages.{name}.batch_size is {stage.batch_size}, which {ranks} ranks cannot "
                f"share; set it to a multiple of {ranks}"
            )
        seed = config.seed + number * SEEDS_PER_STAGE
        try:
            plan = Plan(video_ids, stage.batch_size, seed, config.plan, shards)
        except UserError as error:
            raise UserError(f"stages.{name}: {error} (--set stages.{name}.batch_size=N)") from error
        first = stages[-1].last_step if stages else 0
        steps = stage.steps or stage.epochs * plan.steps_per_epoch
        stages.append(Stage(name, stage, first, steps, seed, plan))
    return stages
