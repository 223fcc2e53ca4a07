"""A run: opened, trained stage by stage, stopped and gone on with.

A step is a pure function of the weights, the optimizer's state and (recipe, dataset, step): order,
times, views, jitters and dropout are drawn from keys. So a run that was killed goes on from its
last checkpoint with the same losses to the bit on the same machine (on CUDA with
``compute.deterministic``), and a run on another number of ranks sees the same clips
(docs/training.md says what may differ there).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import torch

from avsa.config.recipe import TrainConfig
from avsa.data.clips import clips_form
from avsa.data.loader import require_long_clips
from avsa.data.remote.clips import open_clips
from avsa.hub.saved import Saved
from avsa.training.checkpoint import checkpoint_path
from avsa.training.curriculum import Stage, lay_out
from avsa.training.distributed import World, from_first_rank, require_agreement
from avsa.training.learner import Learner, build_encoders
from avsa.training.loop import Session, train_stage
from avsa.training.metrics_log import FILE_NAME as LOG_FILE
from avsa.training.metrics_log import RunLog
from avsa.training.repeatability import repeatable_compute, small_step
from avsa.training.run_folder import fingerprint, open_run, run_lock
from avsa.training.signals import StopSignals
from avsa.views.audio_statistics import AudioStats, ensure_stats
from avsa.views.saliency import open_guide
from avsa.views.sampling import check_views
from avsa.views.spectrogram import require_long_sound
from yt360.config import flatten, to_mapping
from yt360.errors import BadItem, UserError
from yt360.shards.format.reader import ShardReader

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """How a call of `train` ended.

    Attributes:
        step: Steps done in all.
        steps: Steps that were asked for.
        checkpoint: The newest one.
        stopped_by: Name of the signal that ended it early, or None.
    """

    step: int
    steps: int
    checkpoint: Path
    stopped_by: str | None

    @property
    def exit_code(self) -> int:
        """0 when all steps are done, else that of the signal, such as 130 for Ctrl-C."""
        if self.step >= self.steps:
            return 0
        # A rank that got no signal itself stops with the one that did.
        return 128 + signal.Signals[self.stopped_by or "SIGTERM"]

    def lines(self, run: Path) -> list[str]:
        """Return where things are and what to do next, in a few lines."""
        end = f"stopped by {self.stopped_by}, " if self.stopped_by else ""
        lines = [
            f"{end}step {self.step} of {self.steps}; checkpoint: {self.checkpoint}",
            f"log: {run / LOG_FILE}; curves: tensorboard --logdir {run}",
            f'use it: model = avsa.load("{run}")',
        ]
        if self.step < self.steps:
            lines.append(f"go on: avsa train --out {run} --resume")
        return lines


def train(
    config: TrainConfig,
    dataset: Path,
    run: Path,
    world: World,
    *,
    steps: int | None = None,
    resume: bool = False,
    log_keys: bool = False,
) -> Outcome:
    """Train by a recipe, or go on with a run.

    Args:
        config: The recipe.
        dataset: Folder of shards; its ``train`` split is used.
        run: Folder for the recipe, logs and checkpoints.
        world: This process among the ranks.
        steps: Stop after this many steps in all, before the recipe's end.
        resume: Go on from the newest checkpoint in `run`.
        log_keys: Write the keys of each batch's clips into its log line.

    Raises:
        UserError: Run, dataset and recipe do not go together, or loss or gradient is not finite.
    """
    with ExitStack() as opened:
        clips = opened.enter_context(closing(open_clips(dataset, "train")))
        held_out = None
        if config.validation.every_steps:
            held_out = opened.enter_context(closing(open_clips(dataset, config.validation.split)))
        stages = lay_out(config, clips.video_ids, clips.shard_numbers.tolist(), world.size)
        _require_all_stages_can_run(config, clips, held_out)
        calls = {"--out": str(run), "--steps": steps, "--resume": resume, "--log-keys": log_keys}
        splits = {
            "the dataset": fingerprint(clips),
            "held-out": None if held_out is None else fingerprint(held_out),
        }
        require_agreement({**calls, **splits, **flatten(to_mapping(config))})
        saved, stats = _on_first_rank(
            world, lambda: _open(config, dataset, clips, run, resume, opened)
        )

        step = saved.step if saved else 0
        last_step = min(stages[-1].last_step, steps or stages[-1].last_step)
        if step >= last_step:
            return Outcome(step, last_step, checkpoint_path(run, step), None)
        log = opened.enter_context(_log(run, step, last_step, world))
        stop = opened.enter_context(StopSignals())
        opened.enter_context(_determinism(config.compute.deterministic))
        stage = next(each for each in stages if step < each.last_step)
        config = _repeatable(config, stage.name, clips, world, log)
        session = Session(config, run, world, clips, held_out, stats, log, stop, log_keys)
        step = _train_stages(session, stages, saved, step, last_step)
        return Outcome(step, last_step, checkpoint_path(run, step), stop.name)


def _train_stages(
    session: Session, stages: list[Stage], saved: Saved | None, step: int, last_step: int
) -> int:
    """Go on from `step` to `last_step`, or until told to stop; return the last step done."""
    config, world = session.config, session.world
    encoders = build_encoders(config, world, saved)
    for stage in stages:
        until = min(stage.last_step, last_step)
        if step >= until:
            continue
        learner = Learner(config, stage, encoders, world, saved)
        saved = None  # it is large, and of no use to later stages
        step, stopping = train_stage(session, stage, learner, step, until)
        if stopping:
            break
    return step


def _open(
    config: TrainConfig,
    dataset: Path,
    clips: ShardReader,
    run: Path,
    resume: bool,
    opened: ExitStack,
) -> tuple[Saved | None, AudioStats]:
    """Lock and open the run's folder; return its newest checkpoint, if any, and its statistics."""
    opened.enter_context(run_lock(run))
    saved = open_run(config, dataset, fingerprint(clips), run, resume) if resume else None
    if saved and saved.stats:
        return saved, saved.stats
    # Measured before there are files that a failure would leave behind.
    stats = ensure_stats(dataset, config.audio)
    if not resume:
        open_run(config, dataset, fingerprint(clips), run, resume)
    return None, stats


def _require_all_stages_can_run(
    config: TrainConfig, clips: ShardReader, held_out: ShardReader | None
) -> None:
    """Refuse before the first step what a later stage would stumble over."""
    for name in config.stages:
        check_views(config.stage_views(name))
        span = config.stage_data(name).span(clips_form(clips.info))
        require_long_sound(config.audio, span.samples)
        for split in (clips, held_out):
            if split is not None and len(split):
                require_long_clips(split, config.stage_data(name))
                open_guide(config.stage_views(name), split)


def _on_first_rank(world: World, work: Callable[[], T]) -> T:
    """Return rank 0's result of `work` on every rank, or raise there what rank 0 raised."""
    result: T | None = None
    error: UserError | BadItem | OSError | None = None
    if world.is_first:
        try:
            result = work()
        except (UserError, BadItem, OSError) as caught:
            error = caught
    result, error = from_first_rank((result, error))
    if error is not None:
        raise error
    return cast(T, result)


def _repeatable(
    config: TrainConfig, stage: str, clips: ShardReader, world: World, log: RunLog | None
) -> TrainConfig:
    """Return the recipe with options of computing under which this machine repeats a step."""
    span = config.stage_data(stage).span(clips_form(clips.info))
    step = partial(small_step, config, stage, span)
    compute, warning = repeatable_compute(config.compute, world, step)
    if warning is not None and log is not None:
        log.warn(warning)
    return replace(config, compute=compute)


def _log(
    run: Path, step: int, last_step: int, world: World
) -> AbstractContextManager[RunLog | None]:
    return RunLog(run, step, last_step) if world.is_first else nullcontext()


@contextmanager
def _determinism(wanted: bool) -> Iterator[None]:
    """Let torch choose deterministic kernels alone while the block runs."""
    before = torch.are_deterministic_algorithms_enabled()
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS demands it
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
