"""``avsa train --dry-run``: steps, schedule, memory and hours of a run, from recipe and index.

Steps and samples are exact. Hours are views divided by a given speed, which depends on the machine.
Memory is that of `avsa.training.memory`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from avsa.config.recipe import load_config, recipe_names
from avsa.config.train_config import TrainConfig
from avsa.data.clips import clip_format, open_datasets, open_video_ids, part_numbers
from avsa.data.mixture import Indices, normalized
from avsa.data.remote.mirror import dataset_folder
from avsa.data.training_order import count_videos
from avsa.training.curriculum import Stage, fit_batches, lay_out
from avsa.training.memory import stage_memory
from avsa.training.optimizer import OptimizerConfig, learning_rate
from avsa.training.request import resolve_request
from yt360.clip_codec.format import ClipFormat
from yt360.errors import UserError
from yt360.terminal.text import table

# Clips and videos of the published lists of YT-360.
YT360_TRAIN, YT360_TEST = (73_635, 4_506), (15_119, 1_000)
DEFAULT_VIEWS_PER_S = 1000.0
# Approximate cost of a forward pass, as a fraction of a training step.
FORWARD_FRACTION = 1 / 3


@dataclass(frozen=True)
class Splits:
    """The properties of one or several datasets that a dry run needs.

    Attributes:
        name: Name to print.
        video_ids: Video of each training clip.
        shards: Shard number of each training clip.
        validation_videos: Number of videos of the validation split.
        form: Format of the stored clips.
        datasets: Dataset of each training clip; None if there is only one.
    """

    name: str
    video_ids: Sequence[str]
    shards: Sequence[int] | Indices
    validation_videos: int
    form: ClipFormat
    datasets: Indices | None = None

    @cached_property
    def num_videos(self) -> int:
        """Number of training videos."""
        return count_videos(self.video_ids)


def dry_run_report(
    data: Sequence[str],
    recipe: str | None,
    overrides: Sequence[str],
    out: Path | None,
    resume: bool,
    cache_gb: float | None,
    *,
    ranks: int | None = None,
    views_per_s: float | None = None,
) -> list[str]:
    """Return lines that describe the run of an ``avsa train`` command; reads only the index.

    Without a dataset the sizes of YT-360 are used; without a recipe, all recipes are listed.

    Raises:
        UserError: The run would fail before it reads a clip.
    """
    speed = views_per_s or DEFAULT_VIEWS_PER_S
    folders = [dataset_folder(each, cache_gb) for each in data]
    if not recipe and not resume:
        if overrides or ranks:
            raise UserError(
                "--set and --ranks need a recipe; give --recipe NAME with them",
                code="missing",
                key="--recipe",
            )
        return describe_recipes(splits_of(folders) if folders else yt360_splits(), speed)
    ranks = ranks or 1
    if not folders and not resume:
        assert recipe is not None
        return describe_run(load_config(recipe, overrides), yt360_splits(), ranks, speed)
    request = resolve_request(folders, recipe, overrides, out, resume, ranks, cache_gb)
    splits = splits_of(request.datasets, request.config.validation.split)
    return [*request.notes, *describe_run(request.config, splits, ranks, speed)]


def splits_of(datasets: Sequence[Path], validation_split: str = "test") -> Splits:
    """Return the splits of datasets; reads ``dataset.json`` and the index of each."""
    clips = open_datasets(datasets, "train", open_video_ids)
    validation = open_datasets(datasets, validation_split, open_video_ids)
    return Splits(
        name=" and ".join(map(str, datasets)),
        video_ids=clips.video_ids,
        shards=clips.shard_numbers,
        validation_videos=count_videos(validation.video_ids),
        form=clip_format(clips),
        datasets=part_numbers(clips),
    )


def yt360_splits() -> Splits:
    """Return the splits of YT-360 by their published sizes, with evenly many clips per video."""
    clips, videos = YT360_TRAIN
    owner = np.sort(np.arange(clips) % videos)
    return Splits(
        name="YT-360 (published sizes)",
        video_ids=[f"{video:04d}" for video in owner],
        shards=[0] * clips,
        validation_videos=YT360_TEST[1],
        form=ClipFormat(),
    )


def describe_recipes(splits: Splits, views_per_s: float = DEFAULT_VIEWS_PER_S) -> list[str]:
    """Return a table with steps and hours of every recipe."""
    rows = [("recipe", "stages (batch)", "steps", "views", f"hours at {views_per_s:,g} views/s")]
    for name in recipe_names():
        config, _ = fit_batches(load_config(name), splits.num_videos, ranks=1)
        stages = lay_out(config, splits.video_ids, splits.shards, ranks=1)
        views = sum(_views(config, stage) for stage in stages)
        names = ", ".join(f"{stage.name} ({stage.config.batch_size})" for stage in stages)
        rows.append(
            (name, names, f"{stages[-1].last_step:,}", f"{views:,}", _hours(views, views_per_s))
        )
    return [_split_line(splits), "", *table(rows, left=2), "", _speed_line(views_per_s)]


def describe_run(
    config: TrainConfig, splits: Splits, ranks: int, views_per_s: float = DEFAULT_VIEWS_PER_S
) -> list[str]:
    """Return steps, schedule, views, memory and hours of a run.

    Raises:
        UserError: The recipe does not fit the splits, or the ranks cannot share its batches.
    """
    stages = lay_out(config, splits.video_ids, splits.shards, ranks, splits.datasets)
    return [
        *(_split_line(splits), ""),
        *(*_stage_lines(config, splits, stages, ranks, views_per_s), ""),
        *(_speed_line(views_per_s), ""),
        *_details(config, splits, stages, ranks),
    ]


def _stage_lines(
    config: TrainConfig, splits: Splits, stages: list[Stage], ranks: int, views_per_s: float
) -> list[str]:
    header = ("stage", "task", "epochs", "batch", "a rank", "views a clip")
    rows: list[Sequence[str]] = [(*header, "steps an epoch", "steps", "views drawn", "hours")]
    for stage in stages:
        label, views = stage.config.task.label, _views(config, stage)
        size = stage.config.batch_size
        rows.append((
            stage.name, label, f"{stage.steps / stage.order.steps_per_epoch:,.4g}", f"{size:,}",
            f"{size // ranks:,}", f"{_views_of_clip(config, stage):,}",
            f"{stage.order.steps_per_epoch:,}", f"{stage.steps:,}", f"{views:,}",
            _hours(views, views_per_s),
        ))  # fmt: skip
    total = sum(_views(config, stage) for stage in stages)
    rows.append((
        "total", *[""] * 6, f"{stages[-1].last_step:,}", f"{total:,}",
        _hours(total, views_per_s),
    ))  # fmt: skip
    draws = config.sampling.draws(len(splits.video_ids), splits.num_videos)
    each = f"each video {draws} times" if config.sampling.unit == "video" else "each clip once"
    if weights := config.sampling.weights:
        each = " and ".join(f"{share:.1%}" for share in normalized(weights)) + " from the datasets"
    return [f"an epoch draws {each}; ranks: {ranks}", *table(rows, left=2)]


def _details(config: TrainConfig, splits: Splits, stages: list[Stage], ranks: int) -> list[str]:
    views, audio, optimizer = config.views, config.audio, config.optimizer
    low, high = (math.degrees(bound) for bound in (views.band.low, views.band.high))
    window = config.data.window_shape(splits.form)
    return [
        f"views     {views.sampler}, elevation {low:g}° to {high:g}° (even in "
        f"{views.elevation_spacing}), at least {views.min_separation_deg:g}° apart",
        f"fields    {views.hfov_min_deg:g}° to {views.hfov_max_deg:g}° wide (even in "
        f"{views.hfov_spacing}), {views.height}x{views.width} pixels",
        f"video     {window.num_frames} frames at {window.fps}/s, in the audio: "
        f"{window.video_position}",
        f"audio     {config.data.audio_duration_s:g} s at {audio.sample_rate_hz:,} Hz: "
        f"{audio.num_channels} x {audio.steps(window.num_samples)} x {audio.n_mels}",
        *(_schedule(optimizer, stage) for stage in stages),
        *(_memory(config, splits, stage, ranks) for stage in stages),
        _validation(config, splits, stages, ranks),
    ]


def _schedule(optimizer: OptimizerConfig, stage: Stage) -> str:
    def rate(step: int) -> str:
        return f"{learning_rate(optimizer, step, stage.steps):.3g}"

    marks = {0, min(optimizer.warmup_steps, stage.steps - 1), stage.steps // 2, stage.steps - 1}
    rates = ", ".join(f"{rate(step)} at step {step + 1:,}" for step in sorted(marks))
    if optimizer.schedule == "constant" and not optimizer.warmup_steps:
        rates = f"{optimizer.lr:.3g} throughout"
    return f"rate      {stage.name}: {optimizer.kind}, {rates}"


def _memory(config: TrainConfig, splits: Splits, stage: Stage, ranks: int) -> str:
    needs = stage_memory(config, stage.name, splits.form, ranks)
    return (
        f"memory    {stage.name}, a rank: {needs.num_weights / 1e6:,.1f} M weights with gradients "
        f"and optimizer {_size(needs.weights)}, activations {_size(needs.activations)} (float32; "
        f"about half in bfloat16), two batches {_size(needs.batches)}; on the host, loader "
        f"{_size(needs.loader)}"
    )


def _validation(config: TrainConfig, splits: Splits, stages: list[Stage], ranks: int) -> str:
    every = config.validation.every_steps
    if not every:
        return "validate  never (validation.every_steps=0)"
    videos = splits.validation_videos // ranks * ranks
    if videos < 2:
        return f"validate  never: too few videos in {config.validation.split}"
    costs = []
    for stage in stages:
        size = min(stage.config.batch_size, videos)
        batches = videos // size
        fraction = batches * size * FORWARD_FRACTION / (every * stage.config.batch_size)
        costs.append(
            f"{stage.name} {batches:,} batches of {size}, about {fraction:.1%} of the time"
        )
    return f"validate  every {every:,} steps: {'; '.join(costs)}"


def _views_of_clip(config: TrainConfig, stage: Stage) -> int:
    return config.stage_views(stage.name).num_views * config.stage_data(stage.name).windows_per_clip


def _views(config: TrainConfig, stage: Stage) -> int:
    return stage.steps * stage.config.batch_size * _views_of_clip(config, stage)


def _hours(views: int, views_per_s: float) -> str:
    hours = views / views_per_s / 3600
    return f"{hours:,.1f}" if hours >= 1 else f"{hours:.2g}"


def _split_line(splits: Splits) -> str:
    clips, videos = len(splits.video_ids), splits.num_videos
    return f"{splits.name}: {clips:,} training clips of {videos:,} videos"


def _speed_line(views_per_s: float) -> str:
    return (
        f"Hours are for {views_per_s:,g} views per second over all ranks; set --views-per-s to the "
        "views_per_s in the log of a run."
    )


def _size(count: float) -> str:
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
