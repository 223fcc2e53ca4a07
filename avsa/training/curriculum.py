"""The stages of a run and their steps: a pure function of recipe and index."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from avsa.config.train_config import StageConfig, TrainConfig
from avsa.data.clips import Clips, clip_format
from avsa.data.loader import require_long_clips
from avsa.data.mixture import Indices
from avsa.data.training_order import TrainingOrder
from avsa.views.saliency import open_saliency
from avsa.views.sampling import check_views
from avsa.views.spectrogram import require_long_audio
from yt360.errors import UserError

# Stages must not draw the same order; seeds of runs are below this.
SEEDS_PER_STAGE = 2**32


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Attributes:
        name: Name in the recipe.
        config: Task and length.
        first_step: Number of steps before the stage.
        steps: Number of steps of the stage.
        seed: Seed of its order, clip windows and views.
        order: Order of its clips.
    """

    name: str
    config: StageConfig
    first_step: int
    steps: int
    seed: int
    order: TrainingOrder

    @property
    def last_step(self) -> int:
        """Number of steps of the run at the end of the stage."""
        return self.first_step + self.steps


def fit_batches(
    config: TrainConfig, num_videos: int, ranks: int, kept: Collection[str] = ()
) -> tuple[TrainConfig, list[str]]:
    """Reduce the batch sizes of a recipe if the dataset is too small for them.

    A batch holds at most one clip of each video. Smaller batches make an easier task, so every
    change is reported in a note.

    Args:
        config: The recipe.
        num_videos: Videos of the training split.
        ranks: Processes that share each batch; the new size is a multiple of it.
        kept: Stages whose batch size the user set, which is not changed.

    Returns:
        The recipe, and a note for each stage that was changed.
    """
    largest = num_videos // ranks * ranks
    stages, notes = dict(config.stages), []
    for name, stage in config.stages.items():
        if name in kept or stage.batch_size <= largest or largest < 2:
            continue
        stages[name] = replace(stage, batch_size=largest)
        notes.append(
            f"stages.{name}: batch_size {stage.batch_size} reduced to {largest}, because the "
            f"dataset has {num_videos} training videos; results are not comparable to the paper's"
        )
    return replace(config, stages=stages), notes


def keep_batches(
    config: TrainConfig, began: TrainConfig, kept: Collection[str] = ()
) -> tuple[TrainConfig, list[str]]:
    """Keep the reduced batch sizes of a resumed run (see `fit_batches`).

    Args:
        config: The recipe that was given to resume.
        began: The recipe of the run.
        kept: Stages whose batch size the user set, which is not changed.

    Returns:
        The recipe, and a note for each stage that was changed.
    """
    stages, notes = dict(config.stages), []
    for name, stage in config.stages.items():
        if name in kept or name not in began.stages:
            continue
        size = began.stages[name].batch_size
        if size < stage.batch_size:
            stages[name] = replace(stage, batch_size=size)
            notes.append(f"stages.{name}: batch_size {size}, as at the start of the run")
    return replace(config, stages=stages), notes


def require_shareable(config: TrainConfig, ranks: int) -> None:
    """Check that the ranks can share every batch evenly.

    Raises:
        UserError: They cannot; the message names the nearest valid numbers and batch sizes.
    """
    sizes = {name: stage.batch_size for name, stage in config.stages.items()}
    uneven = {name: size for name, size in sizes.items() if size % ranks}
    if not uneven:
        return
    common = math.gcd(*sizes.values())
    shared = [count for count in range(1, common + 1) if common % count == 0]
    fewer = max(count for count in shared if count < ranks)
    more = min((count for count in shared if count > ranks), default=None)
    counts = _either([fewer, *([] if more is None else [more])])
    name, size = next(iter(uneven.items()))
    changes = [
        f"stages.{name}.batch_size={_either([n for n in (below, below + ranks) if n > 1])}"
        for name, size in uneven.items()
        for below in (size // ranks * ranks,)
    ]
    raise UserError(
        f"stages.{name}.batch_size is {size}, which {ranks} ranks cannot share; start {counts} "
        f"ranks, or --set {' and '.join(changes)}",
        code="conflict",
        key=f"stages.{name}.batch_size",
    )


def require_stages_fit(config: TrainConfig, clips: Clips, validation_clips: Clips | None) -> None:
    """Check that the dataset meets the requirements of every stage.

    Raises:
        UserError: Views cannot be placed, clips are too short, or labels are missing.
    """
    for name in config.stages:
        check_views(config.stage_views(name))
        window = config.stage_data(name).window_shape(clip_format(clips))
        require_long_audio(config.audio, window.num_samples)
        for split in (clips, validation_clips):
            if split is not None and len(split):
                require_long_clips(split, config.stage_data(name))
                open_saliency(config.stage_views(name), split)


def _either(values: Sequence[int]) -> str:
    return " or ".join(map(str, values))


def lay_out(
    config: TrainConfig,
    video_ids: Sequence[str],
    shards: Sequence[int] | Indices,
    ranks: int,
    datasets: Sequence[int] | Indices | None = None,
) -> list[Stage]:
    """Return the stages of a run.

    Args:
        config: The recipe.
        video_ids: Video of each clip, in the order of the index.
        shards: Shard number of each clip.
        ranks: Processes that share each batch.
        datasets: Dataset of each clip, counted from 0; by default all are of one dataset.

    Raises:
        UserError: A batch is larger than the dataset, or cannot be shared by the ranks, or
            ``sampling.weights`` do not fit the datasets.
    """
    require_shareable(config, ranks)
    stages: list[Stage] = []
    for number, (name, stage) in enumerate(config.stages.items()):
        seed = config.seed + number * SEEDS_PER_STAGE
        try:
            order = TrainingOrder(
                video_ids, stage.batch_size, seed, config.sampling, shards, datasets
            )
        except UserError as error:
            if error.key != "batch_size":
                raise
            raise UserError(
                f"stages.{name}: {error} (--set stages.{name}.batch_size=N)",
                code=error.code,
                key=f"stages.{name}.batch_size",
            ) from error
        first = stages[-1].last_step if stages else 0
        steps = stage.steps or stage.epochs * order.steps_per_epoch
        stages.append(Stage(name, stage, first, steps, seed, order))
    return stages
